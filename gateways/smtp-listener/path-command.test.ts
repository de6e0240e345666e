import { describe, expect, it } from 'vitest';
import { pathCommand } from './path-command.js';

const from = (path: string | Uint8Array) => {
  const parsed = pathCommand('mail from', Buffer.concat([Buffer.from('MAIL FROM:'), Buffer.from(path)]));
  return parsed === false ? false : parsed.address;
};

describe('the sender of MAIL FROM', () => {
  it.each([
    ['<jana@example.net>', 'jana@example.net'],
    ['<>', ''],
    [' <jana@example.net>', 'jana@example.net'],
    ['< jana@example.net >', 'jana@example.net'],
    ['jana@example.net', 'jana@example.net'],
    [' jana@example.net', 'jana@example.net'],
    ['<a..b@docomo.example>', 'a..b@docomo.example'],
    ['<ab.@docomo.example>', 'ab.@docomo.example'],
    ['<.ab@docomo.example>', '.ab@docomo.example'],
    ['<"a..b"@docomo.example>', '"a..b"@docomo.example'],
    ['<"jana nova"@example.net>', '"jana nova"@example.net'],
    ['<"jana@home"@example.net>', '"jana@home"@example.net'],
    ['<"a>b"@example.net>', '"a>b"@example.net'],
    ['<"a\\"b"@example.net>', '"a\\"b"@example.net'],
    ['<scanner>', 'scanner'],
    ['<root>', 'root'],
    ['<MAILER-DAEMON>', 'MAILER-DAEMON'],
    ['<scanner@printer>', 'scanner@printer'],
    ['<scan@floor_2.example>', 'scan@floor_2.example'],
    ['<scan@example.net.>', 'scan@example.net.'],
    ['<scan@-printer-.example>', 'scan@-printer-.example'],
    ['<user@[192.168.1.5]>', 'user@[192.168.1.5]'],
    ['<user@[IPv6:2001:db8::5]>', 'user@[IPv6:2001:db8::5]'],
    ['<user@192.168.1.5>', 'user@192.168.1.5'],
    ['<@a.example:jana@example.net>', 'jana@example.net'],
    ['<@a.example,@b.example:jana@example.net>', 'jana@example.net'],
    ['<jana%example.net@relay.example>', 'jana%example.net@relay.example'],
    ['<relay!jana>', 'relay!jana'],
    ["<O'Neill+web=form/1@example.net>", "O'Neill+web=form/1@example.net"],
    ['<žluťoučký@příklad.example>', 'žluťoučký@příklad.example'],
    ['<jana@xn--pklad-zsa96e.example>', 'jana@příklad.example'],
    ['<jana nova@example.net>', 'jana nova@example.net'],
    ['<"jana@example.net>', '"jana@example.net'],
  ])('%s', (path, address) => {
    expect(from(path)).toBe(address);
  });

  it('in eight bits that are not UTF-8 is read as Windows-1252', () => {
    expect(from(Buffer.from('<m\xfcller@example.net>', 'latin1'))).toBe('müller@example.net');
  });

  it.each(['', ' ', '<', '<jana@example.net', '<a@example.net><b@example.net>', '<a<b@example.net>', '<@example.net>'])(
    '%s is no sender',
    (path) => expect(from(path)).toBe(false),
  );

  it.each([
    '<ja\0na@example.net>',
    '<jana\r@example.net>',
    '<jana\u202e@example.net>',
    `<${'x'.repeat(600)}@example.net>`,
  ])('with characters that could write a header or is too long: no sender', (path) => expect(from(path)).toBe(false));
});

describe('the parameters', () => {
  it.each([
    ['MAIL FROM:<a@x.test> SIZE=100 BODY=8BITMIME SMTPUTF8', { SIZE: '100', BODY: '8BITMIME', SMTPUTF8: true }],
    ['mail from: a@x.test size=100', { SIZE: '100' }],
    ['MAIL FROM:<a@x.test> AUTH=<>', { AUTH: '<>' }],
    ['MAIL FROM:<a@x.test> ENVID=a+2Bb', { ENVID: 'a+b' }],
    ['MAIL FROM:<a@x.test>  ', false],
    ['MAIL FROM <a@x.test>', false],
  ])('of %s', (line, args) => {
    expect(pathCommand('mail from', line)).toEqual({ address: 'a@x.test', args });
  });

  it('that come twice are told, and control characters in them are refused', () => {
    expect(pathCommand('mail from', 'MAIL FROM:<a@x.test> SIZE=1 SIZE=2')).toMatchObject({ duplicate: 'SIZE' });
    expect(pathCommand('mail from', 'MAIL FROM:<a@x.test> ENVID=a+0D+0Ab')).toBe(false);
  });

  it('cannot be glued to the path', () => {
    expect(pathCommand('mail from', 'MAIL FROM:<a@x.test>SIZE=1')).toBe(false);
  });
});

it('another command is none of these', () => {
  expect(pathCommand('rcpt to', 'RCPT FROM:<a@x.test>')).toBe(false);
  expect(pathCommand('rcpt to', 'RCPT TO:<a@x.test>')).toMatchObject({ address: 'a@x.test' });
});
