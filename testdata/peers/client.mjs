// An MCP client that knows no OAuth, over HTTP or stdio.
//
// Orders: first {url, headers} or {command, args, env}, each with wire "2025-11-25" or "2026-07-28"; answer:
// {wire, tools}. Then one {name, arguments} for each call; answer: {text, progress, error}. An answer {failed} is the
// last one, with exit status 1.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { order, say } from './peer.mjs';

const modern = '2026-07-28';

function transportTo({ url, headers, command, args, env }) {
  if (url) return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  return new StdioClientTransport({ command, args, env: env ?? process.env, stderr: 'inherit' });
}

async function call(client, { name, arguments: args }) {
  let progress = 0;
  const result = await client.callTool({ name, arguments: args ?? {} }, { onprogress: () => progress++ });
  return { text: result.content.map(c => c.text ?? '').join(''), progress, error: result.isError === true };
}

async function run() {
  const server = await order();
  const client = new Client({ name: 'plain-peer', version: '1.0.0' }, {
    versionNegotiation: { mode: server.wire === modern ? { pin: modern } : 'legacy' },
  });
  const transport = transportTo(server);
  await client.connect(transport);
  const { tools } = await client.listTools();
  say({ wire: client.getNegotiatedProtocolVersion(), tools: tools.map(t => t.name) });
  for (let next; (next = await order()) !== undefined;) say(await call(client, next));
  if (transport.sessionId) await transport.terminateSession();
  await client.close();
}

await run().then(() => process.exit(0), e => {
  say({ failed: String(e.cause ?? e) + (e.cause ? ` (${e})` : '') });
  process.exit(1);
});
