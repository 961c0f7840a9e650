// An MCP client that knows no OAuth, over HTTP or stdio.
//
// Orders: first {url, headers} (and sse: over the older HTTP+SSE) or {command, args, env}, each with wire "2025-11-25" or
// "2026-07-28", and handlers, whether it answers what the server asks (handlers.mjs); answer: {wire, tools}. An answer {failed} is the last one, with exit
// status 1. Then, in any order:
// {name, arguments}: one call; answer: {text, progress, error}.
// {loop: {calls: [{name, arguments}], callers, pause}}: each of the callers makes the calls in turn, again and again, with
// ms of pause between, until {halt: true}. In arguments # stands for a number that no other call has. Each call is
// answered when it ends: {name, arguments, from, to: ms since 1970, text, progress, error, failed}. The answer to halt comes
// last: {halted: true}.
// {subscribe: URI}; answer: {}. {heard: true}; answer: what heard() gives. {list: true}; answer: {tools}.
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { answerRequests, faults, heard, listen } from './handlers.mjs';
import { order, say } from './peer.mjs';
import { tap } from './tap.mjs';

const modern = '2026-07-28';

function transportTo({ url, headers, sse, command, args, env }) {
  if (url && sse) return new SSEClientTransport(new URL(url), { requestInit: { headers } });
  if (url) return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  return new StdioClientTransport({ command, args, env: env ?? process.env, stderr: 'inherit' });
}

async function call(client, { name, arguments: args }) {
  let progress = 0;
  const result = await client.callTool({ name, arguments: args ?? {} }, { onprogress: () => progress++ });
  return { text: result.content.map(c => c.text ?? '').join(''), progress, error: result.isError === true };
}

let halted = false;
let number = 0;

function numbered({ name, arguments: args }) {
  const n = ++number;
  return { name, arguments: JSON.parse(JSON.stringify(args ?? {}).replaceAll('"#"', n).replaceAll('#', n)) };
}

async function callAgainAndAgain(client, { calls, pause }, first) {
  for (let i = first; !halted; i++) {
    const what = numbered(calls[i % calls.length]);
    const from = Date.now();
    const result = await call(client, what).catch(e => ({ failed: `${e.code ?? ''} ${e.message ?? e}`.trim() }));
    say({ ...what, from, to: Date.now(), ...result });
    await sleep(pause);
  }
}

let looping;
const followers = {
  loop: (client, { loop }) => {
    looping = Promise.all(Array.from({ length: loop.callers }, (_, i) => callAgainAndAgain(client, loop, i)));
  },
  halt: async () => { halted = true; await looping; return { halted: true }; },
  subscribe: async (client, { subscribe: uri }) => {
    if (client.getNegotiatedProtocolVersion() === modern) await client.listen({ resourceSubscriptions: [uri] });
    else await client.subscribeResource({ uri });
    return {};
  },
  heard,
  list: async client => ({ tools: (await client.listTools()).tools.map(t => t.name) }),
  name: call,
};

async function run() {
  const server = await order();
  const client = new Client({ name: 'plain-peer', version: '1.0.0' }, {
    versionNegotiation: { mode: server.wire === modern ? { pin: modern } : 'legacy' },
    capabilities: server.handlers ? { sampling: {}, elicitation: {}, roots: { listChanged: true } } : {},
  });
  if (server.handlers) answerRequests(client);
  listen(client);
  const transport = transportTo(server);
  await client.connect(transport);
  if (server.command) tap(transport, faults);
  const { tools } = await client.listTools();
  say({ wire: client.getNegotiatedProtocolVersion(), tools: tools.map(t => t.name) });
  for (let next; (next = await order()) !== undefined;) {
    const kind = Object.keys(followers).find(kind => kind in next);
    const answer = await followers[kind](client, next);
    if (answer) say(answer);
  }
  if (transport.sessionId) await transport.terminateSession();
  await client.close();
}

await run().then(() => process.exit(0), e => {
  say({ failed: String(e.cause ?? e) + (e.cause ? ` (${e})` : '') });
  process.exit(1);
});
