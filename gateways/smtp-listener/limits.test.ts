import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { certificate, mailBytes, tempDir } from '../../test/conformance/context.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { listenerHarness } from '../../test/servers/smtp-listener-harness.js';
import { addressBook, loginPause } from './addresses.js';
import { type Phase, timeLeft } from './clients.js';
import { smtpListener } from './driver.js';
import { isLogged } from './logins.js';
import { isNetwork, keyOf, networks } from './networks.js';

const { gateway, later, end } = listenerHarness();
afterEach(end);

const LIMITS = { MaxConnectionsPerAddress: 2, MaxConnectionsPerMinute: 3, TrustedAddresses: ['10.0.0.0/8'] };
const login = (password: string) => `AUTH PLAIN ${Buffer.from(`\0shop\0${password}`).toString('base64')}`;

describe('the limits per address', () => {
  it('count the open connections of an address, and one network of IPv6 as one address', () => {
    const book = addressBook(manualClock(), { ...LIMITS, MaxConnectionsPerMinute: 0 });
    for (const address of ['192.0.2.1', '::ffff:192.0.2.1', '2001:db8:1:2::1', '2001:db8:1:2:ffff::9'])
      book.opened(address);
    expect([book.refusal('192.0.2.1'), book.refusal('2001:db8:1:2::1')]).toEqual([undefined, undefined]);
    for (const address of ['192.0.2.1', '2001:db8:1:2:3::']) book.opened(address);
    expect([book.refusal('192.0.2.1'), book.refusal('2001:db8:1:2::77')]).toEqual(['connections', 'connections']);
    expect([book.refusal('192.0.2.2'), book.refusal('2001:db8:1:3::1')]).toEqual([undefined, undefined]);
    book.closed('192.0.2.1');
    expect(book.refusal('192.0.2.1')).toBeUndefined();
  });

  it('count the connections of a minute', async () => {
    const clock = manualClock();
    const book = addressBook(clock, LIMITS);
    for (let count = 0; count < 4; count++) {
      book.opened('192.0.2.1');
      book.closed('192.0.2.1');
    }
    expect(book.refusal('192.0.2.1')).toBe('rate');
    await clock.advance(60_000);
    expect(book.refusal('192.0.2.1')).toBeUndefined();
  });

  it('do not count for a trusted address, so that a relay may send as fast as it likes', () => {
    const book = addressBook(manualClock(), LIMITS);
    for (let count = 0; count < 500; count++) book.opened('10.1.2.3');
    expect(book.refusal('10.1.2.3')).toBeUndefined();
  });

  it('allow 50 connections of one address by default, as Postfix does', () => {
    const parsed = smtpListener.settings.parse({});
    if (!parsed.ok) throw new Error('the defaults are wrong');
    const book = addressBook(manualClock(), parsed.settings);
    for (let count = 0; count < 50; count++) book.opened('192.0.2.1');
    expect(book.refusal('192.0.2.1')).toBeUndefined();
    book.opened('192.0.2.1');
    expect(book.refusal('192.0.2.1')).toBe('connections');
  });

  it('hold in the running listener: the second connection gets 421 and another address would not', async () => {
    const inputRejected: string[] = [];
    const { client } = await gateway({ MaxConnectionsPerAddress: 1, TrustedAddresses: [] }, { inputRejected });
    const first = await client();
    expect((await client()).greeting).toMatch(/^421 .*too many connections from your address/);
    expect(inputRejected).toEqual(['connections']);
    first.cut();
    await waitFor('a connection to be free', async () => /^220/.test((await client().catch(() => first)).greeting));
  });

  it('hold where TLS begins with the first byte', async () => {
    const { dir, remove } = tempDir();
    later(remove);
    const { cert, certFile, keyFile } = await certificate(dir);
    const trust = { ca: cert, servername: 'mail.test' };
    const tls = { Security: 'Tls', CertFile: certFile, KeyFile: keyFile };
    const { client } = await gateway({ ...tls, MaxConnectionsPerAddress: 1, TrustedAddresses: [] });
    expect((await client(trust)).greeting).toMatch(/^220/);
    await expect(client(trust)).rejects.toThrow();
  });
});

describe('networks', () => {
  it.each([
    ['192.0.2.1', true],
    ['192.0.2.0/24', true],
    ['2001:db8::/32', true],
    ['::1', true],
    ['mail.example.com', false],
    ['192.0.2.0/33', false],
    ['192.0.2.0/', false],
    ['192.0.2.0/x', false],
    ['', false],
  ])('%s is one: %s', (entry, right) => expect(isNetwork(entry)).toBe(right));

  it('hold the addresses that are in them, however they are written', () => {
    const trusted = networks(['127.0.0.0/8', '::1', '2001:db8::/32']);
    for (const address of ['127.0.0.1', '127.9.9.9', '::ffff:127.0.0.1', '::1', '2001:DB8::5'])
      expect(trusted(address)).toBe(true);
    for (const address of ['128.0.0.1', '::2', '2001:db9::5', '']) expect(trusted(address)).toBe(false);
  });

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
  ])('%s is counted as %s', (address, key) => expect(keyOf(address)).toBe(key));
});

describe('refused logins', () => {
  it.each([
    [0, false, 0],
    [3, false, 0],
    [4, false, 1_000],
    [5, false, 2_000],
    [8, false, 16_000],
    [50, false, 300_000],
    [50, true, 2_000],
  ])('after %i (trusted: %s) no login is tried for %i ms', (failures, trusted, ms) => {
    expect(loginPause(failures, trusted)).toBe(ms);
  });

  it.each([
    [1, true],
    [3, true],
    [4, false],
    [10, true],
    [11, false],
    [1000, true],
    [1001, false],
  ])('number %i is logged: %s', (failures, logged) => expect(isLogged(failures)).toBe(logged));

  it('make the address wait over new connections, whatever the password is, and are counted', async () => {
    const clock = manualClock();
    const inputRejected: string[] = [];
    const written = { User: 'shop', Password: 'right-one', TrustedAddresses: [] };
    const { client } = await gateway(written, { clock, inputRejected });
    const attempt = async (password: string) => {
      const one = await client();
      await one.command('EHLO c');
      return one.command(login(password));
    };
    for (let guess = 0; guess < 4; guess++) expect(await attempt(`wrong ${guess}`)).toMatch(/^535/);
    expect(await attempt('right-one')).toMatch(/^421 .*refused logins/);
    await clock.advance(1_000);
    expect(await attempt('wrong again')).toMatch(/^535/);
    await clock.advance(1_999);
    expect(await attempt('right-one')).toMatch(/^421/);
    await clock.advance(1);
    expect(await attempt('right-one')).toMatch(/^235/);
    expect(await attempt('wrong once')).toMatch(/^535/);
    expect(await attempt('right-one')).toMatch(/^235/);
    expect(inputRejected.filter((reason) => reason === 'login')).toHaveLength(6);
    expect(inputRejected).toContain('login_blocked');
  });

  it('of a trusted address are forgiven after two seconds', async () => {
    const clock = manualClock();
    const { client } = await gateway({ User: 'shop', Password: 'right-one' }, { clock });
    for (let guess = 0; guess < 20; guess++) {
      const one = await client();
      await one.command('EHLO c');
      await one.command(login('wrong'));
      await clock.advance(2_000);
    }
    const anna = await client();
    await anna.command('EHLO c');
    expect(await anna.command(login('right-one'))).toMatch(/^235/);
  });

  it('do not write the name into the log', async () => {
    const lines: unknown[] = [];
    const write = (fields: object, message: string) => void lines.push({ ...fields, message });
    const log = { trace: write, debug: write, info: write, warn: write, error: write, child: () => log };
    const { client } = await gateway({ User: 'shop', Password: 'right-one' }, { log });
    const anna = await client();
    await anna.command('EHLO c');
    await anna.command(`AUTH PLAIN ${Buffer.from('\0my-own-secret\0x').toString('base64')}`);
    expect(lines).toContainEqual({ client: '127.0.0.1', failures: 1, message: 'login refused' });
    expect(JSON.stringify(lines)).not.toContain('my-own-secret');
  });
});

describe('slow clients', () => {
  const limits = { MaxConnections: 10, MinBytesPerSecond: 500, MaxDataSeconds: 3600 };
  const data = (bytes: number): Phase => ({ is: 'data', since: 0, bytes });
  it.each<[string, Phase, number, boolean, number]>([
    ['silent', { is: 'waiting', since: 0 }, 60_000, false, 240_000],
    ['silent under stress', { is: 'waiting', since: 0 }, 60_000, true, -50_000],
    ['mail of 500 bytes a second', data(300_000), 600_000, false, 300_000],
    ['mail of 100 bytes a second', data(60_000), 600_000, false, -180_000],
    ['mail of 100 bytes a second under stress', data(2_000), 20_000, true, -6_000],
    ['mail that takes an hour', data(100_000_000), 3_600_000, false, 0],
    ['waiting for our reply', { is: 'processing' }, 9_999_999, true, Number.POSITIVE_INFINITY],
  ])('%s', (_, phase, now, stress, left) => {
    expect(timeLeft(phase, now, limits, stress)).toBe(left);
  });

  it('in DATA are disconnected, and nothing of the mail is left', async () => {
    const clock = manualClock();
    const inputRejected: string[] = [];
    const { client, session } = await gateway({}, { clock, inputRejected });
    const slow = await client();
    for (const line of ['EHLO c', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@x.test>', 'DATA']) await slow.command(line);
    slow.write('Subject: drop\r\n');
    await waitFor('the first bytes', () => session.spool.bytes > 0);
    await clock.advance(299_000);
    slow.write('by\r\n');
    await clock.advance(2_000);
    expect(await slow.reply()).toMatch(/^421 .*too slow/);
    await slow.closed;
    await waitFor('the bytes to be given back', () => session.spool.bytes === 0);
    expect(clock.armed).toBe(0);
    expect(inputRejected).toEqual(['slow']);
  });

  it('that fill the port make room for a new client after ten seconds', async () => {
    const clock = manualClock();
    const { client, next } = await gateway({ MaxConnections: 5 }, { clock });
    const silent = await Promise.all(Array.from({ length: 5 }, () => client()));
    expect((await client()).greeting).toMatch(/^421/);
    const waiting = silent[0]?.deliver(mailBytes('waits for its reply'));
    const message = await next();
    await clock.advance(10_000);
    expect((await client()).greeting).toMatch(/^220/);
    for (const one of silent.slice(1)) expect(await one.reply()).toMatch(/^421 .*too slow/);
    await message.confirm();
    expect(await waiting).toMatch(/^250/);
  });

  it.each(['before', 'within'])('that stop %s the TLS handshake make room as well', async (when) => {
    const { dir, remove } = tempDir();
    later(remove);
    const { certFile, keyFile } = await certificate(dir);
    const clock = manualClock();
    const tls = { Security: 'StartTls', CertFile: certFile, KeyFile: keyFile };
    const { client } = await gateway({ ...tls, MaxConnections: 1 }, { clock });
    const silent = await client();
    await silent.command('EHLO c');
    await silent.command('STARTTLS');
    if (when === 'within') silent.write(Buffer.from('16030100c8010000c40303', 'hex'));
    await clock.advance(10_000);
    expect((await client()).greeting).toMatch(/^220/);
    await silent.closed;
  });

  it('that never begin the handshake of Tls are disconnected', async () => {
    const { dir, remove } = tempDir();
    later(remove);
    const { certFile, keyFile } = await certificate(dir);
    const clock = manualClock();
    const { Port } = await gateway({ Security: 'Tls', CertFile: certFile, KeyFile: keyFile }, { clock });
    for (const bytes of ['', '16030100c8010000c40303']) {
      const socket = connect(Port, '127.0.0.1').on('error', () => {});
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.resume().write(Buffer.from(bytes, 'hex'));
      await clock.waitForTimers(1);
      await clock.advance(20_000);
      await closed;
    }
  });

  it('are left alone while there is room', async () => {
    const clock = manualClock();
    const { client } = await gateway({ MaxConnections: 10 }, { clock });
    const silent = await client();
    await clock.advance(60_000);
    await client();
    expect(await silent.command('NOOP')).toMatch(/^250/);
  });

  it('that only ever say NOOP or try names are disconnected', async () => {
    const { client } = await gateway({ Recipients: ['example.org'] });
    const idle = await client();
    await idle.command('EHLO c');
    let reply = '';
    for (let count = 0; count < 200 && !/^421/.test(reply); count++) reply = await idle.command('NOOP');
    expect(reply).toMatch(/^421/);
    const curious = await client();
    for (const line of ['EHLO c', 'MAIL FROM:<a@x.test>']) await curious.command(line);
    for (let name = 1; name < 20; name++) expect(await curious.command(`RCPT TO:<n${name}@x.test>`)).toMatch(/^550/);
    expect(await curious.command('RCPT TO:<n20@x.test>')).toMatch(/^421/);
  });
});
