// The authorization server: oidc-provider on a free port of 127.0.0.1.
//
// Orders, one line: {clients, scopes, resources: {URI: {scope, ttl}}, ttl, tls: {cert, key, ca}, interactive,
// registration, device}. Lifetimes are in seconds, tls holds paths of PEM files; without tls it serves plain http. Answer:
// {issuer, token_url, introspection_url, revocation_url, requests_url, authorization_url, registration_url, device_url};
// requests_url lists the requests seen so far, so that a test can count.
//
// interactive: true serves pages on which a person signs in and approves, for a browser that keeps cookies: #user and
// #login, then #approve or #deny; with device: true before them input[name=user_code] and #continue, and #approve or #deny
// of the code. Each page is one form without scripts (but /device?user_code=… sends itself on); #error is the text of a
// refusal and #done the end of the device flow. interactive: "auto" approves for the user "person" without any of these
// two pages: following redirects with cookies is enough. A code lives 60 s and its second use revokes the grant; PKCE is
// required of clients without authentication; iss is sent (RFC 9207); clients of grant type refresh_token get refresh
// tokens, which rotate. registration: true is open to all (RFC 7591); scopes asked for there must be in the order. device:
// true is the device grant (RFC 8628), which needs interactive too.
//
// Then, as often as wanted: {chain: CLIENT} starts a grant of a person and answers {refresh_token}, the first of a chain
// in which each may be spent once; {state: CLIENT} answers how the client's latest chain does: {alive, revoked: grants of
// the client that were revoked, spent: refresh tokens, requests: {HTTP STATUS: token requests}}; {registered: true} answers
// {registered: what is kept of each client that registered, without its secret}; {forget: CLIENT} removes such a client and
// answers {forgotten: whether there was one}; {private: CLIENT} answers {private: each code and token of the client that is
// kept, and its secret}; {resource: URI, scope, ttl} adds a resource and answers {resource}.
//
// By hand, the whole code flow, each command on one line; V and C are a verifier and its challenge:
//   mkfifo in; node oidc.mjs <in & exec 3>in
//   echo '{"interactive":true,"registration":true,"scopes":["read"]}' >&3               # gives the URLs below
//   curl -H content-type:application/json REGISTRATION_URL -d '{"redirect_uris":["http://127.0.0.1:9/cb"],"application_type":
//     "native","token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"]}'    # gives ID
//   V=0123456789-0123456789-0123456789-0123456789; C=XqV1tflYS9pE1bnDmj-YXExN3vTo8j8ECd_IY8HtNUY
//   alias browse="curl -sL -c jar -b jar -w '%{url_effective}'"
//   browse "AUTHORIZATION_URL?response_type=code&client_id=ID&redirect_uri=http://127.0.0.1:9/cb&scope=read&state=s&
//     code_challenge=$C&code_challenge_method=S256"            # the login page and, behind it, its URL
//   browse -d user=me LOGIN_PAGE_URL                           # the consent page and its URL
//   browse -d decision=approve CONSENT_PAGE_URL                # http://127.0.0.1:9/cb?code=CODE&state=s&iss=…
//   curl -d "grant_type=authorization_code&client_id=ID&code=CODE&redirect_uri=http://127.0.0.1:9/cb&code_verifier=$V" TOKEN_URL
//   curl -d 'grant_type=refresh_token&client_id=ID&refresh_token=TOKEN' TOKEN_URL      # twice: the second is reuse
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import Provider, { errors } from 'oidc-provider';
import { order, say } from './peer.mjs';

console.info = console.error; // where oidc-provider gives hints: stdout is for answers

const day = 24 * 60 * 60; // seconds
const {
  clients, scopes = [], resources = {}, ttl = 60, tls, interactive = false, registration = false, device = false,
} = await order();
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
  constructor(model) { this.model = model; }
  key(id) { return `${this.model}:${id}`; }
  async upsert(id, payload) { kept.set(this.key(id), payload); }
  async find(id) { return kept.get(this.key(id)); }
  async findByUid(uid) { return this.first(payload => payload.uid === uid); } // of a session
  async findByUserCode(code) { return this.first(payload => payload.userCode === code); } // of a device code
  first(wanted) {
    for (const [key, payload] of kept) if (key.startsWith(`${this.model}:`) && wanted(payload)) return payload;
    return undefined;
  }
  async destroy(id) { kept.delete(this.key(id)); }
  async revokeByGrantId() {} // the event grant.revoked follows
  async consume(id) {
    const token = kept.get(this.key(id));
    token.consumed = Math.floor(Date.now() / 1000);
    if (this.model === 'RefreshToken') spent.set(token.clientId, (spent.get(token.clientId) ?? 0) + 1);
  }
}

const safe = text => String(text).replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
const page = (title, body) => `<!doctype html><meta charset="utf-8"><title>${safe(title)}</title><h1>${safe(title)}</h1>${body}`;

const configuration = {
  adapter: Adapter,
  clients,
  scopes,
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'), // whatever its scope
  rotateRefreshToken: true, // and one that is spent again revokes its grant
  findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'tls_client_auth', 'none'],
  interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
  renderError(ctx, { error, error_description: description = '' }) {
    ctx.body = page('Refused', `<p id="error">${safe(error)}: ${safe(description)}</p>`);
  },
  cookies: { keys: ['only for tests'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    registration: { enabled: registration, initialAccessToken: false },
    deviceFlow: {
      enabled: device,
      userCodeInputSource(ctx, form, _out, err) {
        const trouble = err ? `<p id="error">${safe(err.message)}</p>` : '';
        ctx.body = page('Code', trouble + form + '<button id="continue" form="op.deviceInputForm">Continue</button>');
      },
      userCodeConfirmSource(ctx, form, client, _info, code) {
        ctx.body = page(`Device of ${client.clientName ?? client.clientId}`, `<p>Does it show ${safe(code)}?</p>${form}
          <button id="approve" form="op.deviceConfirmForm">It does</button>
          <button id="deny" form="op.deviceConfirmForm" name="abort" value="yes">It does not</button>`);
      },
      successSource(ctx) { ctx.body = page('Done', '<p id="done">The device may go on.</p>'); },
    },
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
    AuthorizationCode: 60,
    DeviceCode: 600,
    IdToken: ttl,
    Interaction: 3600,
    Session: 14 * day,
    RefreshToken: 14 * day,
    Grant: 14 * day,
  },
};

// authUsed is how the client proved itself. oidc-provider takes either form of a secret from any client; here the one
// that the client is registered for is held to, since some servers do and a test could not tell otherwise.
function authUsed({ headers, oidc }) {
  if (headers.authorization) return 'client_secret_basic';
  if (oidc?.body?.client_secret) return 'client_secret_post';
  if (oidc?.body?.client_assertion) return 'private_key_jwt';
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

// loginPage and consentPage are what a person sees, one after the other.
const loginPage = client => page(`Sign in for ${client}`, `<form method="post"><input id="user" name="user" required autofocus>
  <button id="login">Sign in</button></form>`);
const consentPage = (client, user, asked) => page(`${client} asks`, `<p>${safe(user)}, may it have: ${safe(asked)}?</p>
  <form method="post"><button id="approve" name="decision" value="approve">Approve</button>
  <button id="deny" name="decision" value="deny">Deny</button></form>`);

// interact serves the pages, and takes what is sent from them.
async function interact(ctx, next) {
  if (!interactive || !ctx.path.startsWith('/interaction/')) return next();
  const details = await provider.interactionDetails(ctx.req, ctx.res);
  const { prompt, params, session } = details;
  let answer = { user: 'person', decision: 'approve' }; // when interactive is "auto"
  if (ctx.method === 'POST') {
    answer = Object.fromEntries(new URLSearchParams(Buffer.concat(await ctx.req.toArray()).toString()));
  } else if (interactive !== 'auto') {
    const asked = [params.scope, params.resource].flat().filter(Boolean).join(' ') || 'nothing in particular';
    ctx.set('cache-control', 'no-store');
    ctx.body = prompt.name === 'login' ? loginPage(params.client_id) : consentPage(params.client_id, session.accountId, asked);
    return undefined;
  }
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, await resultOf(details, answer)));
  ctx.status = 303;
  return undefined;
}

async function resultOf({ prompt, params, session, grantId }, { user, decision }) {
  if (prompt.name === 'login') return { login: { accountId: user || 'person' } };
  if (decision !== 'approve') return { error: 'access_denied', error_description: 'the person refused' };
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes = {} } = prompt.details;
  const grant = (grantId && await provider.Grant.find(grantId)) ||
    new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [uri, list] of Object.entries(missingResourceScopes)) grant.addResourceScope(uri, list.join(' '));
  const saved = await grant.save();
  latest.set(params.client_id, saved);
  return { consent: { grantId: saved } };
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

const registered = () => [...kept].filter(([key]) => key.startsWith('Client:'))
  .map(([, { client_secret: _secret, ...client }]) => client);

// privateOf is what nobody but the client and this server may know. The id of what is kept is what the client was given.
const privateOf = clientId => [...kept].filter(([, { clientId: of }]) => of === clientId).map(([key]) => key.split(':')[1])
  .concat(kept.get(`Client:${clientId}`)?.client_secret ?? []);

// obey answers an order that comes while the server runs.
async function obey(order) {
  if (order.chain) return newChain(order.chain);
  if (order.registered) return { registered: registered() };
  if (order.private) return { private: privateOf(order.private) };
  if (order.forget) return { forgotten: kept.delete(`Client:${order.forget}`) };
  if (order.resource) {
    resources[order.resource] = { scope: order.scope, ttl: order.ttl };
    return { resource: order.resource };
  }
  return stateOf(order.state);
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
  provider.use(interact);
  handle = provider.callback();
  say({
    issuer,
    token_url: issuer + provider.pathFor('token'),
    introspection_url: issuer + provider.pathFor('introspection'),
    revocation_url: issuer + provider.pathFor('revocation'),
    requests_url: issuer + '/requests',
    authorization_url: issuer + provider.pathFor('authorization'),
    registration_url: registration ? issuer + provider.pathFor('registration') : '',
    device_url: device ? issuer + provider.pathFor('device_authorization') : '',
  });
});
for (let next; (next = await order()) !== undefined;) say(await obey(next));
process.exit(0);
