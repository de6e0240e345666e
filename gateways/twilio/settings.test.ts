// What an administrator reads about settings of Twilio, and about an account that cannot be used.
import { afterEach, describe, expect, it } from 'vitest';
import { contextOf } from '../../test/conformance/context.js';
import { startTwilio } from '../../test/servers/twilio.js';
import { PUBLIC } from '../../test/servers/twilio-fixture.js';
import { openApi } from './api.js';
import { twilio } from './driver.js';
import { settings } from './settings.js';

const right = { AccountSid: 'AC1', AuthToken: 'token', Number: '+420601123456' };

function problemsOf(written: Record<string, unknown>): [string, string][] {
  const parsed = settings.parse(
    Object.fromEntries(Object.entries({ ...right, ...written }).filter(([, value]) => value !== undefined)),
  );
  return parsed.ok ? [] : parsed.problems.map(({ setting, message }) => [setting, message]);
}

describe('settings', () => {
  const wrong: [name: string, written: Record<string, unknown>, setting: string, says: RegExp][] = [
    ['no credentials', { AuthToken: undefined }, 'AuthToken', /is missing: give the AuthToken/],
    ['half an API key', { ApiKey: 'SK1' }, 'ApiSecret', /is missing/],
    ['the other half of one', { AuthToken: undefined, ApiSecret: 'x' }, 'ApiKey', /is missing/],
    [
      'Webhook with an API key only',
      { AuthToken: undefined, ApiKey: 'SK1', ApiSecret: 'x', Webhook: true },
      'AuthToken',
      /signs/,
    ],
    ['no sender', { Number: undefined }, 'Number', /is missing/],
    ['two to send as', { MessagingServiceSid: 'MG1' }, 'MessagingServiceSid', /keep one/],
    ['no way to receive', { PollSeconds: 0 }, 'PollSeconds', /nothing would ever be received/],
    ['a national number', { Number: '601 123 456 789' }, 'Number', /country code/],
    ['a BaseUrl that is none', { BaseUrl: 'ftp://example.com' }, 'BaseUrl', /http/],
    ['a SID of something else', { AccountSid: 'SK1' }, 'AccountSid', /begins with AC/],
  ];
  for (const [name, written, setting, says] of wrong) {
    it(`${name}: ${setting} is named`, () => {
      expect(problemsOf(written)).toEqual([[setting, expect.stringMatching(says)]]);
    });
  }

  it('a BaseUrl takes the place of every host, its own path in front', async () => {
    for (const [BaseUrl, url] of [
      [undefined, 'https://api.twilio.com/2010-04-01/x?a=b'],
      ['http://127.0.0.1:8080', 'http://127.0.0.1:8080/2010-04-01/x?a=b'],
      ['https://proxy.example.com/sms/twilio/', 'https://proxy.example.com/sms/twilio/2010-04-01/x?a=b'],
    ] as const) {
      const context = contextOf(twilio, { ...right, ...(BaseUrl && { BaseUrl }) });
      const api = await openApi(context);
      expect(api.urlOf('/2010-04-01/x?a=b').href).toBe(url);
      await api.close();
    }
  });

  it('that are valid, with numbers, short codes, sender names and API keys', () => {
    for (const sender of ['+420601123456', '12345', 'GATEPOST', 'My Shop 24'])
      expect(problemsOf({ Number: sender })).toEqual([]);
    expect(problemsOf({ AuthToken: undefined, ApiKey: 'SK1', ApiSecret: 'x' })).toEqual([]);
    expect(problemsOf({ Number: undefined, MessagingServiceSid: 'MG1', Webhook: true, PollSeconds: 0 })).toEqual([]);
  });
});

describe('an account', () => {
  const undo: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  });

  async function account(
    written: Record<string, unknown> = {},
    direction: 'I' | 'O' = 'I',
    webhookUrl: string | null = PUBLIC,
  ) {
    const server = await startTwilio();
    undo.push(() => server.close());
    const { accountSid: AccountSid, authToken: AuthToken, number, url } = server;
    const usual = { AccountSid, AuthToken, Number: number, BaseUrl: url };
    const context = contextOf(twilio, { ...usual, ...written }, { direction, ...(webhookUrl && { webhookUrl }) });
    const steps = async () => {
      const all: { ok: boolean; name: string; detail: string }[] = [];
      for await (const step of twilio.check(context, new AbortController().signal)) all.push(step);
      return all;
    };
    return { server, context, steps };
  }

  it('is shown step by step, with the address that Twilio pushes to', async () => {
    const { server, steps } = await account({ Webhook: true });
    server.receive();
    server.smsUrl = 'https://elsewhere.example.com/sms';
    const [messages, number, address, ...rest] = await steps();
    expect(messages).toMatchObject({ ok: true, detail: expect.stringMatching(/the newest is SM\w+ \(received\)/) });
    expect(number).toMatchObject({
      ok: true,
      detail: expect.stringContaining('pushed to https://elsewhere.example.com/sms'),
    });
    expect(address).toMatchObject({ ok: true, detail: PUBLIC });
    expect(rest).toEqual([]);
    server.smsUrl = PUBLIC;
    expect((await steps())[1]).toMatchObject({ ok: true, detail: 'belongs to the account' });
  });

  it('without the number or the messaging service fails with that reason', async () => {
    const other = await account({ Number: '+420601777777' });
    expect((await other.steps()).at(-1)).toMatchObject({
      ok: false,
      detail: expect.stringContaining('no such number'),
    });
    const service = await account({ Number: undefined, MessagingServiceSid: 'MG404' });
    expect((await service.steps()).at(-1)).toMatchObject({ ok: false, detail: expect.stringMatching(/^20404/) });
    const good = await account();
    const right = await account({
      Number: undefined,
      MessagingServiceSid: good.server.serviceSid,
      BaseUrl: good.server.url,
      AccountSid: good.server.accountSid,
      AuthToken: good.server.authToken,
    });
    expect((await right.steps()).at(-1)).toMatchObject({ ok: true, detail: 'is there: Support' });
  });

  it('with wrong credentials is rejected with the reason, when tested and when opened', async () => {
    const { steps, context } = await account({ AuthToken: 'wrong' });
    expect(await steps()).toEqual([
      { name: expect.any(String), ok: false, detail: expect.stringMatching(/^20003: Permission denied/) },
    ]);
    await expect(twilio.open(context)).rejects.toThrow(/^cannot use Twilio at 127.0.0.1:\d+: 20003: Permission denied/);
  });

  it('cannot receive under a sender name', async () => {
    const { context, steps } = await account({ Number: 'GATEPOST' });
    await expect(twilio.open(context)).rejects.toThrow(/customers cannot answer to the sender name "GATEPOST"/);
    expect((await steps()).at(-1)).toMatchObject({ ok: false });
    const sending = await account({ Number: 'GATEPOST' }, 'O');
    expect((await sending.steps()).at(-1)).toMatchObject({ ok: true });
    await twilio.close(await twilio.open(sending.context));
  });

  it('without a public address is polled, or rejected when polling is off', async () => {
    const polled = await account({ Webhook: true }, 'I', null);
    const session = await twilio.open(polled.context);
    expect(session.statusUrl).toBeNull();
    await twilio.close(session);
    const { context } = await account({ Webhook: true, PollSeconds: 0 }, 'I', null);
    await expect(twilio.open(context)).rejects.toThrow(/no public address/);
  });
});
