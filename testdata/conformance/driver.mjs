// The client that the official MCP conformance suite runs, with the URL of its server as the last argument: directly, or, when
// BEARERD is the program, over stdio through `bearerd exec`. Standard output is left to the suite.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load, useServer } from './plain.mjs';

const { StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');
const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');

const url = process.argv.at(-1);
const program = process.env.BEARERD;
const home = mkdtempSync(join(tmpdir(), 'c'));

// throughBearerd configures one url server. The program is not told which scenario it is in.
function throughBearerd() {
  const config = join(home, 'bearerd.hcl');
  writeFileSync(config, `store "file" { path = "state" }\nserver "suite" { url = ${JSON.stringify(url)} }\n`, { mode: 0o600 });
  const env = { PATH: process.env.PATH, HOME: home, BEARERD_CONFIG: config };
  return new StdioClientTransport({ command: program, args: ['exec', 'suite'], env, cwd: home, stderr: 'inherit' });
}

const transport = program ? throughBearerd() : new StreamableHTTPClientTransport(new URL(url));
await useServer(transport).then(() => 0, e => { console.error(e); return 1; }).then(status => {
  rmSync(home, { recursive: true, force: true });
  process.exit(status);
});
