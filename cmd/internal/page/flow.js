// A sign-in by a person: a window opens at the provider, the person approves, and the server is called once with the token.
import { announce, busy, byId, closing, isBusy, show, write, writeCode } from "./dom.js";
import { call } from "./api.js";

const slow = 10000; // milliseconds between two looks while the stream tells nothing
const soon = 1000; // milliseconds between two looks when it has: the news may be ahead of the answer
const eager = 5; // looks after news
const dialog = byId("flow-dialog");
let flow = null; // the one that is under way

// openWindow must be called while the click is handled: later a browser takes it for an advertisement. null: it was blocked.
export function openWindow() {
  const width = 600;
  const height = 700;
  const left = Math.max(0, window.screenX + (window.outerWidth - width) / 2);
  const top = Math.max(0, window.screenY + (window.outerHeight - height) / 2);
  const popup = window.open("about:blank", "", `popup,width=${width},height=${height},left=${left},top=${top}`);
  if (!popup) return null;
  popup.document.title = "Sign-in";
  popup.document.body.textContent = "Looking for the provider…";
  return popup;
}

// send has the window go to the provider, which gets no hold on this page.
function send(popup, address) {
  popup.opener = null;
  popup.location.replace(address);
}

// startFlow begins with the answer to a POST that asks for a person.
export function startFlow(name, popup, answer, localURL) {
  flow?.stop.abort();
  flow = { name, popup, answer, localURL, stop: new AbortController(), looks: 0 };
  write(byId("flow-title"), `Sign in for ${name}`);
  open();
  show(byId("flow-steps"), true);
  wait();
}

// finished shows the end of a creation that needed nobody.
export function finished(name, localURL) {
  flow?.stop.abort();
  flow = { name, localURL, stop: new AbortController() };
  write(byId("flow-title"), `New server ${name}`);
  open();
  show(byId("flow-steps"), false); // there was nothing to approve
  done(`${name} is ready.`);
}

function open() {
  if (!dialog.open) dialog.showModal();
}

function step(n) {
  for (let i = 1; i <= 3; i++) {
    const item = byId(`flow-step-${i}`);
    item.dataset.step = i < n ? "past" : i === n ? "now" : "next";
    if (i === n) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
}

function says(text) {
  write(byId("flow-says"), text);
  announce(text);
}

function trouble(problem, { again = false, check = false } = {}) {
  show(byId("flow-problem"), Boolean(problem));
  writeCode(byId("flow-error"), problem ? problem.message : "");
  show(byId("flow-again"), again);
  show(byId("flow-check"), check);
}

function wait() {
  const { popup, answer } = flow;
  step(2);
  trouble(null, { again: true });
  const link = byId("flow-link");
  link.href = safe(answer.authorize_url);
  show(byId("flow-link-line"), !popup);
  if (popup) send(popup, link.href);
  says(popup
    ? "Approve in the window that has opened; this goes on by itself. If you have closed it, begin again."
    : "The browser has opened no window. Open the page of the provider yourself:");
  watch(flow);
}

// safe lets an address be followed only if it is one of the web.
const safe = (address) => (/^https?:\/\//i.test(address) ? address : "about:blank");

// watch looks by itself, rarely: it is the stream that tells when to look.
async function watch(mine) {
  while (!mine.stop.signal.aborted && !mine.over) {
    const wait = mine.looks-- > 0 ? soon : slow;
    await new Promise((next) => {
      mine.wake = next;
      setTimeout(next, wait);
    });
    if (!mine.stop.signal.aborted && !mine.over) await look(mine);
  }
}

// heard is called for each news of a server.
export function heard(name) {
  if (flow?.name !== name) return;
  flow.looks = eager;
  flow.wake?.();
}

async function look(mine) {
  const status = await call("GET", mine.answer.status_url).catch((problem) => (
    problem.status === 404 ? { status: "gone", error: problem.message } : { status: "pending" }));
  if (mine.stop.signal.aborted || mine.over || status.status === "pending") return;
  mine.over = true;
  if (status.status === "authorized") {
    await complete(mine);
    return;
  }
  mine.popup?.close();
  const reason = { expired: "The sign-in was not finished in time." }[status.status];
  trouble(new Error([status.error || reason || "The sign-in has failed.", status.remedy].filter(Boolean).join(" ")), { again: true });
  says("No token was given.");
}

async function complete(mine) {
  mine.popup?.close();
  show(byId("flow-link-line"), false);
  trouble(null);
  says("Approved. Asking the server with the new token.");
  try {
    await call("POST", mine.answer.complete_url);
  } catch (problem) {
    if (mine.stop.signal.aborted) return;
    if (problem.status !== 409) { // 409: somebody else has completed it
      trouble(problem, { again: true, check: true });
      says("The sign-in has succeeded, but the server has refused the token.");
      return;
    }
  }
  if (!mine.stop.signal.aborted) done(`Signed in. ${mine.name} is connected.`);
}

function done(text) {
  step(3);
  for (let i = 1; i <= 3; i++) byId(`flow-step-${i}`).dataset.step = "past";
  trouble(null);
  show(byId("flow-link-line"), false);
  const at = flow.localURL(flow.name);
  says(at ? `${text} Its tools are available at ${at}.` : text);
  byId("flow-close").focus();
}

byId("flow-again").addEventListener("click", () => {
  if (isBusy(byId("flow-again"))) return;
  const popup = openWindow();
  busy(byId("flow-again"), async () => {
    const { name, localURL } = flow;
    flow.popup?.close();
    try {
      startFlow(name, popup, await call("POST", `/api/mcp/client/${encodeURIComponent(name)}/reauthorize`), localURL);
    } catch (problem) {
      popup?.close();
      trouble(problem, { again: true });
    }
  });
});

byId("flow-check").addEventListener("click", () => busy(byId("flow-check"), () => complete(flow)));

closing(dialog, () => {
  flow.stop.abort();
  flow.wake?.();
  if (!flow.over) flow.popup?.close();
});
