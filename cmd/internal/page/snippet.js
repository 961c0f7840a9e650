// What a client's configuration needs to use a server. It holds a local key, which is fetched for it alone and forgotten.
import { byId, closing, write } from "./dom.js";
import { call } from "./api.js";

const dialog = byId("snippet-dialog");

// showSnippet opens the dialog when the key is there. It throws a Problem.
export async function showSnippet({ name, connection_type: type }) {
  const entry = type === "stdio" ? { command: "bearerd", args: ["exec", name] } : await over(name, type);
  write(byId("snippet-title"), `Client configuration for ${name}`);
  write(byId("snippet-says"), entry.headers
    ? "It holds a key that opens this server to whoever is on this host. Keep it like a password."
    : "It holds no secret.");
  write(byId("snippet-text"), JSON.stringify({ mcpServers: { [name]: entry } }, null, 2));
  write(byId("snippet-result"), "");
  dialog.showModal();
}

// over HTTP. The older transport goes by the same address, but most clients must be told.
async function over(name, type) {
  const { address, url, key } = await call("GET", `/api/servers/${encodeURIComponent(name)}/key/default`);
  if (address.startsWith("unix:")) return { type, url, socket: address.slice("unix:".length) };
  return { type, url, headers: { Authorization: `Bearer ${key}` } };
}

async function copy() {
  const text = byId("snippet-text");
  try {
    await navigator.clipboard.writeText(text.textContent);
  } catch {
    getSelection().selectAllChildren(text);
    if (!document.execCommand("copy")) { // old, and all there is where the other is not allowed
      text.focus();
      write(byId("snippet-result"), "The browser does not allow it. The text is selected: press Ctrl+C, or ⌘C.");
      return;
    }
  }
  write(byId("snippet-result"), "Copied.");
}

byId("snippet-copy").addEventListener("click", copy);
closing(dialog, () => {
  getSelection().removeAllRanges();
  byId("snippet-text").replaceChildren();
});
