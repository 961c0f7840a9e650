// What every part needs of the document. Text goes in as text only: nothing here or elsewhere takes HTML.

export const byId = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

export function drawn(name, attributes = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// write leaves the node alone if it says that already: a reader of the screen need not hear it again.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// writeCode shows what stands between backquotes as something to type.
export function writeCode(node, text) {
  if (node.dataset.text === text) return;
  node.dataset.text = text;
  node.replaceChildren(...text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part)));
}

export function show(node, on) {
  if (node.hidden === on) node.hidden = !on;
}

let waiting = [];

// announce has a screen reader say it when it has said the rest. What comes at once is said at once.
export function announce(text) {
  waiting.push(text.replaceAll("`", ""));
  if (waiting.length > 1) return;
  setTimeout(() => {
    const [first, second, ...more] = waiting;
    waiting = [];
    byId("announce").textContent = [first, second, more.length ? `and ${more.length} more` : ""].filter(Boolean).join(". ");
  }, 400);
}

export const isBusy = (button) => button.getAttribute("aria-disabled") === "true";

// busy keeps a button from being pressed twice. It stays focusable, so that the focus is not lost.
export async function busy(button, work) {
  if (isBusy(button)) return;
  button.setAttribute("aria-disabled", "true");
  try {
    await work();
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

// closing has each dialog's own buttons close it. The browser gives the focus back to where it was.
export function closing(dialog, after) {
  for (const button of dialog.querySelectorAll('[data-action="close"]')) button.addEventListener("click", () => dialog.close());
  if (after) dialog.addEventListener("close", after);
}
