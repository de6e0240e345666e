import { describe, expect, it } from 'vitest';
import { assertPublicHost, isPublicAddress, publicLookup } from './address-guard.js';

describe('the guard for addresses that others name', () => {
  it.each([
    '127.0.0.1',
    '127.255.255.254',
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '169.254.169.254',
    '172.31.0.1',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::7f00:1',
    '::ffff:127.0.0.1',
    '::ffff:a9fe:a9fe',
    '::ffff:10.0.0.1',
    'fd12::1',
    'fe80::1',
    'fe80::1%eth0',
    'ff02::1',
    '64:ff9b::7f00:1',
    '64:ff9b::10.0.0.1',
    '64:ff9b:1::7f00:1',
    '::ffff:0:127.0.0.1',
    '::ffff:a00:1',
    '0:0:0:0:0:ffff:c0a8:101',
    '2001:0:7f00:1::',
    '2001:2::1',
    '2001:10::1',
    '2001:db8::1',
    '3fff::1',
    '5f00::1',
    '100::1',
    'fec0::1',
    'fe80::1%25eth0',
    'fd12::1%1',
    '2002:7f00:1::',
    'localhost',
    '',
  ])('refuses %j', (address) => expect(isPublicAddress(address)).toBe(false));

  it.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])('allows %s', (address) =>
    expect(isPublicAddress(address)).toBe(true),
  );

  it.each([
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://[::1]/',
    'https://[::ffff:7f00:1]/',
  ])('refuses the URL %s however its address is written', (url) =>
    expect(() => assertPublicHost(new URL(url))).toThrow('is an address of a private network'),
  );

  it('leaves host names to the lookup, which refuses one that resolves to a private address', async () => {
    assertPublicHost(new URL('https://localhost/'));
    const error = await new Promise((resolve) => publicLookup('localhost', { all: true }, resolve));
    expect(String(error)).toContain('localhost is an address of a private network');
  });
});
