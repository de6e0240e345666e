import { rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { type Fixture, GATEWAYS, IN, later, OTHER_IN, OUT, startFixture } from '../../test/fixtures/embedded-server.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { rawClient } from '../../test/fixtures/simprot-raw-client.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { startEmbeddedServer } from './server.js';

const ids = (content: unknown) => (Array.isArray(content) ? content.map((gateway) => gateway.Id) : content);

test('a login with the right account and password is accepted and answered with the keep-alive', async () => {
  const { client, server } = await startFixture();
  const connector = await client();
  expect(connector.frames[0]?.content).toEqual({ Success: true, KeepAlive: 15 });
  expect(server.connectors()).toEqual(['host-1']);
});

test.each([{ Password: 'wrong' }, { Account: 'somebody' }, { Password: '' }])(
  'a wrong login is refused with a reason and closed: %j',
  async (changes) => {
    const { client, server } = await startFixture();
    const connector = await client(changes);
    expect(connector.frames[0]?.content).toEqual({ Success: false, Reason: 'the account or its password is wrong' });
    await connector.closed;
    expect(server.connectors()).toEqual([]);
  },
);

test('a connection that sends anything else before its login is closed without an answer', async () => {
  const { server } = await startFixture();
  const stranger = await rawClient(server.port);
  stranger.send('ES_SL_GETGATEWAYS', '@gatepost');
  await stranger.closed;
  expect(stranger.frames).toEqual([]);
});

test('the answer lists the gateways of the requested PeerAddress, addressed to it, devices in text form', async () => {
  const { client } = await startFixture();
  const connector = await client();
  connector.send('ES_SL_GETGATEWAYS', '@GatePost');
  const answer = await connector.until('SE_SL_MSGGATEWAYS');
  expect(ids(answer.content)).toEqual([IN, OUT]);
  expect(answer.content).toMatchObject([
    { DisplayName: 'Info', PeerAddress: '@gatepost', Direction: 'I', Device: 'ImapHost {"Host":"mail.example.com"}' },
    { Direction: 'O' },
  ]);
  connector.send('ES_SL_GETGATEWAYS', '@other');
  expect(ids((await connector.until('SE_SL_MSGGATEWAYS', 2)).content)).toContain(OTHER_IN);
  connector.send('ES_SL_GETGATEWAYS', '@nobody');
  expect((await connector.until('SE_SL_MSGGATEWAYS', 3)).content).toEqual([]);
});

test('a MSG that is not spoken here is counted and the session stays', async () => {
  const { client, server, lines } = await startFixture();
  const connector = await client();
  connector.send('ES_CHAT_REQUEST', { anything: 1 });
  connector.send('ES_SL_GETGATEWAYS', { not: 'text' });
  connector.send('ES_PING', null);
  await connector.until('SE_PONG');
  expect(server.counts.ignored).toBe(1);
  expect(connector.count('SE_SL_MSGGATEWAYS')).toBe(0);
  expect(lines.at(-1)?.message).toBe('ES_SL_GETGATEWAYS names no PeerAddress and was ignored');
});

test('a changed gateways file is served without a restart, also when an editor replaced it', async () => {
  const { client, server, clock, gatewaysFile } = await startFixture();
  const connector = await client();
  await writeFile(`${gatewaysFile}.new`, GATEWAYS.split('\n').slice(0, 2).join('\n'));
  await rename(`${gatewaysFile}.new`, gatewaysFile);
  await waitFor('the new list', async () => {
    await clock.advance(500);
    return server.gateways().length === 1;
  });
  connector.send('ES_SL_GETGATEWAYS', '@gatepost');
  expect(ids((await connector.until('SE_SL_MSGGATEWAYS')).content)).toEqual([IN]);
});

/** One look at the gateways file, from its timer to its end: two loops are armed again then. */
async function look({ clock }: Pick<Fixture, 'clock'>): Promise<void> {
  await clock.waitForTimers(2);
  await clock.advance(500);
  await clock.waitForTimers(2);
}

test('a half-written file is never read: a change counts once two looks see the same file', async () => {
  const fixture = await startFixture();
  await writeFile(fixture.gatewaysFile, '');
  await look(fixture);
  await writeFile(fixture.gatewaysFile, GATEWAYS.split('\n').slice(0, 2).join('\n'));
  await look(fixture);
  expect(fixture.server.gateways()).toHaveLength(4);
  await look(fixture);
  expect(fixture.server.gateways()).toHaveLength(1);
});

test('a file that broke, or went away, keeps the old list and is reported once', async () => {
  const fixture = await startFixture();
  const errors = () => fixture.lines.filter(({ level }) => level === 'error').map(({ message }) => message);
  await writeFile(fixture.gatewaysFile, `${GATEWAYS}- { id: "open`);
  for (let looks = 0; looks < 4; looks++) await look(fixture);
  expect(errors()).toEqual([expect.stringMatching(/gateways\.yaml:6: is not valid YAML: .*stay in force/)]);
  await rm(fixture.gatewaysFile);
  for (let looks = 0; looks < 4; looks++) await look(fixture);
  expect(errors().slice(1)).toEqual([expect.stringMatching(/does not exist; .*stay in force/)]);
  expect(fixture.server.gateways()).toHaveLength(4);
  await writeFile(fixture.gatewaysFile, '[]');
  for (let looks = 0; looks < 2; looks++) await look(fixture);
  expect(fixture.server.gateways()).toHaveLength(0);
});

test('a broken gateways file at the start is one clear sentence with advice', async () => {
  await expect(startFixture({}, 'gateways: 3')).rejects.toMatchObject({
    code: 'embedded-server/gateways',
    message: expect.stringMatching(/gateways\.yaml:1: must be a list/),
    advice: expect.stringMatching(/gatepost check/),
  });
});

test('a port in use is one clear sentence with advice, and leaves no timer behind', async () => {
  const { options } = await startFixture();
  const clock = manualClock();
  const squatter = createServer();
  const port = await new Promise<number>((resolve) => {
    squatter.listen(0, '127.0.0.1', () => {
      const address = squatter.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
  later(() => new Promise<void>((resolve) => squatter.close(() => resolve())));
  const storePath = `${options.storePath}.second`;
  await expect(startEmbeddedServer({ ...options, clock, port, storePath })).rejects.toMatchObject({
    code: 'embedded-server/port-taken',
    message: `port ${port} on 127.0.0.1 is taken by another program`,
    advice: expect.stringMatching(/server\.port/),
  });
  expect(clock.armed).toBe(0);
});

test('after close no timer is armed, no connection is open, and the sign of life is gone', async () => {
  const { client, server, clock, store } = await startFixture();
  const connector = await client();
  const greeter = await rawClient(server.port);
  await waitFor('the sign of life', () => store.reading.heartbeat() !== null);
  await server.close();
  await connector.closed;
  await greeter.closed;
  expect(clock.armed).toBe(0);
  expect(store.reading.heartbeat()).toBeNull();
  await server.close();
});
