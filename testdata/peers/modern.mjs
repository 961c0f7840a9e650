// A stateless MCP server that speaks the wire of 2026-07-28 and nothing older, so that a call that works proves the wire.
//
// Orders, one line: {}. Answer: {url}. Tools: echo {message}; whoami, the Authorization header it was called with;
// count {n}, n progress notifications (which turn the answer into an SSE stream), then the result.
import http from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, fromJsonSchema, McpServer } from '@modelcontextprotocol/server';
import { order, say, untilStdinEnds } from './peer.mjs';

const text = text => ({ content: [{ type: 'text', text }] });
const fields = properties => fromJsonSchema({ type: 'object', properties, required: Object.keys(properties) });

function newServer({ requestInfo }) {
  const server = new McpServer({ name: 'modern-peer', version: '1.0.0' });
  server.registerTool('echo', { inputSchema: fields({ message: { type: 'string' } }) }, ({ message }) => text(message));
  server.registerTool('whoami', { inputSchema: fields({}) }, () => text(requestInfo.headers.get('authorization') ?? ''));
  server.registerTool('count', { inputSchema: fields({ n: { type: 'integer' } }) }, async ({ n }, ctx) => {
    const progressToken = ctx.mcpReq._meta?.progressToken;
    for (let progress = 1; progressToken !== undefined && progress <= n; progress++) {
      await ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: n } });
    }
    return text(`counted ${n}`);
  });
  return server;
}

await order();
const server = http.createServer(toNodeHandler(createMcpHandler(newServer, { legacy: 'reject' })));
server.listen(0, '127.0.0.1', () => say({ url: `http://127.0.0.1:${server.address().port}/mcp` }));
await untilStdinEnds();
