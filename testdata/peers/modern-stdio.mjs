// An MCP server over stdio that serves the stateless wire of 2026-07-28 alone, or with PEER_WIRE=2025-11-25 sessions alone.
//
// Its stdin and stdout belong to MCP, so its orders are variables: PEER_TOKEN_FILE, a file that holds its token, which it
// reads at the start and on SIGHUP; without it the token is in OAUTH_ACCESS_TOKEN. PEER_TOOL, the name of one more tool.
// PEER_CRASH, the name of a file: while it is there, the server ends at once, with status 3.
//
// Tools: echo {message}; whoami, as JSON {token, pid, at: ms since 1970, greeting: $PEER_GREETING}; count {n, pause},
// n progress notifications, each after pause ms, then the result; end {status}, which ends the process within its answer.
// Resource: peer://clock, which says every 100 ms that it has changed.
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromJsonSchema, McpServer } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';

const { PEER_CRASH, PEER_GREETING, PEER_TOKEN_FILE, PEER_TOOL, PEER_WIRE, OAUTH_ACCESS_TOKEN } = process.env;
const clock = 'peer://clock';
const modern = PEER_WIRE !== '2025-11-25';
if (PEER_CRASH && existsSync(PEER_CRASH)) process.exit(3);

const readToken = () => PEER_TOKEN_FILE ? readFileSync(PEER_TOKEN_FILE, 'utf8').trim() : OAUTH_ACCESS_TOKEN;
let token = readToken();
if (PEER_TOKEN_FILE) process.on('SIGHUP', () => { token = readToken(); });

const text = text => ({ content: [{ type: 'text', text }] });
const fields = properties => fromJsonSchema({ type: 'object', properties, required: Object.keys(properties) });

function registerTools(server) {
  server.registerTool('echo', { inputSchema: fields({ message: { type: 'string' } }) }, ({ message }) => text(message));
  const whoami = () => text(JSON.stringify({ token, pid: process.pid, at: Date.now(), greeting: PEER_GREETING }));
  server.registerTool('whoami', { inputSchema: fields({}) }, whoami);
  const steps = fields({ n: { type: 'integer' }, pause: { type: 'integer' } });
  server.registerTool('count', { inputSchema: steps }, async ({ n, pause }, ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (let progress = 1; progress <= n; progress++) {
      await sleep(pause);
      if (progressToken === undefined) continue;
      await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: n } });
    }
    return text(`counted ${n}`);
  });
  server.registerTool('end', { inputSchema: fields({ status: { type: 'integer' } }) }, ({ status }) => {
    process.stdout.write('{"jsonrpc":"2.0","id":');
    process.exit(status);
  });
  if (PEER_TOOL) server.registerTool(PEER_TOOL, { inputSchema: fields({}) }, () => text(PEER_TOOL));
}

function newServer() {
  const capabilities = { tools: { listChanged: true }, resources: { subscribe: true } };
  const server = new McpServer({ name: 'modern-stdio-peer', version: '1.0.0' }, { capabilities });
  registerTools(server);
  server.registerResource('clock', clock, {}, () => ({ contents: [{ uri: clock, text: String(Date.now()) }] }));
  let subscribed = modern; // there each subscription is seen to by serveStdio
  if (!modern) {
    server.server.setRequestHandler('resources/subscribe', () => { subscribed = true; return {}; });
    server.server.setRequestHandler('resources/unsubscribe', () => { subscribed = false; return {}; });
  }
  const changed = () => subscribed && server.server.sendResourceUpdated({ uri: clock }).catch(() => {});
  setInterval(changed, 100).unref();
  return server;
}

serveStdio(newServer, { legacy: modern ? 'reject' : 'serve' });
