import { describe, expect, test } from 'vitest';
import { settings as hylafax } from '../../../gateways/hylafax/settings.js';
import { settings as imap } from '../../../gateways/imap/settings.js';
import { settings as smpp } from '../../../gateways/smpp/settings.js';
import { settings as smtp } from '../../../gateways/smtp/settings.js';
import { settings as listener } from '../../../gateways/smtp-listener/settings.js';
import { hostProblem, hostType, portProblem, regionProblem } from './host.js';

describe('a host', () => {
  test.each([
    'imap.example.com',
    'localhost',
    '192.0.2.1',
    '::1',
    '[2001:db8::1]',
    'mail_1.intern',
    'smtp.example.com.',
    'pošta.example',
    '0.0.0.0',
  ])('%s is one', (host) => {
    expect(hostProblem(host)).toBeNull();
  });

  test.each([
    [
      'imaps://imap.example.com:993',
      'it has a scheme and a port; write only "imap.example.com", and the port as "Port": 993',
    ],
    ['https://mail.example.com/', 'it has a scheme and a path; write only "mail.example.com"'],
    ['imap.example.com:143', 'it has a port; write only "imap.example.com", and the port as "Port": 143'],
    ['mail.example.com/owa', 'it has a path; write only "mail.example.com"'],
    ['imap.example.com ', 'it has a blank; write only "imap.example.com"'],
    [' imap.example.com', 'it has a blank; write only "imap.example.com"'],
    ['smtp://user@mail.example.com', 'it has a scheme and a user; write only "mail.example.com"'],
    ['[2001:db8::1]:993', 'it has a port; write only "2001:db8::1", and the port as "Port": 993'],
    ['//mail.example.com', 'write only "mail.example.com"'],
    ['mail example.com', 'is not a host name or IP address'],
    ['mail..example.com', 'is not a host name or IP address'],
    ['', 'is empty'],
    ['  ', 'is empty'],
  ])('%j is none: %s', (host, words) => {
    expect(hostProblem(host)).toContain(words);
  });

  test('loses the brackets of a link', () => {
    expect(hostType().parse('[::1]')).toBe('::1');
  });

  test.each([
    ['ImapHost', imap],
    ['SmtpHost', smtp],
    ['Smpp', smpp],
    ['HylaFax', hylafax],
    ['SmtpListener', listener],
  ])('is read alike by %s', (_, settings) => {
    const result = settings.parse({ Host: 'tcp://host.example:1' });
    const message = result.ok ? '' : result.problems.find(({ setting }) => setting === 'Host')?.message;
    expect(message).toContain('write only "host.example"');
  });
});

describe('a region', () => {
  test.each(['CZ', 'GB', 'US', 'XK'])('%s is one', (region) => {
    expect(regionProblem(region)).toBeNull();
  });

  test.each([
    ['UK', 'did you mean "GB"?'],
    ['EL', 'did you mean "GR"?'],
    ['XX', 'is no country whose numbers are known'],
    ['CZE', 'is not a country code of two letters'],
    ['42', 'is not a country code of two letters'],
    ['', 'is not a country code of two letters'],
  ])('%s is none: %s', (region, words) => {
    expect(regionProblem(region)).toContain(words);
  });
});

describe('a port', () => {
  test.each([
    [465, 'StartTls', 'write "Security": "Tls"'],
    [993, 'StartTls', 'write "Security": "Tls"'],
    [995, 'None', 'write "Security": "Tls"'],
    [587, 'Tls', 'write "Security": "StartTls"'],
    [143, 'Tls', 'write "Security": "StartTls"'],
    [110, 'Tls', 'write "Security": "StartTls"'],
  ] as const)('%i with %s is a mistake', (port, security, words) => {
    expect(portProblem(port, security)).toContain(words);
  });

  test.each([
    [465, 'Tls'],
    [587, 'StartTls'],
    [25, 'None'],
    [143, 'None'],
    [10_465, 'StartTls'],
    [undefined, 'Tls'],
  ] as const)('%s with %s is none', (port, security) => {
    expect(portProblem(port, security)).toBeNull();
  });
});

test('several mistakes of one entry are told at once, those across settings, too', () => {
  const given = { Host: 'smtps://mail.example.com', Port: 465, Security: 'StartTls', User: 'u', Nmae: 'x' };
  const result = smtp.parse(given);
  const told = result.ok ? [] : result.problems.map(({ setting }) => setting).sort();
  expect(told).toEqual(['Host', 'Nmae', 'Password', 'Security']);
});

test('a mistake makes no other one up', () => {
  const result = smtp.parse({ Host: 'mail.example.com', Port: 587, Security: 'Startls' });
  expect(result.ok ? [] : result.problems.map(({ setting }) => setting)).toEqual(['Security']);
});
