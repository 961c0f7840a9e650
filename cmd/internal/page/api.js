// The REST API as this page uses it. The session is kept in the tab and sent as a header: there is no cookie that another
// site could have sent.

const place = "bearerd.session";
let ended = () => {};

export const signedIn = () => sessionStorage.getItem(place) !== null;

// onEnd is told when the session has ended, with the reason if it was not asked for.
export function onEnd(f) {
  ended = f;
}

// Problem is an answer of the API that is no success; status 0: there was no answer.
export class Problem extends Error {
  constructor(status, body) {
    super(body.error || `bearerd answered ${status}.`);
    this.status = status;
    this.field = body.field || "";
  }
}

export async function signIn(key) {
  const answer = await send("POST", "/api/session", { key });
  sessionStorage.setItem(place, answer.session);
}

export async function signOut() {
  const gone = call("DELETE", "/api/session").catch(() => {}); // it ends by itself in any case
  sessionStorage.removeItem(place);
  ended("");
  await gone;
}

// call asks with the session of this tab. A session that is no longer known ends here.
export async function call(method, path, body) {
  try {
    return await send(method, path, { key: sessionStorage.getItem(place), body });
  } catch (problem) {
    if (problem.status === 401) expire();
    throw problem;
  }
}

function expire() {
  if (!signedIn()) return;
  sessionStorage.removeItem(place);
  ended("The session has ended. Open the page again with the admin key.");
}

async function send(method, path, { key, body }) {
  const headers = { Authorization: `Bearer ${key}`, Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
  } catch {
    throw new Problem(0, { error: "bearerd does not answer. Is it running?" });
  }
  const parsed = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, parsed);
  return parsed;
}

const silence = 45000; // milliseconds; a comment comes every 15 seconds

// listen reads the stream of events until stop() is called, and begins again when it breaks. state tells whether it holds.
export function listen(take, state) {
  const stop = new AbortController();
  (async () => {
    for (let wait = 1000; !stop.signal.aborted && signedIn(); wait = Math.min(wait * 2, 15000)) {
      const { began, why } = await once(stop.signal, take, state);
      if (stop.signal.aborted || !signedIn()) return;
      if (began) wait = 1000;
      state(false, why);
      await pause(wait * (0.75 + Math.random() / 2), stop.signal);
    }
  })();
  return () => stop.abort();
}

// once tells whether the stream had begun before it broke, and else why not if the daemon says so.
async function once(stop, take, state) {
  const quiet = new AbortController();
  let timer = setTimeout(() => quiet.abort(), silence);
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => quiet.abort(), silence);
  };
  let began = false;
  try {
    const answer = await fetch("/api/events", {
      headers: { Authorization: `Bearer ${sessionStorage.getItem(place)}`, Accept: "text/event-stream" },
      cache: "no-store", signal: AbortSignal.any([stop, quiet.signal]),
    });
    if (answer.status === 401) expire();
    if (!answer.ok) return { began, why: (await answer.json()).error };
    began = true;
    await read(answer.body.pipeThrough(new TextDecoderStream()).getReader(), heard, (event, data) => {
      take(event, data);
      state(true);
    });
  } catch {
    // it broke: what matters is whether it had begun
  } finally {
    clearTimeout(timer);
  }
  return { began };
}

async function read(reader, heard, take) {
  for (let rest = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) dispatch(block, take);
  }
}

function dispatch(block, take) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  try {
    if (data.length) take(event, JSON.parse(data.join("\n")));
  } catch (error) {
    reportError(error); // a fault of this page, not of the connection
  }
}

function pause(milliseconds, signal) {
  return new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
  });
}
