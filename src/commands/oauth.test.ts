import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { drivers } from '../../gateways/index.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type OAuthServer, startOAuthServer } from '../../test/servers/oauth-server.js';
import { loadConfig } from '../config.js';
import { systemClock } from '../kit/clock.js';
import { silentLog } from '../kit/log.js';
import { redactor } from '../kit/redact.js';
import { openPolicy } from '../pipeline/gateways/policy/policy.js';
import { secretsFrom } from '../pipeline/gateways/secrets.js';
import { oauthCommand } from './oauth.js';

let dir: string;
let server: OAuthServer;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'gatepost-oauth-'));
  server = await startOAuthServer({ user: 'desk@example.test' });
});
afterEach(async () => {
  await server.close();
  rmSync(dir, { recursive: true });
});

function start(oauth: Record<string, unknown> = {}, browser = false) {
  const settings = {
    Host: 'imap.example.test',
    User: 'desk@example.test',
    OAuth2: {
      Provider: 'Microsoft',
      Flow: 'RefreshToken',
      ClientId: 'app-1',
      ClientSecret: 'app-secret',
      RefreshToken: '${file:support-token}',
      TokenUrl: server.tokenUrl,
      ...oauth,
    },
  };
  const gateways = [
    {
      id: '11111111-2222-4333-8444-555555555555',
      displayName: 'Support',
      channel: 'Email',
      direction: 'I',
      device: `ImapHost ${JSON.stringify(settings)}`,
    },
  ];
  writeFileSync(join(dir, 'gateways.yaml'), `${JSON.stringify(gateways)}\n`);
  writeFileSync(
    join(dir, 'gatepost.yaml'),
    `dataDir: ${dir}\nsecretsDir: ${dir}/secrets\nfrontdesk: { gateways: ${dir}/gateways.yaml }\n`,
  );
  const config = loadConfig(join(dir, 'gatepost.yaml'), {});
  const printed: string[] = [];
  const print = (text: string) => void printed.push(text);
  const stop = new AbortController();
  const deps = {
    drivers,
    secrets: secretsFrom({ env: {}, folder: config.secretsDir }),
    policy: openPolicy,
    redactor: redactor(),
    clock: systemClock,
    random: () => 0.5,
    log: silentLog,
  };
  const output = { out: print, say: print, isTerminal: false };
  const done = oauthCommand('Support', { browser }, config, deps, output, stop.signal);
  done.catch(() => {});
  return { done, printed: () => printed.join(''), stop };
}

const token = () => readFileSync(join(dir, 'secrets', 'support-token'), 'utf8');

describe('asking for consent', () => {
  it('shows a code, waits for the person, and writes the refresh token for the owner only', async () => {
    const { done, printed } = start();
    await waitFor('the code', () => printed().includes('ABCD-1234'));
    await waitFor('a poll', () => server.requests.length > 0);
    server.consent = true;
    expect(await done).toBe(0);
    expect(token()).toBe('consented-1\n');
    expect(statSync(join(dir, 'secrets', 'support-token')).mode & 0o777).toBe(0o600);
    expect(printed()).toContain('Restart Gatepost');
    expect(printed()).not.toContain('consented-1');
  });

  it('with a browser comes back to this machine, and takes no answer with another state', async () => {
    const { done, printed } = start({}, true);
    const page = () => /http:\/\/127\.0\.0\.1:\d+\/oauth2\/v2\.0\/authorize\?\S+/.exec(printed())?.[0];
    await waitFor('the address', () => page() !== undefined);
    const back = new URL(new URL(page() ?? '').searchParams.get('redirect_uri') ?? '');
    expect(back.hostname).toBe('localhost');
    expect((await fetch(`http://127.0.0.1:${back.port}/?code=forged&state=x`)).status).toBe(404);
    const { headers } = await fetch(page() ?? '', { redirect: 'manual' });
    const answer = await fetch((headers.get('location') ?? '').replace('localhost', '127.0.0.1'));
    expect(await answer.text()).toContain('Done');
    expect(await done).toBe(0);
    expect(token()).toBe('consented-1\n');
  });

  it('that the person does not give leaves everything as it was', async () => {
    const { done, printed } = start();
    await waitFor('the code', () => printed().includes('ABCD-1234'));
    server.consent = false;
    await expect(done).rejects.toMatchObject({ message: expect.stringContaining('access_denied: the person said no') });
    expect(() => token()).toThrow();
  });

  it('ends at once when it is given up', async () => {
    const { done, printed, stop } = start({}, true);
    await waitFor('the address', () => printed().includes('authorize'));
    stop.abort(new Error('given up'));
    await expect(done).rejects.toMatchObject({ message: expect.stringContaining('given up') });
  });

  it.each([
    [{ RefreshToken: 'literal' }, 'must name a file of the secrets folder'],
    [{ Flow: 'ClientCredentials', TenantId: 't' }, 'needs no consent of a person'],
    [{ ClientId: undefined }, 'OAuth2.ClientId is missing'],
  ])('for a gateway with %j says what is wrong', async (oauth, problem) => {
    await expect(start(oauth).done).rejects.toMatchObject({ message: expect.stringContaining(problem) });
  });
});
