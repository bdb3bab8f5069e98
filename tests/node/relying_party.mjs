// A relying party by other hands: `openid-client`, told line by line what to do. Each line is `{"do": …}`, each answer
// `{"ok": …}` or `{"error": …}`; what has to be remembered (configurations, keys) stays here under a name.
import { createInterface } from "node:readline";
import * as oidc from "openid-client";

const parties = new Map();

function authentication({ method, secret, key }) {
  switch (method) {
    case "client_secret_basic": return oidc.ClientSecretBasic(secret);
    case "client_secret_post": return oidc.ClientSecretPost(secret);
    case "private_key_jwt": return oidc.PrivateKeyJwt(key);
    default: return oidc.None();
  }
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };

const actions = {
  // A key pair; gives the public half.
  async keys({ party, kid }) {
    const pair = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
    parties.set(party, { ...parties.get(party), key: { key: pair.privateKey, kid } });
    const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
    return { keys: [{ kty, crv, x, y, kid, use: "sig", alg: "ES256" }] };
  },
  // Reads the metadata and takes on a client's part; gives the metadata.
  async discover({ party, issuer, clientId, secret, method, dpop, alg }) {
    const known = parties.get(party) ?? {};
    const metadata = { id_token_signed_response_alg: alg ?? "RS256" };
    const proof = authentication({ method, secret, key: known.key });
    const config = await oidc.discovery(new URL(issuer), clientId, metadata, proof, {
      execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
    });
    const handle = dpop ? oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair("ES256")) : undefined;
    parties.set(party, { ...known, config, options: { DPoP: handle } });
    return config.serverMetadata();
  },
  // Where to send the browser: `way` is plain, par or jar.
  async authorize({ party, way, parameters }) {
    const { config, options, key } = parties.get(party);
    const verifier = oidc.randomPKCECodeVerifier();
    const checks = { pkceCodeVerifier: verifier, expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce() };
    const all = {
      ...parameters,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state: checks.expectedState,
      nonce: checks.expectedNonce,
    };
    parties.set(party, { ...parties.get(party), checks });
    switch (way) {
      case "par": return (await oidc.buildAuthorizationUrlWithPAR(config, all, options)).href;
      case "jar": return (await oidc.buildAuthorizationUrlWithJAR(config, all, key)).href;
      default: return oidc.buildAuthorizationUrl(config, all).href;
    }
  },
  // What the browser brought: the address, or the form that was posted there.
  async callback({ party, url, form }) {
    const { config, options, checks } = parties.get(party);
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    const came = form === undefined ? new URL(url) : new Request(url, { method: "POST", headers, body: form });
    const tokens = await oidc.authorizationCodeGrant(config, came, checks, undefined, options);
    return { ...tokens, claims: tokens.claims() };
  },
  async refresh({ party, token }) {
    const { config, options } = parties.get(party);
    return oidc.refreshTokenGrant(config, token, undefined, options);
  },
  async userinfo({ party, token, subject }) {
    const { config, options } = parties.get(party);
    return oidc.fetchUserInfo(config, token, subject, options);
  },
  async introspect({ party, token }) { return oidc.tokenIntrospection(parties.get(party).config, token); },
  async revoke({ party, token }) {
    await oidc.tokenRevocation(parties.get(party).config, token);
    return true;
  },
  async itself({ party, parameters }) {
    const { config, options } = parties.get(party);
    return oidc.clientCredentialsGrant(config, parameters, options);
  },
  async device({ party, parameters }) {
    return oidc.initiateDeviceAuthorization(parties.get(party).config, parameters);
  },
  async poll({ party, device }) {
    const { config, options } = parties.get(party);
    const tokens = await oidc.pollDeviceAuthorizationGrant(config, device, undefined, options);
    return { ...tokens, claims: tokens.claims() };
  },
  async endSession({ party, parameters }) {
    return oidc.buildEndSessionUrl(parties.get(party).config, parameters).href;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: action, ...rest } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: await actions[action](rest) };
  } catch (error) {
    const { name, code, message, cause } = error;
    answer = { error: { name, code, error: error.error, message, cause: String(cause?.error ?? cause?.message ?? cause) } };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
