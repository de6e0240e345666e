// What an administrator reads about settings of Telnyx, and about an account that cannot be used.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { contextOf } from '../../test/conformance/context.js';
import { startTelnyx, type TelnyxServer } from '../../test/servers/telnyx.js';
import { PUBLIC } from '../../test/servers/telnyx-fixture.js';
import { telnyxFax } from './driver.js';
import { settings } from './settings.js';

const right = { ApiKey: 'KEY1', ConnectionId: '1293384261075731499', Number: '+13125790015' };

function problemsOf(written: Record<string, unknown>): [string, string][] {
  const parsed = settings.parse(
    Object.fromEntries(Object.entries({ ...right, ...written }).filter(([, value]) => value !== undefined)),
  );
  return parsed.ok ? [] : parsed.problems.map(({ setting, message }) => [setting, message]);
}

describe('settings', () => {
  const wrong: [name: string, written: Record<string, unknown>, setting: string, says: RegExp][] = [
    ['no key', { ApiKey: undefined }, 'ApiKey', /is missing/],
    ['a national number', { Number: '312 579 0015' }, 'Number', /country code/],
    ['Webhook without a key to check with', { Webhook: true }, 'PublicKey', /Telnyx signs/],
    ['a public key that is none', { PublicKey: 'abc' }, 'PublicKey', /32 bytes/],
    ['a folder without an address', { DocumentFolder: 'out' }, 'DocumentUrl', /set the address at which/],
    ['an address without a folder', { DocumentUrl: 'https://x.example.com' }, 'DocumentFolder', /set the folder that/],
    ['a BaseUrl that is none', { BaseUrl: 'ftp://example.com' }, 'BaseUrl', /http/],
    ['a way to make dots that is none', { Quality: 'best' }, 'Quality', /ultra_dark/],
  ];
  for (const [name, written, setting, says] of wrong) {
    it(`${name}: ${setting} is named`, () => {
      expect(problemsOf(written)).toEqual([[setting, expect.stringMatching(says)]]);
    });
  }

  it('three settings are enough', () => {
    expect(problemsOf({})).toEqual([]);
  });
});

describe('the test of the connection', () => {
  let server: TelnyxServer;
  beforeEach(async () => {
    server = await startTelnyx();
  });
  afterEach(() => server.close());

  async function steps(written: Record<string, unknown> = {}, direction: 'I' | 'O' = 'O', webhookUrl = PUBLIC) {
    const { apiKey: ApiKey, connectionId: ConnectionId, number, publicKey: PublicKey, url: BaseUrl } = server;
    const usual = { ApiKey, ConnectionId, Number: number, PublicKey, BaseUrl };
    const context = contextOf(telnyxFax, { ...usual, ...written }, { direction, webhookUrl });
    const shown: string[] = [];
    for await (const { ok, detail } of telnyxFax.check(context, new AbortController().signal))
      shown.push(`${ok ? 'ok' : 'failed'}: ${detail}`);
    return shown;
  }

  it('reports that faxes are found by polling when the application pushes to another address', async () => {
    server.appUrl = 'https://elsewhere.example.com';
    const [, application] = await steps({ Webhook: true }, 'I');
    expect(application).toMatch(/^ok: "fax-router".*pushes to https:\/\/elsewhere.*found every 60 s$/);
  });

  const failures: [name: string, written: Record<string, unknown>, says: RegExp][] = [
    ['a key that is refused', { ApiKey: 'KEY-wrong' }, /^failed: Telnyx answered 401 10009 Authentication failed;/],
    ['an application that is none', { ConnectionId: '1' }, /^failed: Telnyx answered 404 .*check ConnectionId/],
    ['a number of another account', { Number: '+13125790099' }, /^failed: the account has no such number;/],
    ['a folder that is not there', { DocumentFolder: '/nowhere', DocumentUrl: 'https://x.example.com' }, /\/nowhere/],
  ];
  for (const [name, written, says] of failures) {
    it(`${name} is the last step, with advice`, async () => {
      expect((await steps(written)).at(-1)).toMatch(says);
    });
  }

  it('an application that cannot call fails a gateway that sends, and not one that receives', async () => {
    server.outboundProfile = '';
    expect((await steps()).at(-1)).toMatch(/^failed: "fax-router" has no outbound voice profile/);
    expect((await steps({}, 'I')).every((step) => step.startsWith('ok'))).toBe(true);
  });

  it('an answer that does not come from the API is reported as that', async () => {
    server.trouble = () => ({ is: 'babble', status: 200, body: '<html>hotel</html>' });
    expect(await steps()).toEqual([expect.stringMatching(/^failed: the answer does not come from the Telnyx API;/)]);
  });
});
