// The mistakes that administrators make in a gateways file, and what `gatepost check` says about them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { drivers } from '../../gateways/index.js';
import { redactor } from '../kit/redact.js';
import { openPolicy } from '../pipeline/gateways/policy/policy.js';
import { secretsFrom } from '../pipeline/gateways/secrets.js';
import { checkCommand } from './check.js';
import { matching } from './gateway-list.js';

const dir = mkdtempSync(join(tmpdir(), 'gatepost-check-'));
afterAll(() => rmSync(dir, { recursive: true }));

async function check(text: string | Buffer): Promise<{ code: number; printed: string }> {
  const file = join(dir, 'gateways.yaml');
  writeFileSync(file, text);
  let printed = '';
  const out = (more: string) => {
    printed += more.replaceAll(`${dir}/`, '');
  };
  const deps = { drivers, secrets: secretsFrom({ env: {}, folder: dir }), redactor: redactor(), policy: openPolicy };
  const code = await checkCommand(file, deps, { out, say: out, isTerminal: false });
  return { code, printed };
}

const entry = (device: string, { channel = 'Email', direction = 'I' } = {}) =>
  `- id: 5f0c2b0e-6d3e-4b57-9a40-3b8f1f6d0001\n  displayName: Box\n  channel: ${channel}\n  direction: ${direction}\n  device: ${device}\n`;
const imap = (host: string, more = '') =>
  entry(`{ type: ImapHost, Host: ${host}, User: u@example.com, Password: secret${more} }`);
const BOM = '\ufeff';

describe('gatepost check', () => {
  it.each([
    ['a byte order mark', BOM + imap('imap.example.com')],
    ['a byte order mark and a comment', `${BOM}# ours\n${imap('imap.example.com')}`],
    ['the TLS port with TLS', imap('imap.example.com', ', Port: 993')],
  ])('accepts %s', async (_, text) => {
    expect(await check(text)).toEqual({ code: 0, printed: 'gateways.yaml: 1 gateway, no problems\n' });
  });

  it.each([
    [
      'a region that is no country',
      entry('{ type: Smpp, Host: smsc.example.net, SystemId: u, Password: p, Region: UK }', {
        channel: 'SMS',
        direction: 'O',
      }),
      /gateways\.yaml:5: gateway "Box", Region: "UK" is no country .*did you mean "GB"\?/,
    ],
    [
      'a host with scheme and port',
      imap('"imaps://imap.example.com:993"'),
      /write only "imap\.example\.com", and the port as "Port": 993/,
    ],
    ['a host with a blank behind it', imap('"imap.example.com "'), /it has a blank; write only "imap\.example\.com"/],
    ['a host with a port', imap('"imap.example.com:993"'), /it has a port; write only "imap\.example\.com"/],
    ['a host with a path', imap('"imap.example.com/inbox"'), /write only "imap\.example\.com"/],
    ['a host with a user', imap('"u@imap.example.com"'), /write only "imap\.example\.com"/],
    [
      'an implicit TLS port with StartTls',
      entry('{ type: SmtpHost, Host: smtp.example.com, Port: 465, Security: StartTls }', { direction: 'O' }),
      /465/,
    ],
    [
      'a file in Latin-1',
      Buffer.from(imap('imap.example.com').replace('Box', 'Büro'), 'latin1'),
      /line 2, is not UTF-8/,
    ],
    ['a file in UTF-16', Buffer.from(`${BOM}${imap('imap.example.com')}`, 'utf16le'), /is UTF-16, not UTF-8/],
  ])('tells %s, and what would be right', async (_, text, sentence) => {
    const { code, printed } = await check(text).catch((error: Error) => ({ code: 1, printed: error.message }));
    expect(printed).toMatch(sentence);
    expect(code).toBe(1);
  });

  it('tells every mistake of one entry', async () => {
    const { printed } = await check(entry('{ type: ImapHots, Host: x }', { channel: 'Mail' }));
    expect(printed).toMatch(/channel: is "Mail"/);
    expect(printed).toMatch(/unknown device type "ImapHots"; did you mean "ImapHost"\?/);
    const both = await check(imap('"imap.example.com:993"', ', Folders: INBOX, AfterReceive: Burn'));
    expect(both.printed.match(/^gateways\.yaml:\d+: gateway "Box", (?:Host|Folders|AfterReceive)/gm)).toHaveLength(3);
  });
});

describe('a gateway of the list', () => {
  const info = { Id: '5f0c2b0e', DisplayName: 'Box', Channel: 'Email', Direction: 'I', Device: 'X' } as const;
  it('is found by its name in any capitals, and by the beginning of its id', () => {
    expect([matching([info], 'BOX', undefined), matching([info], '5f0c', 'i')]).toEqual([[info], [info]]);
  });
  it('that is not there is answered with those that are', () => {
    expect(() => matching([info], 'Bix', undefined)).toThrow('there is no gateway "Bix"');
  });
});
