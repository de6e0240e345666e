import { describe, expect, it } from 'vitest';
import { redactor } from '../../kit/redact.js';
import { parseDevice } from '../../simprot/device.js';
import { resolveGateway } from './config.js';
import { ewsReplacement } from './ews-host.js';
import { secretsFrom } from './secrets.js';

/** The text that replaces the device, as an administrator copies it. */
function replacementOf(written: Record<string, unknown> | undefined) {
  const sentence = ewsReplacement('EWSHost', written);
  expect(sentence).toContain('2027-04-01');
  return parseDevice(sentence.slice(sentence.indexOf('GraphMail')));
}

const usual = {
  TenantId: 'contoso.com',
  ClientId: 'ID OF THE APPLICATION',
  ClientSecret: '${env:GATEPOST_SECRET_MAIL_APP}',
  Mailbox: 'support@contoso.com',
};

describe('EWSHost is answered with the equivalent GraphMail', () => {
  it.each([
    ['user and password', { User: 'support@contoso.com', Password: 'hunter2hunter2' }, usual],
    ['a shared mailbox', { User: 'admin@contoso.com', Mailbox: 'support@contoso.com' }, usual],
    ['any capitals', { username: ' support@contoso.com ', FOLDER: 'inbox' }, usual],
    [
      'an application',
      { Email: 'support@contoso.com', Tenant: 'T-1', AppId: 'A-1', Folder: 'Inbox/Web' },
      { ...usual, TenantId: 'T-1', ClientId: 'A-1', Folder: 'Inbox/Web' },
    ],
    [
      'a user who is no address',
      { User: 'CONTOSO\\support' },
      { ...usual, TenantId: 'TENANT', Mailbox: 'ADDRESS OF THE MAILBOX' },
    ],
    ['settings that cannot be read', undefined, { ...usual, TenantId: 'TENANT', Mailbox: 'ADDRESS OF THE MAILBOX' }],
    [
      'values that are no text',
      { User: 7, Folder: { a: 1 } },
      { ...usual, TenantId: 'TENANT', Mailbox: 'ADDRESS OF THE MAILBOX' },
    ],
  ])('from %s', (_, written, settings) => {
    expect(replacementOf(written)).toEqual({ ok: true, type: 'GraphMail', settings });
  });

  it('repeats no secret', () => {
    const sentence = ewsReplacement('EWSHost', { User: 'a@b.example', Password: 'hunter2', ClientSecret: 'hunter3' });
    expect(sentence).not.toContain('hunter');
  });

  it('keeps a reference to a secret', () => {
    const sentence = ewsReplacement('EWSHost', { ClientSecret: '${file:app}' });
    expect(sentence).toContain('"${file:app}"');
  });
});

it.each([
  ['EWSHost { "User": "support@contoso.com", "Password": "hunter2" }', '"Mailbox":"support@contoso.com"'],
  ['ewshost https://user:hunter2@mail.contoso.com', 'ADDRESS OF THE MAILBOX'],
])('a gateway with the device %s is a problem that names GraphMail', async (Device, part) => {
  const deps = { drivers: {}, secrets: secretsFrom({ env: {}, folder: '/nowhere' }), redactor: redactor() };
  const info = { Id: '1', Channel: 'Email' as const, Direction: 'I' as const, Device };
  const result = await resolveGateway(info, deps);
  const messages = result.ok ? [] : result.problems.map(({ message }) => message);
  expect(messages).toEqual([expect.stringContaining('GraphMail')]);
  expect(messages[0]?.replaceAll(/"\s*:\s*"/g, '":"')).toContain(part);
  expect(messages[0]).not.toContain('hunter2');
});
