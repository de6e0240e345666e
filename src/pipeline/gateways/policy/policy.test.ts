import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { drivers } from '../../../../gateways/index.js';
import { redactor } from '../../../kit/redact.js';
import { resolveGateway } from '../config.js';
import { secretsFrom } from '../secrets.js';
import { parseHostRule } from './hosts.js';
import { gatewayPolicy, type PolicyRules } from './policy.js';
import { type SecretUse, secretHostsFile } from './secret-hosts.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatepost-policy-'));
  mkdirSync(join(folder, 'drop'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const policyOf = (changes: Partial<PolicyRules> = {}) =>
  gatewayPolicy({
    folders: { allowed: [], dataDir: folder, ownFiles: [join(folder, 'secret-hosts')] },
    hosts: ['ImapHost=private', 'SmtpHost=private', 'FaxMail=private'].flatMap((text) => parseHostRule(text) ?? []),
    secrets: new Map<string, SecretUse>(),
    secretHosts: secretHostsFile(join(folder, 'secret-hosts')),
    ...changes,
  });

const env = { GATEPOST_SECRET_A: 'canary-one-value', GATEPOST_SECRET_B: 'canary-two-value' };

async function gatewayOf(Device: string, Channel: 'Email' | 'SMS' | 'Fax', Direction: 'I' | 'O') {
  const info = { Id: '11111111-2222-4333-8444-555555555555', Channel, Direction, Device };
  const secrets = secretsFrom({ env, folder: '/nowhere' });
  const result = await resolveGateway(info, { drivers, secrets, redactor: redactor() });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.config;
}

const imap = (changes: object = {}) =>
  gatewayOf(
    `ImapHost ${JSON.stringify({ Host: 'mail.example.com', User: 'u', Password: '${env:GATEPOST_SECRET_A}', ...changes })}`,
    'Email',
    'I',
  );

describe('a secret', () => {
  it('goes to the first host and to no other, also after a restart; the sentence names the command', async () => {
    expect(await policyOf().problemsOf(await imap())).toEqual([]);
    expect(await policyOf().problemsOf(await imap())).toEqual([]);
    const [problem, ...more] = await policyOf().problemsOf(await imap({ Host: 'evil.test' }));
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ setting: 'Password' });
    expect(problem?.message).toContain('"gatepost secrets allow GATEPOST_SECRET_A evil.test"');
    expect(problem?.message).not.toContain('canary');
    await expect(policyOf().admit(await imap({ Host: 'evil.test' }))).rejects.toMatchObject({ code: 'policy/refused' });
    secretHostsFile(join(folder, 'secret-hosts')).allow('GATEPOST_SECRET_A', 'evil.test', false);
    await expect(policyOf().admit(await imap({ Host: 'evil.test' }))).resolves.toBeUndefined();
  });

  it('is found under any spelling of its setting', async () => {
    await policyOf().admit(await imap());
    const { secretNames } = await gatewayOf(
      'ImapHost { "host": "evil.test", "USER": "u", "pAssWord": "${env:GATEPOST_SECRET_A}" }',
      'Email',
      'I',
    );
    expect(secretNames).toEqual([{ setting: 'pAssWord', name: 'GATEPOST_SECRET_A' }]);
    const spelled = await gatewayOf(
      'ImapHost { "host": "evil.test", "USER": "u", "pAssWord": "${env:GATEPOST_SECRET_A}" }',
      'Email',
      'I',
    );
    expect(await policyOf().problemsOf(spelled)).toHaveLength(1);
  });

  it.each([
    ['without TLS', { Security: 'None' }],
    ['with any certificate', { AllowUntrustedCertificate: true }],
  ])('does not go out %s, and is not remembered by it', async (_how, settings) => {
    const [problem] = await policyOf().problemsOf(await imap(settings));
    expect(problem?.message).toContain('gatepost secrets allow GATEPOST_SECRET_A mail.example.com --plaintext');
    expect(secretHostsFile(join(folder, 'secret-hosts')).names()).toEqual([]);
    const secrets = new Map([['GATEPOST_SECRET_A', { hosts: [], plaintext: true }]]);
    expect(await policyOf({ secrets }).problemsOf(await imap(settings))).toEqual([]);
  });

  it('inside a mailbox of FaxMail belongs to that mailbox, and the password of the provider to relay and provider', async () => {
    const fax = (Relay: string, AddressTemplate: string) =>
      gatewayOf(
        `FaxMail ${JSON.stringify({
          Relay: { Host: Relay, User: 'u', Password: '${env:GATEPOST_SECRET_A}', From: 'f@example.com' },
          AddressTemplate,
          Body: 'PASSWORD:{password}',
          Password: '${env:GATEPOST_SECRET_B}',
        })}`,
        'Fax',
        'O',
      );
    const good = ['smtp.example.com', '{number}@fax.example.com'] as const;
    expect(await policyOf().problemsOf(await fax(...good))).toEqual([]);
    const hosts = secretHostsFile(join(folder, 'secret-hosts'));
    expect(hosts.of('GATEPOST_SECRET_A')?.hosts).toEqual(['smtp.example.com']);
    expect(hosts.of('GATEPOST_SECRET_B')?.hosts).toEqual(['smtp.example.com', 'fax.example.com']);
    const toOther = await policyOf().problemsOf(await fax(good[0], '{number}@evil.test'));
    expect(toOther).toEqual([{ setting: 'Password', message: expect.stringContaining('to evil.test') }]);
    const relay = await policyOf().problemsOf(await fax('evil.test', good[1]));
    expect(relay.map(({ setting }) => setting).sort()).toEqual(['Password', 'Relay.Password']);
  });

  it('that another process remembered for another host a moment before is not sent', async () => {
    let known: SecretUse | undefined;
    const secretHosts = {
      of: () => known,
      remember() {
        known = { hosts: ['first.example'], plaintext: false };
      },
    };
    const problems = await policyOf({ secretHosts }).problemsOf(await imap());
    expect(problems).toEqual([{ setting: 'Password', message: expect.stringContaining('belongs to another host') }]);
  });

  it('that cannot be remembered is not sent', async () => {
    const secretHosts = {
      of: () => undefined,
      remember() {
        throw new Error('the disk is full');
      },
    };
    expect(await policyOf({ secretHosts }).problemsOf(await imap())).toEqual([
      { setting: 'Password', message: 'the disk is full' },
    ]);
  });

  it('written into the settings by the server is the server’s own', async () => {
    expect(await policyOf().problemsOf(await imap({ Password: 'in the open' }))).toEqual([]);
  });
});

describe('folders and hosts in settings', () => {
  it.each([
    ['DropFolder { "FolderName": "drop" }', 'Email', 'I', []],
    ['DropFolder { "FolderName": "drop/in", "MoveTo": "/etc" }', 'Email', 'I', ['MoveTo']],
    ['DropFolder { "FolderName": "../x", "RefuseTo": "." }', 'Email', 'I', ['FolderName', 'RefuseTo']],
    ['SmtpHost { "Host": "h.example", "CaFile": "/etc/passwd" }', 'Email', 'O', ['CaFile']],
    ['SmtpHost { "Host": "h.example", "CaFile": "certificates/ca.pem" }', 'Email', 'O', []],
    [
      'FaxMail { "Mailbox": { "Host": "h.example", "User": "u", "Password": "p", "CaFile": "/x" } }',
      'Fax',
      'I',
      ['Mailbox.CaFile'],
    ],
    [
      'SmtpListener { "Security": "Tls", "CertFile": "/a.pem", "KeyFile": "certificates/k.pem" }',
      'Email',
      'I',
      ['CertFile'],
    ],
    ['SmtpHost { "Host": "169.254.169.254" }', 'Email', 'O', [null]],
    ['SmtpHost { "Host": "10.0.0.1" }', 'Email', 'O', []],
    [
      'HttpSms { "SendUrl": "https://10.0.0.1/x", "FormTemplate": { "t": "{text}", "n": "{to}" }, "Region": "CZ" }',
      'SMS',
      'O',
      [null],
    ],
  ] as const)('%s', async (device, channel, direction, settings) => {
    const problems = await policyOf().problemsOf(await gatewayOf(device, channel, direction));
    expect(problems.map(({ setting }) => setting)).toEqual(settings);
  });
});

/** Secrets that judge what comes in, and go nowhere. */
const STAYS_HERE = new Set(['SmtpListener.Password', 'HttpSms.Secret']);

/** Enough for any driver to say where its secrets go. */
const EXAMPLE = {
  Host: 'host.example',
  Security: 'Tls',
  TenantId: 'tenant',
  BaseUrl: 'https://api.example',
  SendUrl: 'https://api.example',
};

describe('every driver', () => {
  it.each(Object.entries(drivers))(
    '%s says where its secrets go, and which settings are paths',
    async (_word, load) => {
      const { device, settings, destinations } = await load();
      const secrets = settings.names.filter(
        (name) => settings.meta(name).secret && !STAYS_HERE.has(`${device}.${name}`),
      );
      if (secrets.length > 0) expect(destinations, device).toBeDefined();
      const named = new Set(destinations?.(EXAMPLE).flatMap((destination) => destination.secrets));
      if (device !== 'FaxMail') expect([...named], device).toEqual(expect.arrayContaining(secrets));
      const looksLikePath = settings.names.filter((name) => /(File|Folder|FolderName|MoveTo|RefuseTo)$/.test(name));
      // Folders of the mailbox, not of this machine.
      const isRemote = device === 'ImapHost' || device === 'GraphMail';
      for (const name of looksLikePath)
        if (!isRemote || name === 'CaFile') expect(settings.meta(name).path, `${device}.${name}`).toBeDefined();
    },
  );
});
