import { createPublicKey, generateKeyPairSync, verify, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type OAuthServer, startOAuthServer } from '../../../../test/servers/oauth-server.js';
import { findProgram, runToEnd } from '../../../../test/servers/process.js';
import { systemClock } from '../../../kit/clock.js';
import { httpClient } from '../http-client.js';
import { type Grant, type OAuthFailure, requestGrant } from './grants.js';
import { scopeOf, tokenUrlOf } from './provider.js';
import { type OAuthSettings, oauthSettings } from './settings.js';

let server: OAuthServer;
const http = httpClient();
beforeEach(async () => {
  server = await startOAuthServer({ user: 'desk@example.test' });
});
afterEach(() => server.close());

const settingsOf = (written: Record<string, unknown>): OAuthSettings => {
  const parsed = oauthSettings.parse(written);
  if (!parsed.ok) throw new Error(parsed.problems.map(({ setting, message }) => `${setting} ${message}`).join('; '));
  return parsed.settings;
};
const app = { Provider: 'Microsoft', Flow: 'ClientCredentials', ClientId: 'app-1', ClientSecret: 'app-secret' };
const grant = (written: Record<string, unknown>, refreshToken?: string): Promise<Grant> =>
  requestGrant(
    {
      settings: settingsOf({ TokenUrl: server.tokenUrl, ...written }),
      purpose: 'Imap',
      user: 'desk@example.test',
      refreshToken,
    },
    { http, clock: systemClock, signal: new AbortController().signal },
  );
const failure = (written: Record<string, unknown> = app) =>
  grant(written).then(
    () => expect.unreachable('a token was given'),
    (error: OAuthFailure) => error,
  );

describe('a request for a token', () => {
  it('of an application names scope and secret', async () => {
    const { accessToken, validMs } = await grant(app);
    expect([accessToken.length, validMs]).toEqual([24, 3_600_000]);
    expect(Object.fromEntries(server.requests[0]?.parameters ?? [])).toEqual({
      grant_type: 'client_credentials',
      client_id: 'app-1',
      client_secret: 'app-secret',
      scope: 'https://outlook.office365.com/.default',
    });
  });

  it('of an application with a certificate is signed with its key and names its thumbprint', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'gatepost-cert-'));
    const files = ['-keyout', join(dir, 'key.pem'), '-out', join(dir, 'cert.pem')];
    await runToEnd(findProgram('openssl') ?? 'openssl', [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=app'],
      ...files,
    ]);
    const cert = readFileSync(join(dir, 'cert.pem'), 'utf8');
    const pem = cert + readFileSync(join(dir, 'key.pem'), 'utf8');
    rmSync(dir, { recursive: true });
    await grant({ ...app, ClientSecret: undefined, Certificate: pem });
    const [head = '', claims = '', signature = ''] = (
      server.requests[0]?.parameters.get('client_assertion') ?? ''
    ).split('.');
    const json = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    const x509 = new X509Certificate(cert);
    expect(json(head)).toMatchObject({
      alg: 'RS256',
      'x5t#S256': Buffer.from(x509.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url'),
    });
    expect(json(claims)).toMatchObject({ iss: 'app-1', sub: 'app-1', aud: server.tokenUrl });
    const signed = Buffer.from(`${head}.${claims}`);
    expect(verify('sha256', signed, x509.publicKey, Buffer.from(signature, 'base64url'))).toBe(true);
  });

  it('with a refresh token uses the one that was stored last, and hands out its successor', async () => {
    server.rotate = true;
    const person = { ...app, Flow: 'RefreshToken', RefreshToken: 'refresh-1' };
    const first = await grant(person);
    expect(first.refreshToken).toMatch(/^refresh-/);
    const second = await grant(person, first.refreshToken);
    expect(second.accessToken).not.toBe(first.accessToken);
    expect(server.requests.map(({ parameters }) => parameters.get('refresh_token'))).toEqual([
      'refresh-1',
      first.refreshToken,
    ]);
  });

  it('of a service account is a signed assertion for the mailbox', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = JSON.stringify({
      type: 'service_account',
      client_email: 'robot@project.iam.example',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    });
    await grant({ Provider: 'Google', Flow: 'ServiceAccount', ServiceAccountKey: key });
    const { parameters, grantType } = server.requests[0] ?? { parameters: new URLSearchParams(), grantType: '' };
    expect([grantType, parameters.has('client_id')]).toEqual(['urn:ietf:params:oauth:grant-type:jwt-bearer', false]);
    const [head = '', claims = '', signature = ''] = (parameters.get('assertion') ?? '').split('.');
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString('utf8'))).toMatchObject({
      iss: 'robot@project.iam.example',
      sub: 'desk@example.test',
      scope: 'https://mail.google.com/',
      aud: server.tokenUrl,
    });
    const signed = Buffer.from(`${head}.${claims}`);
    expect(
      verify(
        'sha256',
        signed,
        createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
        Buffer.from(signature, 'base64url'),
      ),
    ).toBe(true);
  });

  it.each([
    [400, { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' }, true],
    [401, { error: 'invalid_client' }, true],
    [400, { error: 'temporarily_unavailable' }, false],
    [503, { error: 'server_error' }, false],
    [429, { error: 'too_many_requests', error_description: 'slow down' }, false],
    [502, 'Bad Gateway', false],
    [200, { token_type: 'Bearer' }, false],
  ])('that is answered %i %j is refused for good: %s', async (status, body, refused) => {
    server.failWith({ status, body });
    expect((await failure()).refused).toBe(refused);
  });

  it('that is refused has the words of the provider in one line, and what to do', async () => {
    server.failWith({
      status: 401,
      body: { error: 'invalid_client', error_description: 'AADSTS7000222: The secret is expired.\r\nTrace ID: 1' },
    });
    const { message, advice } = await failure();
    expect(message).toMatch(/refuses a token: invalid_client: AADSTS7000222: The secret is expired\. Trace ID: 1$/);
    expect(advice).toContain('make a new one');
  });

  it('that the provider defers tells how long to wait', async () => {
    server.failWith({ status: 429, body: { error: 'slow_down' }, headers: { 'retry-after': '17' } });
    expect(await failure()).toMatchObject({ refused: false, retryAfterMs: 17_000 });
  });

  it('that finds no provider says so', async () => {
    const { tokenUrl } = server;
    await server.close();
    const { refused, message } = await failure({ ...app, TokenUrl: tokenUrl });
    expect([refused, message]).toEqual([false, expect.stringMatching(/gives no token: .*refused the connection/)]);
    server = await startOAuthServer({ user: 'x' });
  });

  it('never goes over plain HTTP to another machine', async () => {
    const { message } = await failure({ ...app, TokenUrl: 'http://login.example.test/token' });
    expect(message).toContain('gives no token');
    expect(server.requests).toEqual([]);
  });
});

describe('the providers', () => {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const account = JSON.stringify({ client_email: 'robot@project.iam.example', private_key: key });
  it.each([
    [
      { ...app, TenantId: 'contoso.example' },
      'https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token',
      'https://outlook.office365.com/.default',
    ],
    [
      { ...app, Flow: 'RefreshToken', RefreshToken: 'r' },
      'https://login.microsoftonline.com/common/oauth2/v2.0/token',
      'https://outlook.office.com/IMAP.AccessAsUser.All offline_access',
    ],
    [
      { Provider: 'Google', Flow: 'ServiceAccount', ServiceAccountKey: account },
      'https://oauth2.googleapis.com/token',
      'https://mail.google.com/',
    ],
    [{ ...app, Provider: 'Custom', TokenUrl: 'https://id.example/token' }, 'https://id.example/token', undefined],
    [{ ...app, TenantId: 't', Scope: 'a b' }, 'https://login.microsoftonline.com/t/oauth2/v2.0/token', 'a b'],
  ])('%j have address %s and scope %s', (written, url, scope) => {
    const settings = settingsOf(written);
    expect([tokenUrlOf(settings), scopeOf(settings, 'Imap')]).toEqual([url, scope]);
  });

  it.each([
    [
      { Provider: 'Google', Flow: 'ClientCredentials', ClientId: 'a', ClientSecret: 'b' },
      'Flow cannot be ClientCredentials at Google',
    ],
    [{ ...app, Flow: 'ServiceAccount' }, 'Flow ServiceAccount exists at Google only'],
    [{ ...app, Provider: 'Custom' }, 'TokenUrl is missing'],
    [app, 'TenantId is missing'],
    [{ ...app, TenantId: 't', ClientId: undefined }, 'ClientId is missing'],
    [{ ...app, TenantId: 't', ClientSecret: undefined }, 'ClientSecret is missing'],
    [{ ...app, TenantId: 't', Flow: 'RefreshToken' }, 'RefreshToken is missing'],
    [{ ...app, TenantId: 't', Certificate: 'x' }, 'Certificate is given beside ClientSecret'],
    [{ ...app, TenantId: 't', ClientSecret: undefined, Certificate: 'x' }, 'Certificate is not PEM text'],
    [{ ...app, TenantId: 't', ServiceAccountKey: '{}' }, 'ServiceAccountKey has no effect'],
    [{ Provider: 'Google', Flow: 'ServiceAccount' }, 'ServiceAccountKey is missing'],
    [
      { Provider: 'Google', Flow: 'ServiceAccount', ServiceAccountKey: '{}' },
      'ServiceAccountKey is not the JSON key file',
    ],
  ])('settings %j have the problem: %s', (written, problem) => {
    const parsed = oauthSettings.parse(written);
    const problems = parsed.ok ? [] : parsed.problems.map(({ setting, message }) => `${setting} ${message}`);
    expect(problems.join('\n')).toContain(problem);
  });
});
