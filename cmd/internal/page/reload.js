// What became of the last reload of the configuration.
import { announce, byId, element, show, write } from "./dom.js";
import { ago, clock, count, moment, time } from "./words.js";

let last = null;

const verbs = { add: "added", remove: "removed", change: "changed", rename: "renamed" };

const effects = {
  live: "in force at once", retoken: "gets a new token", respawn: "its process is started anew",
  rebind: "served at another address", restart: "needs a restart of bearerd",
};

// showReload takes the last reload. loud: a person should hear of it.
export function showReload(reload, loud) {
  last = reload;
  const refused = Boolean(reload.error);
  byId("config").dataset.refused = refused;
  const success = time(reload.last_success) ?? time(reload.at);
  show(byId("config-error"), refused);
  write(byId("config-text"), reload.error ?? "");
  const kept = success ? clock(success) : "before";
  write(byId("config-kept"), refused ? `The configuration of ${kept} stays in force. What is wrong with the new one:` : "");
  showChanges(reload.changes ?? []);
  tickReload();
  if (!loud) return;
  const changes = count((reload.changes ?? []).length, "change");
  announce(refused ? "The edit of the configuration was refused" : `Configuration reloaded: ${changes}`);
}

export function tickReload() {
  if (!last) return;
  const [at, success] = [time(last.at), time(last.last_success)];
  const line = byId("config-line");
  const since = success ? ago(success) : "at the start";
  write(line, last.error
    ? `Refused ${at ? ago(at) : "just now"}. In force: generation ${last.generation}, loaded ${since}.`
    : `In order. Generation ${last.generation}, loaded ${since}.`);
  line.title = success ? `${moment(success)}, digest ${last.digest}` : "";
}

function showChanges(changes) {
  show(byId("config-changes"), changes.length > 0);
  write(byId("config-changes-title"), `What changed: ${count(changes.length, "change")}`);
  byId("config-changes-list").replaceChildren(...changes.map(change));
}

function change(c) {
  const item = element("li", {}, element("strong", {}, c.server || c.block || "the configuration"), ` ${verbs[c.action] ?? c.action}`);
  if (c.from) item.append(`, was ${c.from}`);
  if (c.fields?.length) item.append(element("ul", {}, ...c.fields.map(field)));
  return item;
}

function field(f) {
  const item = element("li", {}, element("code", {}, f.name));
  if (f.old || f.new) item.append(": ", element("del", {}, f.old || "nothing"), " → ", element("ins", {}, f.new || "nothing"));
  const effect = effects[f.class];
  if (effect) item.append(element("span", { class: "effect" }, ` (${effect})`));
  return item;
}
