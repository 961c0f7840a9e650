// One server as a card. Only what has changed is written, so that a thousand cards are no burden and no focus is lost.
import { announce, byId, element, show, write, writeCode } from "./dom.js";
import { plot } from "./plot.js";
import { ago, expiry, isPerson, kind, moment, now, span, state, time } from "./words.js";

const noteLife = 20000; // milliseconds that a success is shown

export class Card {
  constructor(client, act, drawn) {
    this.node = byId("card").content.firstElementChild.cloneNode(true);
    this.node.dataset.server = client.name;
    this.node.id = `server-${client.name}`;
    this.title = this.find(".name");
    this.title.id = `${this.node.id}-name`;
    write(this.title, client.name);
    this.find("article").setAttribute("aria-labelledby", this.title.id);
    this.facts = Object.fromEntries([...this.node.querySelectorAll("[data-fact]")].map((f) => [f.dataset.fact, f]));
    this.buttons = {};
    for (const button of this.node.querySelectorAll("button")) {
      this.buttons[button.dataset.action] = button;
      button.id = `${this.node.id}-${button.dataset.action}`;
      button.addEventListener("click", () => act(button.dataset.action, this, button));
    }
    this.update(client, drawn);
  }

  find(selector) {
    return this.node.querySelector(selector);
  }

  // update takes a new answer of the API. drawn: the plot too, even if the card is not on the screen.
  update(client, drawn) {
    this.client = client;
    const [says, tone] = state(client);
    this.tone = tone;
    this.text = `${client.name} ${says} ${client.connection_string ?? ""} ${scopes(client).join(" ")}`.toLowerCase();
    this.node.dataset.tone = tone;
    write(this.find(".badge"), says);
    write(this.find(".kind"), kind(client));
    this.showProblem();
    this.showFacts();
    this.showButtons();
    this.tick(drawn || this.seen);
    if (tone === "busy") return; // it passes, at each renewal
    if (this.settled && this.settled !== tone) announce(`${client.name}: ${says}`);
    this.settled = tone;
  }

  showProblem() {
    const { name, error, remedy, token, upstream } = this.client;
    const advice = remedy || token?.remedy || "";
    const reason = (error || token?.error || upstream?.error || token?.store_error || "")
      .replace(`server "${name}": `, "").replace(`: ${advice}`, ""); // the card says both by itself
    const help = shorter(advice, this.client);
    show(this.find(".problem"), Boolean(reason || help));
    writeCode(this.find(".reason"), reason);
    writeCode(this.find(".remedy"), help && (reason ? `What to do: ${help}` : help));
    show(this.find(".reason"), Boolean(reason));
    show(this.find(".remedy"), Boolean(help));
  }

  fact(name, text, hint = "") {
    const box = this.facts[name];
    show(box, Boolean(text));
    write(box.lastElementChild, text || "");
    if (box.title !== hint) box.title = hint;
  }

  showFacts() {
    const list = scopes(this.client).join(" ");
    if (list !== this.listed) {
      this.listed = list;
      show(this.facts.scopes, Boolean(list));
      this.facts.scopes.lastElementChild.replaceChildren(...scopes(this.client).flatMap((s) => [element("code", {}, s), " "]));
    }
    this.fact("address", this.client.local_url ?? this.client.connection_string);
    write(this.facts.address.firstElementChild, this.client.local_url ? "For clients" : "Command");
  }

  showButtons() {
    const { client, buttons } = this;
    const had = document.activeElement;
    const oauth = Boolean(client.token);
    show(buttons.authorize, oauth && isPerson(client));
    write(buttons.authorize, client.token?.generation ? "Authorize again" : "Authorize");
    buttons.authorize.classList.toggle("primary", this.tone === "warn");
    show(buttons.refresh, oauth && !(isPerson(client) && needsPerson(client.token)));
    show(buttons.revoke, client.made || (oauth && client.token.state !== "revoked"));
    write(buttons.revoke, client.made && !oauth ? "Remove…" : "Revoke…");
    for (const button of Object.values(buttons)) {
      button.setAttribute("aria-label", `${button.textContent.replace("…", "")} ${client.name}`);
      if (button === had && button.hidden) this.title.focus();
    }
  }

  // spot is told whether the card is on the screen.
  spot(seen) {
    this.seen = seen;
    if (seen) this.tick(true);
  }

  // tick brings the times up to date, and with all the plot too.
  tick(all = false) {
    const { token, upstream, history } = this.client;
    const renewed = lastRenewal(this.client);
    this.fact("expiry", token && expiry(token), hint(time(token?.expires_at)));
    this.fact("renewed", renewed && ago(renewed), hint(renewed));
    this.fact("next", token && nextRenewal(token), hint(time(token?.next_try) ?? time(token?.next_renewal)));
    const asked = time(upstream?.at);
    this.fact("upstream", asked && `${upstream.error ? "failed" : "answered"} ${ago(asked)}`, hint(asked));
    show(this.find(".plot"), Boolean(token));
    if (all && token) plot(this.find(".plot"), history ?? []);
  }

  // note shows what became of an action of this card.
  note(text, bad = false) {
    const note = this.find(".note");
    clearTimeout(this.timer);
    writeCode(note, text.replace(`server "${this.client.name}": `, ""));
    note.classList.toggle("bad", bad);
    show(note, Boolean(text));
    if (text) announce(`${this.client.name}: ${text}`);
    if (text && !bad) this.timer = setTimeout(() => this.note(""), noteLife);
  }
}

const hint = (at) => (at ? moment(at) : "");

// shorter puts the button before the command that does the same.
function shorter(remedy, client) {
  const command = "run `bearerd login ";
  return isPerson(client) ? remedy.replace(command, `press Authorize, or ${command}`) : remedy;
}

// needsPerson tells whether nothing but a sign-in can give a token.
const needsPerson = (token) => token.renewable === false || ["needs_reauth", "pending", "revoked"].includes(token.state);

// scopes are those granted, else those asked for.
function scopes(client) {
  const granted = client.token?.scope?.split(" ").filter(Boolean) ?? [];
  return granted.length ? granted : client.oauth_config?.scopes ?? [];
}

function lastRenewal(client) {
  const times = (client.history ?? []).filter((p) => p.ok).map((p) => time(p.at));
  return Math.max(0, ...times, time(client.token?.created_at) ?? 0) || null;
}

function nextRenewal(token) {
  const [retry, at] = [time(token.next_try), time(token.next_renewal)];
  if (retry && token.error) return retry > now() ? `next try in ${span(retry - now())}` : "trying now";
  if (!at || token.renewable === false) return "";
  return at > now() ? `in ${span(at - now())}` : "due now";
}
