// One request to a provider's token endpoint. The protocol is the library's (openid-client); what is ours: the HTTP client with
// its guard of addresses, the deadline of the caller, and a failure in the provider's own words that says who can mend it.
import { createHash, createPrivateKey, type KeyObject, sign, webcrypto, X509Certificate } from 'node:crypto';
import * as oidc from 'openid-client';
import type { Clock } from '../../../kit/clock.js';
import { GatepostError, messageOf } from '../../../kit/errors.js';
import type { HttpClient } from '../http-client.js';
import { retryAfterMs } from '../retry-after.js';
import { adviceFor } from './advice.js';
import { type Purpose, scopeOf, tokenUrlOf } from './provider.js';
import { type OAuthSettings, serviceAccountOf } from './settings.js';

/** What the provider gave. */
export interface Grant {
  readonly accessToken: string;
  /** Ms that the access token is valid from now on. */
  readonly validMs: number;
  /** A new refresh token in place of the one that was used. */
  readonly refreshToken?: string | undefined;
}

/** `refused`: the same request fails again until somebody changes something at the provider or in the settings. */
export class OAuthFailure extends GatepostError {
  readonly refused: boolean;
  /** How long the provider wants to be left alone; undefined when it said nothing. */
  readonly retryAfterMs: number | undefined;

  constructor(
    refused: boolean,
    message: string,
    options: { advice: string; cause: unknown; retryAfterMs?: number | undefined },
  ) {
    super(refused ? 'oauth/refused' : 'oauth/unavailable', message, { advice: options.advice, cause: options.cause });
    this.refused = refused;
    this.retryAfterMs = options.retryAfterMs;
  }
}

export interface GrantRequest {
  readonly settings: OAuthSettings;
  readonly purpose: Purpose;
  /** The mailbox that a service account acts for. */
  readonly user: string;
  /** The refresh token to use, with the flow RefreshToken. */
  readonly refreshToken?: string | undefined;
}

export interface GrantDeps {
  readonly http: HttpClient;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Bytes of a token answer; Microsoft's are below 10 KiB. */
const MAX_ANSWER_BYTES = 256 * 1024;
/** Assumed where the provider does not say how long a token is valid (RFC 6749 5.1 only recommends it), ms. */
const UNSTATED_VALIDITY_MS = 5 * 60_000;

export async function requestGrant(request: GrantRequest, deps: GrantDeps): Promise<Grant> {
  try {
    const config = await configurationFor(request.settings, deps);
    const tokens = await grantBy(config, request, deps.clock);
    const validMs = tokens.expires_in === undefined ? UNSTATED_VALIDITY_MS : tokens.expires_in * 1000;
    return { accessToken: tokens.access_token, validMs, refreshToken: tokens.refresh_token };
  } catch (error) {
    throw oauthFailure(error, request.settings, deps.clock);
  }
}

type Tokens = Awaited<ReturnType<typeof oidc.clientCredentialsGrant>>;

function grantBy(config: oidc.Configuration, request: GrantRequest, clock: Clock): Promise<Tokens> {
  const { settings, purpose, refreshToken = settings.RefreshToken ?? '' } = request;
  const scope = scopeOf(settings, purpose);
  const parameters = scope === undefined ? {} : { scope };
  switch (settings.Flow) {
    case 'ClientCredentials':
      return oidc.clientCredentialsGrant(config, parameters);
    case 'RefreshToken':
      // Google gives the scopes of the consent; asking for them again is an error where they differ in spelling.
      return oidc.refreshTokenGrant(
        config,
        refreshToken,
        settings.Provider === 'Google' && !settings.Scope ? {} : parameters,
      );
    case 'ServiceAccount': {
      const assertion = serviceAccountAssertion(request, scope ?? '', clock);
      return oidc.genericGrantRequest(config, 'urn:ietf:params:oauth:grant-type:jwt-bearer', { assertion });
    }
  }
}

/** The library's view of the provider; also used to ask a person for consent. */
export async function configurationFor(
  settings: OAuthSettings,
  { http, signal }: Pick<GrantDeps, 'http' | 'signal'>,
  endpoints: Partial<oidc.ServerMetadata> = {},
): Promise<oidc.Configuration> {
  const tokenUrl = tokenUrlOf(settings);
  const server = { issuer: new URL(tokenUrl).origin, token_endpoint: tokenUrl, ...endpoints };
  const clientId = settings.ClientId ?? 'service-account';
  const config = new oidc.Configuration(server, clientId, undefined, await clientAuth(settings, tokenUrl));
  if (isLoopback(new URL(tokenUrl))) oidc.allowInsecureRequests(config);
  config[oidc.customFetch] = async (url, { method, headers, body }) => {
    const reply = await http.request({
      method: method === 'GET' ? 'GET' : 'POST',
      url: new URL(url),
      headers: { ...headers },
      body: body === null || body === undefined ? undefined : String(body),
      maxBytes: MAX_ANSWER_BYTES,
      signal,
    });
    if (reply.cut) throw reply.cut;
    return new Response(new Uint8Array(reply.body), { status: reply.status, headers: reply.headers });
  };
  return config;
}

/** Plain HTTP is for a provider on this machine only. */
function isLoopback({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}

async function clientAuth(settings: OAuthSettings, tokenUrl: string): Promise<oidc.ClientAuth> {
  if (settings.Flow === 'ServiceAccount') return () => {};
  if (settings.Certificate) return certificateAuth(settings.Certificate, tokenUrl);
  return settings.ClientSecret ? oidc.ClientSecretPost(settings.ClientSecret) : oidc.None();
}

/** https://learn.microsoft.com/entra/identity-platform/certificate-credentials: the thumbprint names the certificate. */
async function certificateAuth(pem: string, tokenUrl: string): Promise<oidc.ClientAuth> {
  const key = await signingKey(createPrivateKey(pem));
  const thumbprint = createHash('sha256').update(new X509Certificate(pem).raw).digest('base64url');
  return oidc.PrivateKeyJwt(key, {
    [oidc.modifyAssertion]: (header, payload) => {
      header['x5t#S256'] = thumbprint;
      payload.aud = tokenUrl;
    },
  });
}

function signingKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  return webcrypto.subtle.importKey('pkcs8', key.export({ type: 'pkcs8', format: 'der' }), algorithm, false, ['sign']);
}

/** Google accepts an hour at most (https://developers.google.com/identity/protocols/oauth2/service-account). */
const ASSERTION_SECONDS = 3600;

function serviceAccountAssertion({ settings, user }: GrantRequest, scope: string, clock: Clock): string {
  const account = serviceAccountOf(settings.ServiceAccountKey ?? '');
  const issuedAt = Math.floor(clock.now() / 1000);
  const claims = { iss: account.client_email, sub: user, scope, aud: tokenUrlOf(settings) };
  const parts = [
    { alg: 'RS256', typ: 'JWT' },
    { ...claims, iat: issuedAt, exp: issuedAt + ASSERTION_SECONDS },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  const signature = sign('sha256', Buffer.from(parts.join('.')), account.private_key).toString('base64url');
  return [...parts, signature].join('.');
}

/** Answers after which the same request may work later (RFC 6749 5.2, and what providers add). */
const TEMPORARY = new Set(['temporarily_unavailable', 'server_error', 'slow_down']);

/** Any failure of an exchange with the provider, in its own words. */
export function oauthFailure(error: unknown, settings: OAuthSettings, clock: Clock): GatepostError {
  if (error instanceof GatepostError) return error;
  const { host } = new URL(tokenUrlOf(settings));
  if (error instanceof oidc.AuthorizationResponseError) {
    const words = oneLine(`${error.error}: ${error.error_description ?? 'no consent was given'}`);
    const advice = adviceFor(settings, error.error, error.error_description ?? '', true);
    return new OAuthFailure(true, `${host} gives no consent: ${words}`, { advice, cause: error });
  }
  if (error instanceof oidc.ResponseBodyError) {
    const { error: code, error_description: description = '', status, response } = error;
    const words = oneLine(description === '' ? code : `${code}: ${description}`);
    const refused = status < 500 && status !== 429 && !TEMPORARY.has(code);
    const wait = retryAfterMs(response.headers.get('retry-after') ?? undefined, clock.now());
    const message = refused ? `${host} refuses a token: ${words}` : `${host} gives no token at present: ${words}`;
    return new OAuthFailure(refused, message, {
      advice: adviceFor(settings, code, description, refused),
      cause: error,
      retryAfterMs: wait,
    });
  }
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const message = `${host} gives no token: ${oneLine(messageOf(cause))}`;
  const known = cause instanceof GatepostError ? cause.advice : undefined;
  return new OAuthFailure(false, message, {
    advice: known ?? 'The next attempt follows without further action.',
    cause: error,
  });
}

/** Providers' descriptions have several lines with trace ids. */
const LONGEST_WORDS = 400;
const oneLine = (text: string) =>
  text
    .slice(0, 4 * LONGEST_WORDS)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, LONGEST_WORDS);
