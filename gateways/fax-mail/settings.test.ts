// Problems of wrong settings, those of Mailbox and Relay included; no secret is ever shown.
import { describe, expect, it } from 'vitest';
import { secretsAmong } from '../../src/driver/settings.js';
import { redactor } from '../../src/kit/redact.js';
import { resolveGateway } from '../../src/pipeline/gateways/config.js';
import { secretsFrom } from '../../src/pipeline/gateways/secrets.js';
import { contextOf } from '../../test/conformance/context.js';
import { recorder } from '../../test/conformance/watch.js';
import { freePort } from '../../test/servers/process.js';
import { drivers } from '../index.js';
import { faxMail } from './driver.js';

const mailbox = await drivers.imaphost?.();
const relay = await drivers.smtphost?.();
const driver = faxMail({ mailbox, relay });

const Mailbox = { Host: 'imap.example.com', User: 'fax', Password: 'box-password' };
const Relay = { Host: 'smtp.example.com', From: 'fax@example.com' };
const AddressTemplate = '{number}@fax.example.com';

function problems(written: Record<string, unknown>): string[] {
  const parsed = driver.settings.parse(written);
  return parsed.ok ? [] : parsed.problems.map(({ setting, message }) => `${setting} ${message}`);
}

describe.runIf(mailbox && relay)('settings that are wrong', () => {
  it.each([
    ['neither direction', {}, /^Mailbox is missing, and so is Relay/],
    [
      'a typo inside',
      { mailbox: { ...Mailbox, Fodler: 'x' } },
      /^mailbox\.Fodler is not a setting; did you mean "Folder"/,
    ],
    ['something missing inside', { Mailbox: { Host: 'a', User: 'b' } }, /^Mailbox\.Password is missing/],
    ['a rule of the held device', { Mailbox: { ...Mailbox, AfterReceive: 'Move' } }, /^Mailbox\.MoveTo is missing/],
    [
      'nothing of it inside',
      { Mailbox: { Hots: 'x' } },
      /^Mailbox holds no setting of ImapHost: "Hots" is not a setting; did/,
    ],
    ['no object', { Mailbox: 'imap.example.com' }, /^Mailbox must hold the settings of ImapHost, in \{ \}/],
    ['deleted mails', { Mailbox: { ...Mailbox, AfterReceive: 'Delete' } }, /^Mailbox\.AfterReceive cannot be "Delete"/],
    ['no sender', { Relay: { Host: 'a' }, AddressTemplate }, /^Relay\.From is missing/],
    [
      'a policy for unknown outcomes in the wrong place',
      { Relay: { ...Relay, whenuncertain: 'Hold' }, AddressTemplate },
      /^Relay\.whenuncertain is not allowed in Relay/,
    ],
    ['no address', { Relay }, /^AddressTemplate is missing \(or Provider\)/],
    [
      'a provider that takes no faxes',
      { Relay, Provider: 'HylaFAX' },
      /^AddressTemplate is missing: no address is known of HylaFAX/,
    ],
    [
      'no number',
      { Relay, AddressTemplate: 'fax@example.com' },
      /^AddressTemplate contains no \{number\}, and neither does Subject/,
    ],
    [
      'an address that is none',
      { Relay, AddressTemplate: '{number} <x@y>' },
      /^AddressTemplate does not make an e-mail address/,
    ],
    [
      'a strange placeholder',
      { Relay, AddressTemplate: '{nummer}@x.example' },
      /^AddressTemplate holds \{nummer\}; the only/,
    ],
    [
      'a password that is none',
      { Relay, AddressTemplate, Body: 'PIN {password}' },
      /^Password is missing: Subject or Body/,
    ],
    [
      'results without a mailbox',
      { Relay, AddressTemplate, AnswerWhen: 'Done' },
      /^AnswerWhen cannot be "Done" without Mailbox/,
    ],
    [
      'unknown outcomes resent',
      { Relay, AddressTemplate, Mailbox, AnswerWhen: 'Done', WhenUncertain: 'Resend' },
      /^WhenUncertain must be "Hold"/,
    ],
    [
      'a rule that cannot be read',
      { Mailbox, Rules: { Subject: ['Fax {frm}'] } },
      /^Rules "Fax \{frm\}" holds \{frm\}; there are/,
    ],
    ['a sender that is none', { Mailbox, Senders: ['example.com'] }, /^Senders is neither an address nor a domain/],
  ])('%s', (_, written, sentence) => {
    expect(problems(written)).toEqual([expect.stringMatching(sentence)]);
  });

  it('the number may be in the subject instead', () => {
    expect(problems({ Relay, AddressTemplate: 'fax@example.com', Subject: '{number}' })).toEqual([]);
  });

  it.each(['I', 'O'] as const)(
    'a gateway of direction %s without its half does not open, and its test says why',
    async (direction) => {
      const written = direction === 'I' ? { Relay, AddressTemplate } : { Mailbox };
      const context = contextOf(driver, written, { direction });
      await expect(driver.open(context)).rejects.toThrow(`is missing: a gateway of direction ${direction}`);
      const steps = [];
      for await (const step of driver.check(context, new AbortController().signal)) steps.push(step);
      expect(steps).toMatchObject([{ ok: false, detail: expect.stringContaining('is missing') }]);
    },
  );
});

describe('without its mail drivers', () => {
  it('it still has its settings, and names the missing driver', () => {
    const bare = faxMail({});
    expect([bare.receive, bare.send]).toEqual([undefined, undefined]);
    const parsed = bare.settings.parse({ Mailbox });
    expect(parsed.ok ? [] : parsed.problems[0]?.message).toContain('needs the driver ImapHost, which is not part of');
  });
});

describe.runIf(mailbox && relay)('secrets inside', () => {
  const env = { GATEPOST_SECRET_BOX: 'resolved-box-word', GATEPOST_SECRET_RELAY: 'resolved-relay-word' };
  const written = async () => ({
    Mailbox: { ...Mailbox, Port: await freePort(), Host: '127.0.0.1', Password: '${env:GATEPOST_SECRET_BOX}' },
    Relay: { ...Relay, Host: '127.0.0.1', Port: await freePort(), User: 'u', password: '${env:GATEPOST_SECRET_RELAY}' },
    AddressTemplate,
  });
  const info = (device: string) => ({
    Id: '11111111-2222-4333-8444-555555555555',
    Channel: 'Fax' as const,
    Direction: 'I' as const,
    Device: device,
  });
  const deps = () => ({ drivers, secrets: secretsFrom({ env, folder: '/nowhere' }), redactor: redactor() });

  it('are resolved from references and redacted in all output', async () => {
    const using = deps();
    const result = await resolveGateway(info(`FaxMail ${JSON.stringify(await written())}`), using);
    expect(result).toMatchObject({
      ok: true,
      config: {
        settings: { Mailbox: { Password: 'resolved-box-word' }, Relay: { Password: 'resolved-relay-word' } },
      },
    });
    expect(using.redactor.redact('a resolved-box-word and a resolved-relay-word')).toBe('a [hidden] and a [hidden]');
  });

  it('are known as secrets at every depth', async () => {
    expect(secretsAmong(driver.settings, { ...(await written()), password: 'pin' })).toEqual([
      '${env:GATEPOST_SECRET_BOX}',
      '${env:GATEPOST_SECRET_RELAY}',
      'pin',
    ]);
  });

  it.each(['I', 'O'] as const)(
    'are in no error and no log of a gateway of direction %s that cannot connect',
    async (direction) => {
      const { Mailbox: box, Relay: gate, ...others } = await written();
      const secret = {
        Mailbox: { ...box, Password: env.GATEPOST_SECRET_BOX },
        Relay: { ...gate, password: env.GATEPOST_SECRET_RELAY },
      };
      const recorded = recorder();
      const context = contextOf(driver, { ...others, ...secret }, { direction, log: recorded.log });
      const words: unknown[] = [recorded.lines];
      await driver.open(context).catch((error: unknown) => words.push(String(error), error));
      for await (const step of driver.check(context, new AbortController().signal)) words.push(step);
      expect(JSON.stringify(words)).not.toMatch(/resolved-(box|relay)-word/);
      expect(words.length).toBeGreaterThan(2);
    },
  );
});
