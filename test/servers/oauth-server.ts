// A token endpoint on a free port of 127.0.0.1, with the flows that the providers have, and an introspection endpoint that a mail
// server asks about a token. Plain HTTP, which the product accepts on the loopback only.
import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TokenRequest {
  readonly grantType: string;
  readonly parameters: URLSearchParams;
}

export interface OAuthServer {
  readonly tokenUrl: string;
  /** For `tokeninfo_url` or `introspection_url` of a mail server; the token is appended to it. */
  readonly introspectionUrl: string;
  /** Every request to the token endpoint so far. */
  readonly requests: TokenRequest[];
  /** What the next requests are answered, in place of a token. Undefined ends it. */
  failWith(answer: { status: number; body: unknown; headers?: Record<string, string> } | undefined): void;
  /** From now on a refresh token is good for one use, and the answer holds its successor. */
  rotate: boolean;
  /** The mailbox that tokens are for when the request names none. */
  user: string;
  /** Seconds that tokens are valid. */
  expiresIn: number;
  /** The mail server is told that this token, or every token so far, is not valid. */
  revoke(token?: string): void;
  /** The person consents (or not) to the device code or to the page in the browser. */
  consent: boolean | undefined;
  close(): Promise<void>;
}

export interface OAuthServerOptions {
  user: string;
  clientId?: string;
  clientSecret?: string;
  refreshToken?: string;
}

const MAX_BODY = 64 * 1024;

export async function startOAuthServer(options: OAuthServerOptions): Promise<OAuthServer> {
  const { clientId = 'app-1', clientSecret = 'app-secret', refreshToken = 'refresh-1' } = options;
  const valid = new Map<string, string>();
  const refreshTokens = new Set([refreshToken]);
  const requests: TokenRequest[] = [];
  let failure: { status: number; body: unknown; headers?: Record<string, string> } | undefined;

  function grant(parameters: URLSearchParams): { status: number; body: unknown } {
    const refusal = (error: string, description: string) => ({
      status: 400,
      body: { error, error_description: description },
    });
    const grantType = parameters.get('grant_type') ?? '';
    const isJwt = grantType.endsWith(':jwt-bearer');
    const secret = parameters.get('client_secret');
    if (!isJwt && parameters.get('client_id') !== clientId) return refusal('invalid_client', 'no such client');
    if (!isJwt && !parameters.has('client_assertion') && secret !== clientSecret)
      return { ...refusal('invalid_client', 'AADSTS7000215: Invalid client secret provided.'), status: 401 };
    if (grantType.endsWith(':device_code')) {
      if (server.consent === undefined) return refusal('authorization_pending', 'not yet');
      if (!server.consent) return refusal('access_denied', 'the person said no');
    }
    if (grantType === 'authorization_code' && !isOurCode(parameters)) return refusal('invalid_grant', 'wrong code');
    const old = parameters.get('refresh_token') ?? '';
    if (grantType === 'refresh_token' && !refreshTokens.has(old))
      return refusal('invalid_grant', 'AADSTS70000: the refresh token is not valid.\r\nTrace ID: 1\r\nTimestamp: now');
    const token = randomBytes(12).toString('hex');
    valid.set(token, isJwt ? subjectOf(parameters.get('assertion') ?? '') : server.user);
    const body: Record<string, unknown> = { access_token: token, token_type: 'Bearer', expires_in: server.expiresIn };
    if (grantType.endsWith('_code')) {
      refreshTokens.add('consented-1');
      body.refresh_token = 'consented-1';
    }
    if (grantType === 'refresh_token' && server.rotate) {
      refreshTokens.delete(old);
      const next = `refresh-${randomBytes(6).toString('hex')}`;
      refreshTokens.add(next);
      body.refresh_token = next;
    }
    return { status: 200, body };
  }

  let challenge = '';
  const isOurCode = (parameters: URLSearchParams) =>
    parameters.get('code') === 'code-1' &&
    createHash('sha256')
      .update(parameters.get('code_verifier') ?? '')
      .digest('base64url') === challenge;

  /** The page of consent, which asks nothing here. */
  function authorize(parameters: URLSearchParams, response: ServerResponse): void {
    challenge = parameters.get('code_challenge') ?? '';
    const back = new URL(parameters.get('redirect_uri') ?? '');
    back.searchParams.set('state', parameters.get('state') ?? '');
    if (server.consent === false) back.searchParams.set('error', 'access_denied');
    else back.searchParams.set('code', 'code-1');
    response.writeHead(302, { location: back.href }).end();
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/introspect') {
      const token = searchParams.get('token') ?? '';
      const name = valid.get(token);
      return reply(response, name === undefined ? 400 : 200, {
        active: name !== undefined,
        username: name,
        email: name,
      });
    }
    if (pathname.endsWith('/authorize')) return authorize(searchParams, response);
    const parameters = new URLSearchParams(await bodyOf(request));
    if (pathname.endsWith('/devicecode'))
      return reply(response, 200, {
        device_code: 'device-1',
        user_code: 'ABCD-1234',
        verification_uri: `${base}/device`,
        expires_in: 900,
        interval: 0.05,
      });
    requests.push({ grantType: parameters.get('grant_type') ?? '', parameters });
    const { status, body, headers } = failure ?? { ...grant(parameters), headers: {} };
    reply(response, status, body, headers);
  }

  const http = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const server: OAuthServer = {
    tokenUrl: `${base}/oauth2/v2.0/token`,
    introspectionUrl: `${base}/introspect?token=`,
    requests,
    failWith(next) {
      failure = next;
    },
    rotate: false,
    consent: undefined,
    user: options.user,
    expiresIn: 3600,
    revoke(token) {
      if (token === undefined) valid.clear();
      else valid.delete(token);
    },
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
  return server;
}

function subjectOf(assertion: string): string {
  const claims: unknown = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString('utf8'));
  return typeof claims === 'object' && claims !== null && 'sub' in claims ? String(claims.sub) : '';
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_BODY) throw new Error('the request is too large');
  }
  return text;
}

function reply(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}
