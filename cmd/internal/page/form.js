// The form for a new server.
import { busy, byId, closing, element, isBusy, show, write, writeCode } from "./dom.js";
import { call } from "./api.js";
import { finished, openWindow, startFlow } from "./flow.js";

const dialog = byId("new-dialog");
const form = byId("new-form");
const rows = byId("new-header-rows");
let localURL = () => "";

// prepareForm is told how to find the address of a server.
export function prepareForm(find) {
  localURL = find;
  for (const input of form.querySelectorAll("input[name], select[name]")) addError(input);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  for (const id of ["new-auth", "new-grant"]) byId(id).addEventListener("change", shape);
  byId("new-header-add").addEventListener("click", () => addHeader().focus());
  closing(dialog, clear);
}

export function openForm() {
  clear();
  dialog.showModal();
  byId("new-name").focus();
}

// addError gives a field the place of its error.
function addError(input) {
  const error = element("p", { class: "error", id: `${input.id}-error` });
  input.after(error);
  const help = byId(`${input.id}-help`);
  input.setAttribute("aria-describedby", [error.id, help?.id].filter(Boolean).join(" "));
}

// clear forgets all that was typed, the secrets first of all.
function clear() {
  form.reset();
  rows.replaceChildren();
  addHeader();
  forgetErrors();
  byId("new-endpoints").open = false;
  shape();
}

// shape shows the fields that the choices need.
function shape() {
  const [auth, grant] = [byId("new-auth").value, byId("new-grant").value];
  const person = grant === "authorization_code";
  show(byId("new-oauth"), auth === "oauth");
  show(byId("new-headers"), auth === "headers");
  show(byId("new-client-id-optional"), person);
  show(byId("new-client-secret-optional"), person);
  show(byId("new-client-id-help"), person);
  show(byId("new-client-secret-help"), person);
  write(byId("new-submit"), auth === "oauth" && person ? "Authorize" : "Create");
}

function addHeader() {
  const n = rows.children.length + 1;
  const all = { "spellcheck": "false", "autocapitalize": "off", "aria-describedby": "new-headers-error" };
  const name = element("input", { ...all, id: `new-header-name-${n}`, placeholder: "X-Api-Key", autocomplete: "off" });
  const value = element("input", { ...all, id: `new-header-value-${n}`, type: "password", autocomplete: "new-password" });
  rows.append(element("div", { class: "pair" },
    element("div", { class: "field" }, element("label", { for: name.id }, `Header ${n} name`), name),
    element("div", { class: "field" }, element("label", { for: value.id }, `Header ${n} value`), value)));
  return name;
}

const valueOf = (id) => byId(id).value.trim();

// request is the body of POST /api/mcp/client. What was left empty is left out.
function request() {
  const body = {
    name: valueOf("new-name"), connection_type: valueOf("new-type"),
    connection_string: valueOf("new-url"), auth_type: valueOf("new-auth"),
  };
  if (body.auth_type === "headers") body.headers = headers();
  if (body.auth_type === "oauth") body.oauth_config = oauth();
  return body;
}

function oauth() {
  const config = {};
  for (const input of byId("new-oauth").querySelectorAll("[name]")) {
    const [name, value] = [input.name.replace("oauth_config.", ""), input.value.trim()];
    if (value !== "") config[name] = value;
  }
  if (config.scopes) config.scopes = config.scopes.split(",").map((s) => s.trim()).filter(Boolean);
  return config;
}

function headers() {
  const list = {};
  for (const row of rows.children) {
    const [name, value] = [...row.querySelectorAll("input")].map((input) => input.value.trim());
    if (name) list[name] = value;
  }
  return list;
}

async function submit() {
  if (isBusy(byId("new-submit"))) return;
  forgetErrors();
  const body = request();
  if (!complete(body)) return;
  const person = body.oauth_config?.grant_type === "authorization_code";
  const popup = person ? openWindow() : null;
  await busy(byId("new-submit"), async () => {
    write(byId("new-submit"), "Working…");
    try {
      const answer = await call("POST", "/api/mcp/client", body);
      dialog.close();
      if (answer.status === "pending_oauth") startFlow(body.name, popup, answer, localURL);
      else finished(body.name, localURL);
    } catch (problem) {
      popup?.close();
      refuse(problem.field, problem.message);
    }
    shape();
  });
}

// complete tells whether all is there that the daemon will want in any case.
function complete(body) {
  const config = body.oauth_config;
  const missing = [];
  const want = (field, holds, text) => holds || missing.push([field, text]);
  want("name", /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(body.name), "Write a name of letters, digits, _ and -, at most 64.");
  want("connection_string", /^https?:\/\/./i.test(body.connection_string),
    "Write the address of the server, as in https://mcp.example.com/mcp.");
  want("headers", !body.headers || Object.values(body.headers).some(Boolean), "Write at least one header with its value.");
  if (config?.grant_type === "client_credentials") {
    want("oauth_config.client_id", config.client_id, "This grant needs a client ID.");
    want("oauth_config.client_secret", config.client_secret, "This grant needs a client secret.");
  }
  for (const [field, text] of missing.toReversed()) refuse(field, text);
  return missing.length === 0;
}

// find gives the field that an error names, which may be of a part of it, as in oauth_config.scopes[1].
function find(field) {
  if (field.startsWith("headers")) return rows.querySelector("input");
  return [...form.querySelectorAll("[name]")].find((input) => field === input.name || field.startsWith(`${input.name}[`));
}

function refuse(field, text) {
  const input = find(field);
  if (!input || input.closest("fieldset[hidden]")) {
    writeCode(byId("new-error"), field ? `${field}: ${text}` : text);
    byId("new-error").focus();
    return;
  }
  text = text.replace(`${field}: `, ""); // it stands at the field
  writeCode(byId(input.name ? `${input.id}-error` : "new-headers-error"), text);
  input.setAttribute("aria-invalid", "true");
  const details = input.closest("details");
  if (details) details.open = true;
  input.focus();
}

function forgetErrors() {
  for (const error of form.querySelectorAll(".error")) writeCode(error, "");
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}
