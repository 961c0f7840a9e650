// Times and states in words. The clock is the daemon's: that of the browser may be wrong.

let ahead = 0; // milliseconds by which the daemon's clock is ahead of the browser's

export const now = () => Date.now() + ahead;

export function setClock(text) {
  const time = Date.parse(text);
  if (!Number.isNaN(time)) ahead = time - Date.now();
}

// time is the moment that an answer names, in milliseconds, or null. Go writes the year 1 for no time at all.
export function time(text) {
  const at = Date.parse(text ?? "");
  return Number.isNaN(at) || at <= 0 ? null : at;
}

const two = (n) => String(n).padStart(2, "0");

// span is a length of time, exact to the second while that matters.
export function span(milliseconds) {
  const s = Math.max(0, Math.floor(milliseconds / 1000));
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  if (d > 0) return `${d} d ${two(h)} h`;
  if (h > 0) return `${h} h ${two(m)} min`;
  if (m > 0) return `${m} min ${two(s % 60)} s`;
  return `${s} s`;
}

// ago is how long since, exact enough to be read.
export function ago(at) {
  const s = Math.floor((now() - at) / 1000);
  if (s < 10) return "just now";
  if (s < 60) return `${s - (s % 10)} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

const clocks = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" }); // to make one takes long
const moments = new Intl.DateTimeFormat([], { dateStyle: "medium", timeStyle: "medium" });

export const clock = (at) => clocks.format(at);
export const moment = (at) => moments.format(at);
export const count = (n, one, many = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : many}`;

// isUp tells whether a server can be used now.
export const isUp = (client) => client.state === "connected";

export const isPerson = (client) => client.auth_type === "oauth" && client.grant_type === "authorization_code";

const states = {
  authorized: ["Authorized", "good"],
  refreshing: ["Refreshing", "busy"],
  pending: ["Getting a token", "busy"],
  needs_reauth: ["Needs a sign-in", "warn"],
  failed: ["Failed", "bad"],
  revoked: ["Revoked", "off"],
};

// state is the state of a server: in words, and the tone that the colour follows.
export function state(client) {
  const token = client.token;
  if (token?.signing_in) return ["Sign-in under way", "busy"];
  if (!token) return isUp(client) ? ["No token needed", "good"] : ["Error", "bad"];
  if (token.state === "authorized" && !isUp(client)) return ["Server error", "bad"];
  if (token.state === "pending" && isPerson(client)) return ["Needs a sign-in", "warn"];
  return states[token.state] ?? [token.state, "off"];
}

// expiry says how long the token lives.
export function expiry(token) {
  const at = time(token.expires_at);
  if (token.status === "none") return "none held";
  if (at === null) return "held; it has no expiry";
  const left = at - now();
  return left > 0 ? `expires in ${span(left)}` : `expired ${ago(at)}`;
}

const deliveries = {
  http: "through the local proxy",
  env: "in the environment of a process",
  arguments: "by rewritten arguments",
};
const grants = {
  authorization_code: "authorization code",
  client_credentials: "client credentials",
  refresh_token: "refresh token",
  device_code: "device code",
};
const transports = { http: "HTTP", sse: "SSE", stdio: "stdio" };

// kind describes what a server is in one line.
export function kind(client) {
  const grant = client.auth_type === "oauth" ? `OAuth 2.0, ${grants[client.grant_type] ?? client.grant_type ?? "grant unknown"}` : "";
  return [
    transports[client.connection_type] ?? client.connection_type, deliveries[client.delivery] ?? client.delivery,
    grant, client.auth_type === "headers" ? "own headers" : "", client.made ? "made here" : "",
  ].filter(Boolean).join(" · ");
}

const happenings = {
  acquired: "token acquired", refreshed: "token refreshed", failed: "renewal failed", revoked: "token revoked",
  invalidated: "token dropped", signed_in: "signed in", sign_in_failed: "sign-in failed", sign_in_begun: "sign-in begun",
};
export const happening = (what) => happenings[what] ?? what.replaceAll("_", " ");
