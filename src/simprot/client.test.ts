import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ManualClock, manualClock } from '../../test/fixtures/manual-clock.js';
import { listLog } from '../../test/fixtures/simprot-peer.js';
import { type Certificate, makeCertificate } from '../../test/servers/certificate.js';
import {
  type FakeServer,
  type FakeServerOptions,
  serverFrame,
  startFakeServer,
} from '../../test/servers/fake-server.js';
import { type Client, type ClientHandlers, type ClientOptions, type ClientState, createClient } from './client.js';
import type { Frame } from './codec.js';

const cleanup: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of cleanup.splice(0).reverse()) await close();
});

interface Setup {
  client: Client;
  start: () => void;
  clock: ManualClock;
  frames: Frame[];
  states: ClientState[];
  lines: string[];
  fields: object[];
  /** Resolves with the first state that fits, now or later. */
  untilState: <Is extends ClientState['is']>(is: Is, count?: number) => Promise<Extract<ClientState, { is: Is }>>;
}

/** A client that is not started yet; stopped after the test, with a look at what it leaves behind. */
function setUp(port: number, options: Partial<ClientOptions & ClientHandlers> = {}): Setup {
  const clock = manualClock();
  const { log, lines, fields } = listLog();
  const frames: Frame[] = [];
  const states: ClientState[] = [];
  const wanted = new Set<() => void>();
  const client = createClient({
    host: '127.0.0.1',
    port,
    account: 'gate',
    password: 'secret',
    peerAddresses: ['@gatepost'],
    instance: 'host-1',
    clock,
    random: () => 0.5,
    log,
    ...options,
  });
  const start = () =>
    client.start({
      onFrame: (frame) => void frames.push(frame),
      onState(state) {
        states.push(state);
        for (const look of [...wanted]) look();
      },
      ...options,
    });
  const untilState = <Is extends ClientState['is']>(is: Is, count = 1) =>
    new Promise<Extract<ClientState, { is: Is }>>((resolve) => {
      const look = () => {
        const fitting = states.filter((state): state is Extract<ClientState, { is: Is }> => state.is === is);
        const found = fitting[count - 1];
        if (!found) return;
        wanted.delete(look);
        resolve(found);
      };
      wanted.add(look);
      look();
    });
  cleanup.push(async () => {
    await client.stop();
    expect(client.state).toEqual({ is: 'closed' });
    expect(clock.armed).toBe(0);
  });
  return { client, start, clock, frames, states, lines, fields, untilState };
}

async function withFakeServer(
  fakeServerOptions: FakeServerOptions = {},
  options: Partial<ClientOptions & ClientHandlers> = {},
) {
  const fakeServer = await startFakeServer(fakeServerOptions);
  cleanup.push(() => fakeServer.close());
  const setup = setUp(fakeServer.port, options);
  setup.start();
  return { fakeServer, ...setup };
}

async function upOn(fakeServerOptions: FakeServerOptions = {}, options: Partial<ClientOptions & ClientHandlers> = {}) {
  const setup = await withFakeServer(fakeServerOptions, options);
  await setup.client.untilUp(new AbortController().signal);
  return setup;
}

/** A port where nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function listener(onSocket: Parameters<typeof createServer>[1]): Promise<{ server: Server; port: number }> {
  const server = createServer(onSocket).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanup.push(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { server, port };
}

/** Lets real sockets work until `predicate` holds. */
async function turn(clock: ManualClock, predicate: () => boolean): Promise<void> {
  while (!predicate()) await clock.advance(0);
}

describe('a session', () => {
  test('begins with the login as it is laid down', async () => {
    const { fakeServer, client } = await upOn();
    expect(fakeServer.logins).toEqual([
      {
        Account: 'gate',
        Password: 'secret',
        Application: 'Gatepost',
        PeerAddress: ['@gatepost'],
        Instance: 'host-1',
        Profile: 'gatepost/1',
      },
    ]);
    expect(fakeServer.frames[0]).toMatchObject({ code: 'ES_LOGIN', peer: null });
    expect(fakeServer.violations).toEqual([]);
    expect(client.state).toMatchObject({ is: 'up' });
  });

  test.each(['json', 'msgpack'] as const)('carries MSGs both ways whatever each side writes (%s)', async (encoding) => {
    const other = encoding === 'json' ? 'msgpack' : 'json';
    const { fakeServer, client, frames, clock } = await upOn({ encoding: other }, { encoding });
    const content = { GatewayId: 'g', SubjectField: 'Žluťoučký 🐎', ToField: null };
    await client.send('ES_MESSAGE_RECEIVING', content);
    expect((await fakeServer.waitForFrame('ES_MESSAGE_RECEIVING')).content).toEqual(content);
    await client.send('ES_SL_GETGATEWAYS', '@gatepost');
    expect((await fakeServer.waitForFrame('ES_SL_GETGATEWAYS')).content).toBe('@gatepost');
    fakeServer.sendRequest(content);
    await turn(clock, () => frames.some((frame) => frame.code === 'SE_MESSAGE_SENDING'));
    expect(frames.find((frame) => frame.code === 'SE_MESSAGE_SENDING')?.content).toEqual(content);
    expect(fakeServer.violations).toEqual([]);
  });

  test('reads frames that come one byte at a time', async () => {
    const { fakeServer, frames, clock } = await upOn();
    const bytes = Buffer.concat([serverFrame('SE_A', { x: 1 }), serverFrame('SE_B', null)]);
    for (const byte of bytes) {
      fakeServer.sendRaw(Buffer.of(byte));
      await clock.advance(0);
    }
    await turn(clock, () => frames.length === 2);
    expect(frames.map((frame) => frame.code)).toEqual(['SE_A', 'SE_B']);
  });

  test('is not offered before it is there, nor after it was stopped', async () => {
    const { client } = setUp(await freePort());
    await expect(client.send('ES_X', null)).rejects.toMatchObject({ code: 'server/not-connected' });
    await client.stop();
    await expect(client.send('ES_X', null)).rejects.toMatchObject({ code: 'server/not-connected' });
    await expect(client.untilUp(new AbortController().signal)).rejects.toMatchObject({ code: 'server/not-connected' });
  });

  test('lets an answer be sent for a frame that came together with SE_LOGIN', async () => {
    const answers: Promise<void>[] = [];
    const { fakeServer, client } = await withFakeServer(
      { accept: () => 'silent' },
      { onFrame: (frame) => void answers.push(client.send('ES_MESSAGE_SENT', { was: frame.code })) },
    );
    await fakeServer.waitForFrame('ES_LOGIN');
    const [connection] = fakeServer.connections;
    if (connection) connection.answered = true;
    fakeServer.sendRaw(
      Buffer.concat([serverFrame('SE_LOGIN', { Success: true }), serverFrame('SE_MESSAGE_SENDING', {})]),
    );
    expect((await fakeServer.waitForFrame('ES_MESSAGE_SENT')).content).toEqual({ was: 'SE_MESSAGE_SENDING' });
    await Promise.all(answers);
    expect(fakeServer.violations).toEqual([]);
  });

  test('that is waited for can be given up', async () => {
    const { client } = setUp(await freePort());
    const giveUp = new AbortController();
    const waiting = client.untilUp(giveUp.signal);
    giveUp.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });
});

describe('a lost connection', () => {
  test.each([
    ['dropped', (fakeServer: FakeServer) => fakeServer.drop(), 'session/closed', /closed the connection$/],
    [
      'dropped in the middle of a frame',
      (fakeServer: FakeServer) => fakeServer.dropMidFrame(),
      'session/closed',
      /96 of \d+ bytes/,
    ],
    [
      'that sends garbage',
      (fakeServer: FakeServer) => fakeServer.sendRaw(Buffer.alloc(64, 0xff)),
      'session/protocol',
      /4294967295 bytes/,
    ],
  ])('%s is shown and made anew', async (_, lose, code, reason) => {
    const { fakeServer, client, clock, untilState } = await upOn();
    lose(fakeServer);
    const down = await untilState('down');
    expect(down.code).toBe(code);
    expect(down.reason.split('. ')[0]).toMatch(reason);
    expect(client.state).toBe(down);
    await expect(client.send('ES_X', null)).rejects.toMatchObject({ code: 'server/not-connected' });
    await clock.advance(down.retryAt - clock.now());
    await untilState('up', 2);
    await client.send('ES_X', null);
    expect((await fakeServer.waitForFrame('ES_X')).connection).toBe(2);
    expect(fakeServer.violations).toEqual([]);
  });

  test('whose server fell silent is given up after 3 x KeepAlive', async () => {
    const { fakeServer, clock, untilState } = await upOn({ keepAlive: 5 });
    fakeServer.stall();
    await clock.advance(14_999);
    expect(fakeServer.connections).toHaveLength(1);
    await clock.advance(1);
    expect(await untilState('down')).toMatchObject({ code: 'session/silent' });
  });

  test('stays up for as long as pings are answered', async () => {
    const { fakeServer, client, clock } = await upOn({ keepAlive: 5 });
    for (let pings = 1; pings <= 20; pings++) {
      await clock.advance(5_000);
      await fakeServer.waitForFrames('ES_PING', pings);
      await clock.advance(0);
    }
    expect(client.state).toMatchObject({ is: 'up' });
    expect(fakeServer.frames.map((frame) => frame.code)).toEqual(['ES_LOGIN', ...Array(20).fill('ES_PING')]);
  });
});

describe('reconnecting', () => {
  test('waits by full jitter from 0.5 s, doubling to 30 s, for ever', async () => {
    const { start, clock, states, untilState } = setUp(await freePort(), { random: () => 1 });
    start();
    const waits: number[] = [];
    for (let n = 1; n <= 10; n++) {
      const down = await untilState('down', n);
      waits.push(down.retryAt - clock.now());
      await clock.waitForTimers(1);
      await clock.advance(down.retryAt - clock.now());
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
    const sinces = states.flatMap((state) => (state.is === 'down' ? [state.since] : []));
    expect(new Set(sinces).size).toBe(1);
  });

  test('spreads its waits by chance', async () => {
    const { start, clock, untilState } = setUp(await freePort(), { random: () => 0.25 });
    start();
    const down = await untilState('down');
    expect(down.retryAt - clock.now()).toBe(125);
  });

  test('goes on waiting longer while the server takes logins and drops them', async () => {
    const { fakeServer, clock, untilState } = await withFakeServer({}, { random: () => 1 });
    const waits: number[] = [];
    for (let n = 1; n <= 4; n++) {
      await untilState('up', n);
      await clock.advance(9_000);
      fakeServer.drop();
      const down = await untilState('down', n);
      waits.push(down.retryAt - clock.now());
      await clock.waitForTimers(1);
      await clock.advance(down.retryAt - clock.now());
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000]);
    await untilState('up', 5);
    await clock.advance(10_000);
    fakeServer.drop();
    const down = await untilState('down', 5);
    expect(down.retryAt - clock.now()).toBe(500);
  });

  test('comes back to a server that was restarted', async () => {
    const { fakeServer, client, clock, untilState } = await upOn();
    await fakeServer.close();
    const first = await untilState('down');
    await clock.advance(first.retryAt - clock.now());
    const second = await untilState('down', 2);
    expect(second).toMatchObject({ code: 'server/unreachable', since: first.since });
    const again = await startFakeServer({ port: fakeServer.port });
    cleanup.push(() => again.close());
    await clock.waitForTimers(1);
    await clock.advance(second.retryAt - clock.now());
    await client.untilUp(new AbortController().signal);
    expect(again.logins).toHaveLength(1);
  });

  test('gives DNS, TCP and login 20 s together', async () => {
    const { fakeServer, clock, untilState } = await withFakeServer({ accept: () => 'silent' });
    await fakeServer.waitForFrame('ES_LOGIN');
    await clock.advance(19_999);
    expect(fakeServer.connections).toHaveLength(1);
    await clock.advance(1);
    const down = await untilState('down');
    expect(down).toMatchObject({ code: 'server/timeout' });
    expect(down.reason).toMatch(/no session with the server 127\.0\.0\.1:\d+ within 20 s\. Check/);
    await fakeServer.waitForConnections(0);
  });

  test('names the reason in one sentence when the server cannot be reached', async () => {
    const port = await freePort();
    const { start, untilState } = setUp(port);
    start();
    expect((await untilState('down')).reason).toBe(
      `cannot connect to the server 127.0.0.1:${port}: nobody listens there (ECONNREFUSED). Check server.host and server.port, and that the server is running.`,
    );
  });
});

describe('a refused login', () => {
  test('is shown as the account that it is, and tried again after 30 s', async () => {
    const { fakeServer, client, clock, untilState, lines, fields } = await withFakeServer({
      accept: () => 'unknown account',
    });
    const refused = await untilState('refused');
    expect(refused.reason).toContain('the server refused the login of account "gate": unknown account');
    expect(refused.reason).toContain('server.password');
    expect(refused.retryAt - clock.now()).toBe(30_000);
    fakeServer.accept = () => true;
    await clock.waitForTimers(1);
    await clock.advance(29_999);
    expect(fakeServer.logins).toHaveLength(1);
    await clock.advance(1);
    await client.untilUp(new AbortController().signal);
    expect(fakeServer.logins).toHaveLength(2);
    expect(JSON.stringify([lines, fields])).not.toContain('secret');
  });
});

describe('its states', () => {
  test('change one at a time, each logged with where it came from', async () => {
    const { fakeServer, client, untilState, fields, states, lines } = await upOn();
    fakeServer.drop();
    await untilState('down');
    await client.stop();
    expect(states.map((state) => state.is)).toEqual(['connecting', 'up', 'down', 'closed']);
    expect(fields).toMatchObject([
      { from: 'down', to: 'connecting' },
      { from: 'connecting', to: 'up' },
      { from: 'up', to: 'down' },
      { from: 'down', to: 'closed' },
    ]);
    expect(lines[2]).toBe('warn server connection down');
    expect(fields[2]).toMatchObject({ reason: expect.stringContaining('the server closed the connection') });
  });

  test('do not suffer from a listener that throws', async () => {
    const { client, lines } = await upOn(
      {},
      {
        onState: () => {
          throw new Error('bad listener');
        },
      },
    );
    expect(client.state).toMatchObject({ is: 'up' });
    expect(lines).toContain('error handling a change of the server connection failed');
  });
});

describe('stopping', () => {
  test('sends frames in the order they were given', async () => {
    const { fakeServer, client } = await upOn();
    const big = { Data: 'x'.repeat(3_000_000) };
    const sent = client.send('ES_MESSAGE_SENT', big);
    await client.stop();
    await sent;
    expect((await fakeServer.waitForFrame('ES_MESSAGE_SENT')).content).toEqual(big);
    await fakeServer.waitForConnections(0);
  });

  test('ends a dial that is under way', async () => {
    const { fakeServer, client, states } = await withFakeServer({ accept: () => 'silent' });
    await fakeServer.waitForFrame('ES_LOGIN');
    await client.stop();
    await fakeServer.waitForConnections(0);
    expect(states.map((state) => state.is)).toEqual(['connecting', 'closed']);
  });

  test('ends a wait between two tries, and twice is fine', async () => {
    const { client, start, untilState } = setUp(await freePort());
    start();
    await untilState('down');
    await Promise.all([client.stop(), client.stop()]);
    start();
    expect(client.state).toEqual({ is: 'closed' });
  });
});

describe('TLS', () => {
  let local: Certificate;
  let otherHost: Certificate;
  beforeAll(() => {
    local = makeCertificate(['DNS:localhost', 'IP:127.0.0.1']);
    otherHost = makeCertificate(['DNS:mail.example.com']);
  });

  test('carries a session, chain and name verified', async () => {
    const { fakeServer, client, lines } = await upOn({ tls: local }, { tls: { ca: local.cert } });
    await client.send('ES_X', null);
    await fakeServer.waitForFrame('ES_X');
    expect(lines.join()).not.toContain('verification');
  });

  test('rejects a certificate that no trusted authority has signed', async () => {
    const { fakeServer, untilState } = await withFakeServer({ tls: local }, { tls: {} });
    const down = await untilState('down');
    expect(down).toMatchObject({ code: 'server/tls' });
    expect(down.reason).toMatch(/signed by nobody we trust \(DEPTH_ZERO_SELF_SIGNED_CERT\)\. .*server\.tls\.ca/);
    expect(fakeServer.frames).toEqual([]);
  });

  test('rejects a certificate for another name, and names it', async () => {
    const { fakeServer, untilState } = await withFakeServer({ tls: otherHost }, { tls: { ca: otherHost.cert } });
    const down = await untilState('down');
    expect(down).toMatchObject({ code: 'server/tls' });
    expect(down.reason).toContain('its certificate is not for "127.0.0.1" but for DNS:mail.example.com');
    expect(down.reason).toContain('server.tls.servername');
    expect(fakeServer.frames).toEqual([]);
  });

  test('verifies the configured name', async () => {
    await upOn({ tls: otherHost }, { tls: { ca: otherHost.cert, servername: 'mail.example.com' } });
    const { untilState } = await withFakeServer(
      { tls: local },
      { tls: { ca: local.cert, servername: 'mail.example.com' } },
    );
    expect((await untilState('down')).reason).toContain('is not for "mail.example.com"');
  });

  test('connects without verification when configured, with a warning', async () => {
    const { lines } = await upOn({ tls: otherHost }, { tls: { rejectUnauthorized: false } });
    expect(lines.filter((line) => line.startsWith('warn TLS verification is OFF'))).toHaveLength(1);
  });

  test('presents a client certificate, and reports when the server asks for one in vain', async () => {
    const tls = { ...local, ca: otherHost.cert, requestCert: true, rejectUnauthorized: true };
    await upOn({ tls }, { tls: { ca: local.cert, cert: otherHost.cert, key: otherHost.key } });
    const { untilState } = await withFakeServer({ tls }, { tls: { ca: local.cert } });
    const down = await untilState('down');
    expect(down).toMatchObject({ code: 'server/tls' });
    expect(down.reason).toMatch(/it wants a certificate from us .* server\.tls\.cert/);
  });

  test('is never older than 1.2', async () => {
    const old = { ...local, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
    const { untilState } = await withFakeServer({ tls: old }, { tls: { ca: local.cert } });
    expect(await untilState('down')).toMatchObject({ code: 'server/tls' });
  });

  test('to a port that speaks something else ends in one sentence', async () => {
    const greeter = await listener((socket) => void socket.on('error', () => {}).end('220 mail.example.com ESMTP\r\n'));
    const { start, untilState } = setUp(greeter.port, { tls: { ca: local.cert } });
    start();
    const down = await untilState('down');
    expect(down).toMatchObject({ code: 'server/tls' });
    expect(down.reason).toContain('it does not speak TLS with us there');
  });

  test('without it, a port that speaks TLS or something else ends in one sentence', async () => {
    const greeter = await listener(
      (socket) => void socket.on('error', () => {}).write('220 mail.example.com ESMTP\r\n'),
    );
    const { start, untilState } = setUp(greeter.port);
    start();
    expect((await untilState('down')).reason).toMatch(
      /842149920 bytes, more than .* \(length bytes 32 32 30 20\)\. Check that the port/,
    );
  });

  test('settings that cannot be used are named', async () => {
    const { untilState } = await withFakeServer({ tls: local }, { tls: { cert: 'nonsense', key: 'nonsense' } });
    const down = await untilState('down');
    expect(down).toMatchObject({ code: 'server/tls' });
    expect(down.reason).toContain('the TLS settings cannot be used');
    expect(down.reason).not.toContain('nonsense');
  });
});
