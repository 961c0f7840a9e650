// The authorization server: oidc-provider on a free port of 127.0.0.1.
//
// Orders, one line: {clients, scopes, resources: {URI: {scope, ttl}}, ttl, tls: {cert, key, ca}}. Lifetimes are in
// seconds, tls holds paths of PEM files; without tls it serves plain http. Answer: {issuer, token_url,
// introspection_url, revocation_url, requests_url}; the last lists the requests seen so far, so that a test can count.
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import Provider, { errors } from 'oidc-provider';
import { order, say, untilStdinEnds } from './peer.mjs';

const { clients, scopes = [], resources = {}, ttl = 60, tls } = await order();
const seen = [];

const pem = cert => cert.raw && `-----BEGIN CERTIFICATE-----\n${cert.raw.toString('base64')}\n-----END CERTIFICATE-----`;
const peerCertificate = ctx => ctx.socket.getPeerCertificate?.() ?? {};

const configuration = {
  clients,
  scopes,
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
  ttl: { ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? ttl },
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

let handle;
const serve = (req, res) => req.url === '/requests' ? res.end(JSON.stringify(seen)) : handle(req, res);
const server = tls
  ? https.createServer({
    cert: readFileSync(tls.cert), key: readFileSync(tls.key), ca: readFileSync(tls.ca),
    requestCert: true, rejectUnauthorized: false,
  }, serve)
  : http.createServer(serve);

server.listen(0, '127.0.0.1', () => {
  const issuer = `${tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration);
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
await untilStdinEnds();
