// The authorization server: oidc-provider on a free port of 127.0.0.1.
//
// Orders, one line: {clients, scopes, resources: {URI: {scope, ttl}}, ttl, tls: {cert, key, ca}}. Lifetimes are in
// seconds, tls holds paths of PEM files; without tls it serves plain http. Answer: {issuer, token_url,
// introspection_url, revocation_url, requests_url}; the last lists the requests seen so far, so that a test can count.
//
// Then, as often as wanted: {chain: CLIENT} starts a grant of a person and answers {refresh_token}, the first of a chain
// in which each may be spent once; {state: CLIENT} answers how the client's latest chain does: {alive, revoked: grants of
// the client that were revoked, spent: refresh tokens, requests: {HTTP STATUS: token requests}}.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import Provider, { errors } from 'oidc-provider';
import { order, say } from './peer.mjs';

console.info = console.error; // where oidc-provider gives hints: stdout is for answers

const day = 24 * 60 * 60; // seconds
const { clients, scopes = [], resources = {}, ttl = 60, tls } = await order();
const seen = [];

const pem = cert => cert.raw && `-----BEGIN CERTIFICATE-----\n${cert.raw.toString('base64')}\n-----END CERTIFICATE-----`;
const peerCertificate = ctx => ctx.socket.getPeerCertificate?.() ?? {};

const kept = new Map(); // `${model}:${id}` to what is stored
const latest = new Map(); // client to the id of its latest grant
const revoked = new Map(); // client to the ids of its grants that were revoked
const spent = new Map(); // client to how many refresh tokens

function end(grantId, clientId) {
  if (!revoked.has(clientId)) revoked.set(clientId, new Set());
  revoked.get(clientId).add(grantId);
  for (const [key, { grantId: of }] of kept) if (of === grantId) kept.delete(key);
  kept.delete(`Grant:${grantId}`);
}

// Adapter forgets nothing: the one of oidc-provider holds a thousand entries, so that a token that was spent long ago
// would be unknown to it, which is not reuse.
class Adapter {
  constructor(model) { this.key = id => `${model}:${id}`; }
  async upsert(id, payload) { kept.set(this.key(id), payload); }
  async find(id) { return kept.get(this.key(id)); }
  async destroy(id) { kept.delete(this.key(id)); }
  async revokeByGrantId() {} // the event grant.revoked follows
  async consume(id) {
    const token = kept.get(this.key(id));
    token.consumed = Math.floor(Date.now() / 1000);
    spent.set(token.clientId, (spent.get(token.clientId) ?? 0) + 1);
  }
}

const configuration = {
  adapter: Adapter,
  clients,
  scopes,
  issueRefreshToken: () => true, // only so that the grant refresh_token is on
  rotateRefreshToken: true, // and one that is spent again revokes its grant
  findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'tls_client_auth', 'none'],
  cookies: { keys: ['only for tests'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    mTLS: {
      enabled: true,
      tlsClientAuth: true,
      certificateBoundAccessTokens: true,
      getCertificate: ctx => pem(peerCertificate(ctx)),
      certificateAuthorized: ctx => ctx.socket.authorized === true,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_san_dns' && peerCertificate(ctx).subjectaltname === `DNS:${expected}`,
    },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_ctx, uri) {
        const known = resources[uri];
        if (!known) throw new errors.InvalidTarget();
        return { scope: known.scope ?? '', audience: uri, accessTokenTTL: known.ttl ?? ttl, accessTokenFormat: 'opaque' };
      },
    },
  },
  ttl: {
    AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? ttl,
    ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? ttl,
    RefreshToken: 14 * day,
    Grant: 14 * day,
  },
};

// authUsed is how the client proved itself. oidc-provider takes either form of a secret from any client; here the one
// that the client is registered for is held to, since some servers do and a test could not tell otherwise.
function authUsed({ headers, oidc }) {
  if (headers.authorization) return 'client_secret_basic';
  if (oidc?.body?.client_secret) return 'client_secret_post';
  return oidc?.client?.clientAuthMethod ?? '';
}

// observe notes who asked for what: no token and no secret.
async function observe(ctx, next) {
  await next();
  const { client, params } = ctx.oidc ?? {};
  const auth = authUsed(ctx);
  if (client && ctx.status === 200 && auth !== client.clientAuthMethod) {
    ctx.status = 401;
    ctx.body = { error: 'invalid_client', error_description: `${auth} is not the registered method` };
  }
  seen.push({
    path: ctx.path,
    status: ctx.status,
    client: client?.clientId ?? '',
    auth,
    resource: [params?.resource ?? []].flat(),
    scope: params?.scope ?? '',
    correlation: ctx.get('x-correlation-id'),
  });
}

// newChain stores what would be there after an authorization in a browser.
async function newChain(clientId) {
  const client = await provider.Client.find(clientId);
  const accountId = 'person';
  const scope = ['offline_access', ...scopes].join(' ');
  const grant = new provider.Grant({ accountId, clientId });
  grant.addOIDCScope(scope);
  for (const [uri, known] of Object.entries(resources)) grant.addResourceScope(uri, known.scope ?? '');
  const grantId = await grant.save();
  latest.set(clientId, grantId);
  const token = new provider.RefreshToken({ accountId, client, grantId, gty: 'authorization_code', scope });
  return { refresh_token: await token.save() };
}

function stateOf(clientId) {
  const requests = {};
  for (const { path, client, status } of seen) {
    if (path === provider.pathFor('token') && client === clientId) requests[status] = (requests[status] ?? 0) + 1;
  }
  return {
    alive: kept.has(`Grant:${latest.get(clientId)}`),
    revoked: revoked.get(clientId)?.size ?? 0,
    spent: spent.get(clientId) ?? 0,
    requests,
  };
}

let provider, handle;
const serve = (req, res) => req.url === '/requests' ? res.end(JSON.stringify(seen)) : handle(req, res);
const server = tls
  ? https.createServer({
    cert: readFileSync(tls.cert), key: readFileSync(tls.key), ca: readFileSync(tls.ca),
    requestCert: true, rejectUnauthorized: false,
  }, serve)
  : http.createServer(serve);

server.listen(0, '127.0.0.1', () => {
  const issuer = `${tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;
  provider = new Provider(issuer, configuration);
  provider.on('grant.revoked', (ctx, grantId) => end(grantId, ctx.oidc.client.clientId));
  provider.use(observe);
  handle = provider.callback();
  say({
    issuer,
    token_url: issuer + provider.pathFor('token'),
    introspection_url: issuer + provider.pathFor('introspection'),
    revocation_url: issuer + provider.pathFor('revocation'),
    requests_url: issuer + '/requests',
  });
});
for (let next; (next = await order()) !== undefined;) say(next.chain ? await newChain(next.chain) : stateOf(next.state));
process.exit(0);
