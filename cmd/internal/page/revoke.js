// The question before something is revoked or removed.
import { busy, byId, closing, show, write, writeCode } from "./dom.js";
import { call } from "./api.js";

const dialog = byId("revoke-dialog");
let card = null;

const id = () => encodeURIComponent(card.client.name);

// ways: what each choice asks for, what the button says, and what is asked for when the provider cannot be told.
const ways = {
  tokens: {
    button: "Revoke",
    ask: () => ["POST", `/api/servers/${id()}/revoke`],
    here: () => ["POST", `/api/servers/${id()}/logout?local=true`],
  },
  config: {
    button: "Revoke and remove",
    ask: () => ["DELETE", `/api/oauth/config/${config()}`],
    here: () => ["DELETE", `/api/oauth/config/${config()}?local=true`],
  },
  server: {
    button: "Remove the server",
    ask: () => ["DELETE", `/api/mcp/client/${id()}`],
    here: () => ["DELETE", `/api/mcp/client/${id()}?local=true`],
  },
};

const config = () => encodeURIComponent(card.client.oauth_config_id);
const chosen = () => byId("revoke-form").elements.what.value;

// askRevoke asks what is to be done with a server, and does it.
export function askRevoke(of) {
  card = of;
  const { name, made, token, oauth_config_id: configured } = card.client;
  show(byId("revoke-tokens-choice"), Boolean(token) && token.state !== "revoked");
  show(byId("revoke-config-choice"), made && Boolean(configured));
  show(byId("revoke-server-choice"), made);
  byId("revoke-form").querySelector(".choice:not([hidden]) input").checked = true;
  write(byId("revoke-title"), token ? `Revoke ${name}?` : `Remove ${name}?`);
  trouble(null);
  chose();
  dialog.showModal();
}

function chose() {
  write(byId("revoke-submit"), ways[chosen()].button);
  trouble(null);
}

function trouble(problem) {
  show(byId("revoke-problem"), Boolean(problem));
  writeCode(byId("revoke-error"), problem?.message ?? "");
  show(byId("revoke-local"), problem?.status === 502);
}

async function carryOut(button, [method, path]) {
  const { name } = card.client;
  await busy(button, async () => {
    try {
      const answer = await call(method, path);
      const says = [answer.message, answer.provider, answer.next].filter(Boolean).join(". ");
      dialog.close();
      card.note(says || `${name} was revoked.`);
    } catch (problem) {
      trouble(problem);
    }
  });
}

byId("revoke-choices").addEventListener("change", chose);
byId("revoke-form").addEventListener("submit", (event) => {
  event.preventDefault();
  carryOut(byId("revoke-submit"), ways[chosen()].ask());
});
byId("revoke-local").addEventListener("click", () => carryOut(byId("revoke-local"), ways[chosen()].here()));
closing(dialog);
