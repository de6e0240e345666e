import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { describe, expect, it } from 'vitest';
import { isLoopbackHost, judgeAddress, matchesHost, parseHostRule, restrictedNetwork } from './hosts.js';

const rulesOf = (...texts: string[]) => texts.flatMap((text) => parseHostRule(text) ?? []);
const MAIL_MAY = rulesOf('ImapHost=private');

describe('which addresses a gateway may connect to', () => {
  it.each([
    ['a public address', '93.184.215.14', 'HttpSms', 'allowed'],
    ['a public IPv6 address', '2606:2800:21f:cb07:6820:80da:af6b:8b2c', 'HttpSms', 'allowed'],
    ['a private address for a device that may', '192.168.1.5', 'ImapHost', 'allowed'],
    ['the same in any capitals', '192.168.1.5', 'imaphost', 'allowed'],
    ['this machine for a device that may', '127.0.0.1', 'ImapHost', 'allowed'],
    ['this machine by IPv6', '::1', 'ImapHost', 'allowed'],
    ['a unique local address', 'fd12:3456::1', 'ImapHost', 'allowed'],
    ['a private address inside an IPv6 one', '::ffff:10.0.0.1', 'ImapHost', 'allowed'],
    ['a private address for an HTTP driver', '192.168.1.5', 'HttpSms', 'private'],
    ['this machine for an HTTP driver', '127.0.0.1', 'Twilio', 'private'],
    ['this machine mapped', '::ffff:7f00:1', 'Twilio', 'private'],
    ['this machine compatible', '::127.0.0.1', 'Twilio', 'private'],
    ['a private address through NAT64', '64:ff9b::10.0.0.1', 'HttpSms', 'private'],
    ['a private address through 6to4', '2002:0a00:0001::1', 'HttpSms', 'private'],
    ['the unspecified address', '0.0.0.0', 'ImapHost', 'private'],
    ['the unspecified IPv6 address', '::', 'ImapHost', 'private'],
    ['multicast', '224.0.0.1', 'ImapHost', 'private'],
    ['a metadata address', '169.254.169.254', 'ImapHost', 'never'],
    ['any link-local address', '169.254.1.2', 'ImapHost', 'never'],
    ['a metadata address of another cloud', '100.100.100.200', 'ImapHost', 'never'],
    ['a metadata address by IPv6', 'fd00:ec2::254', 'ImapHost', 'never'],
    ['link-local with a zone', 'fe80::1%eth0', 'ImapHost', 'never'],
    ['metadata mapped', '::ffff:169.254.169.254', 'ImapHost', 'never'],
    ['metadata mapped, in groups', '0:0:0:0:0:ffff:a9fe:a9fe', 'ImapHost', 'never'],
    ['metadata translated', '::ffff:0:169.254.169.254', 'ImapHost', 'never'],
    ['metadata compatible', '::169.254.169.254', 'ImapHost', 'never'],
    ['metadata through NAT64', '64:ff9b::a9fe:a9fe', 'ImapHost', 'never'],
    ['metadata through 6to4', '2002:a9fe:a9fe::', 'ImapHost', 'never'],
    ['what is no address', 'nonsense', 'ImapHost', 'private'],
  ] as const)('%s: %s for %s is %s', (_what, address, device, verdict) => {
    expect(judgeAddress(address, 'host.example', device, MAIL_MAY)).toBe(verdict);
  });

  it.each([
    ['an address', '10.1.2.3', '10.1.2.3', 'allowed'],
    ['a network', '10.1.0.0/16', '10.1.2.3', 'allowed'],
    ['another network', '10.2.0.0/16', '10.1.2.3', 'private'],
    ['a name', 'sms.internal.example', '10.1.2.3', 'allowed'],
    ['every name below', '*.internal.example', '10.1.2.3', 'allowed'],
    ['the device and a network', 'HttpSms=10.0.0.0/8', '10.1.2.3', 'allowed'],
    ['another device', 'Smpp=10.0.0.0/8', '10.1.2.3', 'private'],
    ['a network that holds metadata', '169.254.0.0/16', '169.254.169.254', 'never'],
    ['the metadata address itself', 'HttpSms=169.254.169.254', '169.254.169.254', 'never'],
    ['a network for a mapped address', '10.0.0.0/8', '::ffff:10.1.2.3', 'allowed'],
  ] as const)('policy.hosts with %s (%s): %s is %s', (_what, rule, address, verdict) => {
    expect(judgeAddress(address, 'SMS.internal.example.', 'HttpSms', rulesOf(rule))).toBe(verdict);
  });
});

it.each([
  ['10.0.0.0/8', true],
  ['Smpp=private', true],
  ['private', true],
  ['smsc.carrier.example', true],
  ['*.carrier.example', true],
  ['fd00::/8', true],
  ['10.0.0.0/33', false],
  ['http://host.example', false],
  ['host.example:443', false],
  ['two words', false],
  ['', false],
])('%s is a rule: %s', (text, is) => expect(parseHostRule(text) !== null).toBe(is));

it.each([
  ['mail.example.com', 'MAIL.example.com.', true],
  ['*.example.com', 'a.b.example.com', true],
  ['*.example.com', 'example.com', false],
  ['*.example.com', 'evilexample.com', false],
  ['example.com', 'a.example.com', false],
])('%s stands for %s: %s', (pattern, host, is) => expect(matchesHost(pattern, host)).toBe(is));

it.each([
  ['localhost', true],
  ['127.0.0.9', true],
  ['[::1]', true],
  ['127.0.0.1.evil.example', false],
  ['localhost.evil.example', false],
])('%s is this machine: %s', (host, is) => expect(isLoopbackHost(host)).toBe(is));

describe('a network under the policy', () => {
  const answering =
    (...addresses: string[]): LookupFunction =>
    (_host, _options, done) =>
      done(
        null,
        addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
  const network = (...addresses: string[]) =>
    restrictedNetwork('HttpSms', rulesOf('Smpp=private'), answering(...addresses));
  const looked = (addresses: string[], all: boolean) =>
    new Promise((resolve, reject) => {
      const { lookup } = network(...addresses).to('sms.example.com');
      lookup('sms.example.com', { all }, (error, found) => (error ? reject(error) : resolve(found)));
    });

  it('gives a socket the addresses that were judged', async () => {
    expect(await looked(['93.184.215.14'], false)).toBe('93.184.215.14');
    expect(await looked(['93.184.215.14'], true)).toEqual([{ address: '93.184.215.14', family: 4 }]);
    expect(await network('93.184.215.14').addressOf('sms.example.com')).toBe('93.184.215.14');
  });

  it('refuses a name with one private address among its addresses, with a sentence that names the setting', async () => {
    await expect(looked(['93.184.215.14', '10.0.0.1'], true)).rejects.toMatchObject({
      code: 'policy/host',
      message: expect.stringContaining('sms.example.com (10.0.0.1) is in a private network'),
      advice: expect.stringContaining('"HttpSms=sms.example.com" to policy.hosts'),
    });
    await expect(network('10.0.0.1').addressOf('sms.example.com')).rejects.toMatchObject({ code: 'policy/host' });
  });

  it('refuses what is written as an address at once, because no socket looks it up', async () => {
    expect(() => network().to('10.0.0.1')).toThrow('10.0.0.1 is in a private network');
    expect(() => network().to('169.254.169.254')).toThrow('which no gateway may reach');
    await expect(network().addressOf('::ffff:169.254.169.254')).rejects.toThrow('which no gateway may reach');
  });
});
