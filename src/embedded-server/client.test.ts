// The product's own connector against the product's own embedded server: the two sides of simprot/ fit each other.
import { expect, test } from 'vitest';
import { type Fixture, later, mail, startFixture } from '../../test/fixtures/embedded-server.js';
import { rawClient } from '../../test/fixtures/simprot-raw-client.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { makeCertificate } from '../../test/servers/certificate.js';
import { silentLog } from '../kit/log.js';
import { createClient } from '../simprot/client.js';
import type { Frame } from '../simprot/codec.js';
import type { TlsSettings } from '../simprot/connect.js';

function clientOf(
  { server, clock }: Fixture,
  changes: { password?: string; tls?: TlsSettings; encoding?: 'msgpack' } = {},
) {
  const frames: Frame[] = [];
  const client = createClient({
    host: '127.0.0.1',
    port: server.port,
    account: 'gatepost',
    password: 'right',
    peerAddresses: ['@gatepost'],
    instance: 'own-1',
    clock,
    random: () => 0.5,
    log: silentLog,
    ...changes,
  });
  later(() => client.stop());
  client.start({ onFrame: (frame) => void frames.push(frame) });
  return { client, came: (code: string) => waitFor(code, () => frames.find((frame) => frame.code === code)) };
}

test.each(['json', 'msgpack'] as const)(
  'gateways and a message pass between the two, written as %s',
  async (encoding) => {
    const fixture = await startFixture();
    const { client, came } = clientOf(fixture, encoding === 'msgpack' ? { encoding } : {});
    await client.untilUp(AbortSignal.timeout(5_000));
    await client.send('ES_SL_GETGATEWAYS', '@gatepost');
    expect((await came('SE_SL_MSGGATEWAYS')).content).toHaveLength(2);
    await client.send('ES_MESSAGE_RECEIVING', mail());
    expect((await came('SE_MESSAGE_RECEIVED')).content).toMatchObject({ Data: 'true' });
  },
);

test('a rejected login is reported as such', async () => {
  const { client } = clientOf(await startFixture(), { password: 'wrong' });
  const state = await waitFor('the refusal', () => client.state.is === 'refused' && client.state);
  expect(state.reason).toMatch(/the account or its password is wrong/);
});

test('over TLS the same holds, and a connector that does not trust the certificate stays out', async () => {
  const { cert, key } = makeCertificate(['IP:127.0.0.1']);
  const fixture = await startFixture({ tls: { cert, key } });
  const { client, came } = clientOf(fixture, { tls: { ca: cert } });
  await client.untilUp(AbortSignal.timeout(5_000));
  await client.send('ES_MESSAGE_RECEIVING', mail());
  expect((await came('SE_MESSAGE_RECEIVED')).content).toMatchObject({ Data: 'true' });
  const distrustful = clientOf(fixture, { tls: {} });
  const state = await waitFor('the distrust', () => distrustful.client.state.is === 'down' && distrustful.client.state);
  expect(state.code).toBe('server/tls');
  expect(fixture.server.connectors()).toEqual(['own-1']);
});

test('closing does not wait for a connection that never begins its TLS handshake', async () => {
  const { cert, key } = makeCertificate(['IP:127.0.0.1']);
  const { server } = await startFixture({ tls: { cert, key } });
  const idle = await rawClient(server.port);
  await server.close();
  await idle.closed;
});

test('a certificate that cannot be used is one clear sentence', async () => {
  await expect(startFixture({ tls: { cert: 'no PEM', key: 'no PEM' } })).rejects.toMatchObject({
    code: 'embedded-server/tls',
    advice: expect.stringMatching(/PEM/),
  });
});
