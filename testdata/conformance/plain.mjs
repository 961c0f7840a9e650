// The MCP client of the conformance drivers: it knows no OAuth. It does what each scenario wants of a client: it lists the
// tools, calls each with arguments of its schema, and answers an elicitation with the schema's defaults.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const peers = createRequire(new URL('../peers/package.json', import.meta.url));
export const load = name => import(pathToFileURL(peers.resolve(name)));
const { Client } = await load('@modelcontextprotocol/client');

const modern = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION === '2026-07-28';

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

export async function useServer(transport) {
  const client = new Client({ name: 'conformance-client', version: '1.0.0' }, {
    capabilities: { elicitation: { form: { applyDefaults: true } } },
    versionNegotiation: { mode: modern ? 'auto' : 'legacy' },
  });
  client.setRequestHandler('elicitation/create', ({ params }) => ({ action: 'accept', content: sample(params.requestedSchema) }));
  await client.connect(transport, { timeout: 15_000 });
  const { tools } = await client.listTools();
  for (const { name, inputSchema } of tools) await client.callTool({ name, arguments: sample(inputSchema) }, { timeout: 10_000 });
  await client.close();
}
