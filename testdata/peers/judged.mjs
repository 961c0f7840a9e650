// An MCP server with everything that the official suite's server half asks for, so that the suite can judge what stands
// before it: the wire of 2025-11-25 with sessions, SSE and resumption, or that of 2026-07-28. judged-tools.mjs has what it offers.
//
// Orders, one line: {wire, guarded}. Answer: {url}. A guarded server answers 401 to what brings no bearer token.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { localhostHostValidation, NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler } from '@modelcontextprotocol/server';
import { newServer } from './judged-tools.mjs';
import { order, say, untilStdinEnds } from './peer.mjs';

// newStore keeps what a stream has said; its event ids are places in it.
function newStore() {
  const events = [];
  return {
    storeEvent: async (stream, message) => `${stream}_${events.push({ stream, message }) - 1}`,
    async replayEventsAfter(last, { send }) {
      const [, stream, at] = /^(.*)_(\d+)$/.exec(last);
      for (let i = Number(at) + 1; i < events.length; i++) {
        if (events[i].stream === stream && events[i].message.jsonrpc) await send(`${stream}_${i}`, events[i].message);
      }
      return stream;
    },
  };
}

// withSessions serves the older wire: a transport and a server for each session.
function withSessions() {
  const sessions = new Map();
  return async (req, res) => {
    const id = req.headers['mcp-session-id'];
    let transport = sessions.get(id);
    if (id && !transport) {
      res.writeHead(404, { 'content-type': 'application/json' });
      res.end('{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}');
      return;
    }
    if (!transport) {
      transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        eventStore: newStore(),
        retryInterval: 300,
        onsessioninitialized: id => sessions.set(id, transport),
        onsessionclosed: id => sessions.delete(id),
      });
      await newServer({ era: 'legacy' }).connect(transport);
    }
    await transport.handleRequest(req, res);
  };
}

function stateless() {
  const handler = createMcpHandler(context => newServer(context, handler.notify), { legacy: 'reject' });
  return toNodeHandler(handler);
}

const { wire, guarded } = await order();
const serve = wire === '2025-11-25' ? withSessions() : stateless();
const local = localhostHostValidation();
const server = http.createServer((req, res) => {
  if (!local(req, res)) return;
  if (!guarded || /^Bearer \S+$/.test(req.headers.authorization)) serve(req, res);
  else res.writeHead(401).end();
});
server.listen(0, '127.0.0.1', () => say({ url: `http://127.0.0.1:${server.address().port}/mcp` }));
await untilStdinEnds();
