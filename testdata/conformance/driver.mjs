// The client that the official MCP conformance suite runs, with the URL of its server as the last argument: directly, or, when
// BEARERD is the program, over stdio through `bearerd exec`.
//
// It does what each scenario wants of a client: it lists the tools, calls each with arguments of its schema, and answers an
// elicitation with the schema's defaults. Standard output is left to the suite.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const peers = createRequire(new URL('../peers/package.json', import.meta.url));
const load = name => import(pathToFileURL(peers.resolve(name)));
const { Client, StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');
const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');

const url = process.argv.at(-1);
const modern = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION === '2026-07-28';
const program = process.env.BEARERD;
const home = mkdtempSync(join(tmpdir(), 'c'));

// throughBearerd configures one url server. The program is not told which scenario it is in.
function throughBearerd() {
  const config = join(home, 'bearerd.hcl');
  writeFileSync(config, `store "file" { path = "state" }\nserver "suite" { url = ${JSON.stringify(url)} }\n`, { mode: 0o600 });
  const env = { PATH: process.env.PATH, HOME: home, BEARERD_CONFIG: config };
  return new StdioClientTransport({ command: program, args: ['exec', 'suite'], env, cwd: home, stderr: 'inherit' });
}

function sample(schema) {
  if ('default' in schema) return schema.default;
  if (schema.enum) return schema.enum[0];
  switch (schema.type) {
    case 'object': return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, s]) => [name, sample(s)]));
    case 'number': case 'integer': return 2;
    case 'boolean': return true;
    case 'array': return [];
    default: return 'text';
  }
}

async function run() {
  const client = new Client({ name: 'conformance-client', version: '1.0.0' }, {
    capabilities: { elicitation: { form: { applyDefaults: true } } },
    versionNegotiation: { mode: modern ? 'auto' : 'legacy' },
  });
  client.setRequestHandler('elicitation/create', ({ params }) => ({ action: 'accept', content: sample(params.requestedSchema) }));
  const transport = program ? throughBearerd() : new StreamableHTTPClientTransport(new URL(url));
  await client.connect(transport, { timeout: 15_000 });
  const { tools } = await client.listTools();
  for (const { name, inputSchema } of tools) await client.callTool({ name, arguments: sample(inputSchema) }, { timeout: 10_000 });
  await client.close();
}

await run().then(() => 0, e => { console.error(e); return 1; }).then(status => {
  rmSync(home, { recursive: true, force: true });
  process.exit(status);
});
