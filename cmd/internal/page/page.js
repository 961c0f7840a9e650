// The page: it shows what the stream of events tells, and asks the API for what its buttons promise.
import { call, listen, onEnd, signedIn, signIn, signOut } from "./api.js";
import { Card } from "./card.js";
import { announce, busy, byId, isBusy, show, write, writeCode } from "./dom.js";
import { heard, openWindow, startFlow } from "./flow.js";
import { openForm, prepareForm } from "./form.js";
import { showReload, tickReload } from "./reload.js";
import { askRevoke } from "./revoke.js";
import { showSnippet } from "./snippet.js";
import { count, setClock } from "./words.js";

const many = 10; // servers, beyond which they can be filtered
const crowd = 60; // servers, beyond which only those on the screen are laid out and drawn
const cards = new Map(); // by name
const seen = new Set(); // the cards that are on the screen, or nearly
const spotter = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    const card = cards.get(target.dataset.server);
    if (!card) continue;
    if (isIntersecting) seen.add(card);
    else seen.delete(card);
    card.spot(isIntersecting);
  }
}, { rootMargin: "200px" });

let stop = () => {};
let whyNot = "";

// begin shows the view that fits.
function begin(reason = "") {
  stop();
  const on = signedIn();
  show(byId("key-view"), !on);
  show(byId("app-view"), on);
  show(byId("top-side"), on);
  write(byId("key-error"), reason);
  if (on) {
    live("waiting", "Connecting");
    stop = listen(take, (holds, why) => {
      if (holds) live("on", "Live");
      else live("lost", why ? `${why} Trying again` : "Connection lost, trying again");
    });
    return;
  }
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  forget([...cards.keys()]);
  byId("key-input").focus();
}

function live(mode, text) {
  const node = byId("live");
  if (node.dataset.live !== mode && (mode === "lost" || node.dataset.live === "lost")) announce(text);
  node.dataset.live = mode;
  write(node, text);
}

// take takes in an event of the stream.
function take(event, data) {
  switch (event) {
    case "state":
      takeState(data);
      break;
    case "server":
      if (!cards.has(data.name)) announce(`${data.name} was added`);
      put(data);
      tell();
      break;
    case "gone":
      forget([data.name]);
      announce(`${data.name} was removed`);
      tell();
      break;
    case "reload":
      showReload(data, true);
      break;
  }
}

function takeState({ version, now, config, servers, can_make: canMake, why_not: reason }) {
  setClock(now);
  write(byId("version"), version);
  whyNot = canMake ? "" : reason || "This configuration has no place for new servers.";
  writeCode(byId("why-not"), whyNot);
  show(byId("why-not"), Boolean(whyNot));
  const button = byId("new-server"); // it stays focusable, so that it can say why not
  if (whyNot) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
  show(byId("config"), Boolean(config));
  if (config) showReload(config, false);
  const names = new Set(servers.map((s) => s.name));
  forget([...cards.keys()].filter((name) => !names.has(name)));
  byId("servers").classList.toggle("many", servers.length > crowd);
  for (const client of servers) put(client);
  tell();
}

const order = new Intl.Collator("en", { numeric: true });

// put shows a server, in the order of the names.
function put(client) {
  const card = cards.get(client.name);
  if (card) {
    card.update(client, cards.size <= crowd);
    heard(client.name);
    return;
  }
  const made = new Card(client, act, cards.size <= crowd);
  cards.set(client.name, made);
  const list = byId("servers");
  list.insertBefore(made.node, after(list.children, client.name));
  spotter.observe(made.node);
  sift(made);
}

// after finds the first card behind a name.
function after(nodes, name) {
  let [low, high] = [0, nodes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (order.compare(nodes[middle].dataset.server, name) < 0) low = middle + 1;
    else high = middle;
  }
  return nodes[low] ?? null;
}

function forget(names) {
  for (const name of names) {
    const card = cards.get(name);
    if (!card) continue;
    const focused = card.node.contains(document.activeElement);
    spotter.unobserve(card.node);
    seen.delete(card);
    cards.delete(name);
    card.node.remove();
    if (focused) byId("main").focus();
  }
}

// sift shows the cards that the filter lets through.
function sift(card) {
  const wanted = byId("filter").value.trim().toLowerCase().split(/\s+/);
  show(card.node, wanted.every((word) => card.text.includes(word)));
}

// tell says how many there are.
function tell() {
  const bad = [...cards.values()].filter((card) => ["bad", "warn"].includes(card.tone)).length;
  write(byId("servers-count"), count(cards.size, "server") + (bad ? `, ${bad} in need of attention` : ""));
  document.title = bad ? `(${bad}) bearerd` : "bearerd";
  show(byId("filter-box"), cards.size > many);
  showEmpty();
}

function showEmpty() {
  const shown = byId("servers").querySelector(".card:not([hidden])");
  show(byId("empty"), !shown);
  write(byId("empty"), cards.size
    ? "No server fits this filter."
    : "There is no server yet. Write a server block into the configuration, or make one here.");
}

// act does what a button of a card says.
function act(action, card, button) {
  if (isBusy(button)) return;
  const path = encodeURIComponent(card.client.name);
  const tried = (work) => busy(button, () => work().catch((problem) => card.note(problem.message, true)));
  card.note("");
  switch (action) {
    case "authorize":
      authorize(card, openWindow(), tried);
      break;
    case "refresh":
      tried(async () => {
        card.note("Getting a new token…");
        await call("POST", `/api/servers/${path}/refresh`);
        card.note("A new token was acquired.");
      });
      break;
    case "snippet":
      tried(() => showSnippet(card.client));
      break;
    case "revoke":
      askRevoke(card);
      break;
  }
}

function authorize(card, popup, tried) {
  tried(async () => {
    try {
      const answer = await call("POST", `/api/mcp/client/${encodeURIComponent(card.client.name)}/reauthorize`);
      startFlow(card.client.name, popup, answer, localURL);
    } catch (problem) {
      popup?.close();
      throw problem;
    }
  });
}

const localURL = (name) => cards.get(name)?.client.local_url ?? "";

function wire() {
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    enter();
  });
  byId("sign-out").addEventListener("click", signOut);
  byId("new-server").addEventListener("click", () => (whyNot ? announce(whyNot) : openForm()));
  byId("filter").addEventListener("input", () => {
    for (const card of cards.values()) sift(card);
    showEmpty();
  });
  onEnd(begin);
  prepareForm(localURL);
}

async function enter() {
  const input = byId("key-input");
  const key = input.value.replace(/[^\x21-\x7e]/g, ""); // what no header may hold is no part of it
  write(byId("key-error"), key ? "" : "Paste the key first.");
  if (key) input.removeAttribute("aria-invalid");
  else {
    input.setAttribute("aria-invalid", "true");
    input.focus();
    return;
  }
  await busy(byId("key-submit"), async () => {
    try {
      await signIn(key);
      input.value = "";
      begin();
      byId("main").focus();
    } catch (problem) {
      input.setAttribute("aria-invalid", "true");
      const wrong = "This is not the admin key. Paste all of what the command prints.";
      write(byId("key-error"), problem.status === 401 ? wrong : problem.message);
      input.select();
    }
  });
}

let beats = 0;
setInterval(() => {
  beats++;
  if (document.hidden) return;
  for (const card of seen) card.tick(beats % 60 === 0);
  tickReload();
}, 1000);

wire();
begin();
