// A legacy MCP server: server-everything over Streamable HTTP or over the older HTTP+SSE.
//
// Orders, one line: {transport: "streamableHttp" | "sse"}. Answer: {url}. The package listens on every address of a
// port that must be known before; here its listen call is turned to a free port of 127.0.0.1.
import net from 'node:net';
import { order, say, untilStdinEnds } from './peer.mjs';

const { transport } = await order();
const path = { streamableHttp: '/mcp', sse: '/sse' }[transport];
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (_port, listening) {
  return listen.call(this, 0, '127.0.0.1', () => {
    listening();
    say({ url: `http://127.0.0.1:${this.address().port}${path}` });
  });
};
console.log = console.error; // stdout is for the answer
await import(`./node_modules/@modelcontextprotocol/server-everything/dist/transports/${transport}.js`);
await untilStdinEnds();
