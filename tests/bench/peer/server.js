/* npm's oidc-provider as `make bench` sets it beside Dairi: in memory, and otherwise with the same work a request.
 *
 * A code gives an ES256 access token, an ES256 ID token and a refresh token; a refresh rotates and gives an ES256
 * access token; the client shows a secret. What it does not do: it looks up no login and no person, and nothing
 * it says is on a disk. It introspects no JWT (`rejectStructuredTokens`), so those tokens are its opaque ones.
 *
 * node server.js PORT FOLDER SECRET CALLBACK CHALLENGE COUNT
 */
import { writeFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const [port, folder, secret, callback, challenge, count] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;
const TOKENS = 500;

/** The library's own keeps a thousand entries; this one keeps all, and forgets nothing but what it is told to. */
class Memory {
  static #kept = new Map();

  static #grants = new Map();

  constructor(model) {
    this.model = model;
  }

  async find(id) {
    return Memory.#kept.get(`${this.model}:${id}`);
  }

  async upsert(id, payload) {
    const key = `${this.model}:${id}`;
    Memory.#kept.set(key, payload);
    if (payload.grantId && this.model !== 'Grant') {
      const hanging = Memory.#grants.get(payload.grantId);
      if (hanging) hanging.push(key);
      else Memory.#grants.set(payload.grantId, [key]);
    }
  }

  async consume(id) {
    Memory.#kept.get(`${this.model}:${id}`).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    Memory.#kept.delete(`${this.model}:${id}`);
  }

  async revokeByGrantId(grantId) {
    for (const key of Memory.#grants.get(grantId) ?? []) Memory.#kept.delete(key);
    Memory.#grants.delete(grantId);
  }
}

const JWTS = 'https://portal.example';
const OPAQUE = 'https://opaque.example';
const lasts = () => 600;
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const resource = (audience) => ({
  scope: 'kaigo decide',
  audience,
  accessTokenTTL: 600,
  accessTokenFormat: audience === JWTS ? 'jwt' : 'opaque',
  ...(audience === JWTS ? { jwt: { sign: { alg: 'ES256' } } } : undefined),
});

const provider = new Provider(issuer, {
  adapter: Memory,
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }] },
  clients: [
    {
      client_id: 'portal',
      client_secret: secret,
      redirect_uris: [callback],
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'ES256',
    },
  ],
  scopes: ['openid', 'offline_access', 'kaigo', 'decide'],
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  issueRefreshToken: () => true,
  rotateRefreshToken: () => true,
  ttl: { AccessToken: lasts, AuthorizationCode: lasts, ClientCredentials: lasts, Grant: lasts, IdToken: lasts, RefreshToken: lasts },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => JWTS,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, audience) => resource(audience),
    },
  },
});

const client = await provider.Client.find('portal');
const person = 'a-sub-of-the-benchmark';

/** What someone allowed the client: each authorization has its own. */
async function granted() {
  const grant = new provider.Grant({ accountId: person, clientId: client.clientId });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(JWTS, 'kaigo');
  grant.addResourceScope(OPAQUE, 'kaigo');
  return grant.save();
}

async function make(Model, each, times) {
  const made = [];
  for (let i = 0; i < times; i += 1) {
    const common = { client, accountId: person, grantId: await granted(), gty: 'authorization_code' };
    made.push(await new Model({ ...common, authTime: Math.floor(Date.now() / 1000), ...each }).save());
  }
  return made.join('\n') + '\n';
}

const asked = { redirectUri: callback, codeChallenge: challenge, codeChallengeMethod: 'S256', resource: JWTS };
const codes = await make(provider.AuthorizationCode, { ...asked, scope: 'openid kaigo' }, Number(count));
// Without `openid`, since Dairi's refresh makes no second ID token and signs once.
const refresh = await make(provider.RefreshToken, { resource: JWTS, scope: 'kaigo', rotations: 0 }, Number(count));
const introspected = { scope: 'kaigo', resourceServer: new provider.ResourceServer(OPAQUE, resource(OPAQUE)) };
writeFileSync(`${folder}/codes`, codes);
writeFileSync(`${folder}/refresh_tokens`, refresh);
writeFileSync(`${folder}/access_tokens`, await make(provider.AccessToken, introspected, TOKENS));

provider.listen(Number(port), '127.0.0.1', () => console.log('ready'));
