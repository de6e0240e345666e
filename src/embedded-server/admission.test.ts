import { connect } from 'node:net';
import { describe, expect, it, test } from 'vitest';
import { later, startFixture } from '../../test/fixtures/embedded-server.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { rawClient } from '../../test/fixtures/simprot-raw-client.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { silentLog } from '../kit/log.js';
import { addressGroup, createAdmission, delayAfter, victimOf } from './admission.js';

async function strangers(port: number, count: number) {
  const open: { closed: boolean }[] = [];
  for (let at = 0; at < count; at++) {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    const one = { closed: false };
    socket.once('close', () => {
      one.closed = true;
    });
    later(() => void socket.destroy());
    open.push(one);
    await new Promise((resolve) => socket.once('connect', resolve));
  }
  return open;
}

test('strangers who connect and stay silent do not shut a connector out, from the same address or another', async () => {
  const { client, server } = await startFixture();
  await strangers(server.port, 200);
  const connector = await client();
  expect(connector.frames[0]?.content).toMatchObject({ Success: true });
  await strangers(server.port, 100);
  expect(server.connectors()).toEqual(['host-1']);
  expect(server.admissions.cutConnections).toBeGreaterThan(200);
});

test('a connector that is logged in is never cut for strangers', async () => {
  const { client, server } = await startFixture();
  const connector = await client();
  const open = await strangers(server.port, 40);
  await waitFor('the oldest to be cut', () => open.filter(({ closed }) => closed).length >= 32);
  connector.send('ES_PING', null);
  await connector.until('SE_PONG');
});

test('wrong passwords are answered later and later, logged thinned out, and counted; the delay is forgotten', async () => {
  const { client, server, clock, lines } = await startFixture();
  const guess = async () => {
    const connector = await rawClient(server.port);
    later(() => connector.close());
    connector.send('ES_LOGIN', { Account: 'gatepost', Password: 'guess', PeerAddress: ['@gatepost'] });
    return connector;
  };
  for (let at = 0; at < 3; at++) await (await guess()).until('SE_LOGIN');
  const armed = clock.armed;
  const fourth = await guess();
  await waitFor('the delay', () => clock.armed > armed);
  expect(fourth.count('SE_LOGIN')).toBe(0);
  await clock.advance(250);
  expect((await fourth.until('SE_LOGIN')).content).toMatchObject({ Success: false });
  expect(server.admissions.refusedLogins).toBe(4);
  expect(lines.filter(({ message }) => message === 'login refused at embedded server')).toHaveLength(3);
  await clock.advance(10 * 60_000);
  expect((await client()).frames[0]?.content).toMatchObject({ Success: true });
});

test('a guesser that leaves during the delay leaves no timer behind and is told nothing', async () => {
  const { server, clock } = await startFixture();
  for (let at = 0; at < 4; at++) {
    const connector = await rawClient(server.port);
    connector.send('ES_LOGIN', { Account: 'gatepost', Password: 'guess', PeerAddress: ['@gatepost'] });
    if (at < 3) await connector.until('SE_LOGIN');
    else for (let turn = 0; turn < 5; turn++) await clock.advance(0);
    await connector.close();
  }
  await clock.advance(60_000);
  await waitFor('the timers of the loops only', () => clock.armed <= 2);
  expect(server.admissions.refusedLogins).toBe(3);
});

describe('whose connection makes room', () => {
  const rows: [string, string[], string | undefined][] = [
    ['nobody while there is room', ['a', 'b'], undefined],
    ['an address with more than eight', [...Array<string>(9).fill('a'), 'b'], 'a'],
    ['not an address with eight', Array<string>(8).fill('a'), undefined],
    [
      'the address with most, when all places are taken',
      [...Array.from({ length: 31 }, (_, at) => `s${at}`), 'b', 'b'],
      'b',
    ],
    ['the oldest, when all have one', Array.from({ length: 33 }, (_, at) => `s${at}`), 's0'],
  ];
  for (const [name, addresses, victim] of rows)
    it(name, () => {
      expect(victimOf(addresses)).toBe(victim);
    });

  it('the oldest of that address', () => {
    const admission = createAdmission({ clock: manualClock(), log: silentLog });
    const cut: number[] = [];
    for (let at = 0; at < 10; at++) admission.arrive('192.0.2.1', () => void cut.push(at));
    expect(cut).toEqual([0, 1]);
    admission.arrive('192.0.2.2', () => void cut.push(99)).admitted();
    expect(cut).toEqual([0, 1]);
  });
});

test('delays grow and are bounded', () => {
  expect([0, 2, 3, 4, 5, 8, 1000].map(delayAfter)).toEqual([0, 0, 250, 500, 1_000, 5_000, 5_000]);
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:0db8:0001:0002:ffff::', '2001:db8:1:2::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
])('%s counts as %s', (address, group) => {
  expect(addressGroup(address)).toBe(group);
});

test('addresses with failures are bounded', () => {
  const admission = createAdmission({ clock: manualClock(), log: silentLog });
  for (let at = 0; at < 5; at++) admission.failed('192.0.2.1');
  for (let at = 0; at < 1_000; at++) admission.failed(`198.51.${at >> 8}.${at & 255}`);
  expect(admission.delay('192.0.2.1')).toBe(0);
  expect(admission.counts.refusedLogins).toBe(1_005);
});
