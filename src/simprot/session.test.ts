import { afterEach, describe, expect, test } from 'vitest';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { listLog, socketPair } from '../../test/fixtures/simprot-peer.js';
import { serverFrame } from '../../test/servers/fake-server.js';
import type { Clock } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import type { Frame } from './codec.js';
import { type ConnectorOptions, connectorSession, type ServerOptions, type Session, serverSession } from './session.js';

const LOGIN = {
  Account: 'gate',
  Password: 'secret',
  PeerAddress: ['@gatepost'],
  Instance: 'h-1',
  Profile: 'gatepost/1',
};
const MAX_BODY = 200_000;

const cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of cleanup.splice(0)) await close();
});

async function setUp() {
  const clock = manualClock();
  const { ours, peer, close } = await socketPair();
  const { log, lines } = listLog();
  const frames: Frame[] = [];
  const base = {
    clock,
    log,
    encoding: 'json',
    maxBodyBytes: MAX_BODY,
    onFrame: (f: Frame) => void frames.push(f),
  } as const;
  cleanup.push(close);
  return { clock, ours, peer, lines, frames, base };
}

async function connector(options: Partial<ConnectorOptions> = {}) {
  const parts = await setUp();
  const session = connectorSession(parts.ours, { ...parts.base, login: LOGIN, ...options });
  await parts.peer.untilFrames(1);
  return { ...parts, session };
}

async function connectorUp(keepAlive = 15, options: Partial<ConnectorOptions> = {}) {
  const parts = await connector(options);
  parts.peer.send('SE_LOGIN', { Success: true, KeepAlive: keepAlive });
  await parts.session.up;
  return parts;
}

async function server(options: Partial<ServerOptions> = {}) {
  const parts = await setUp();
  const session = serverSession(parts.ours, { ...parts.base, authenticate: () => true, ...options });
  return { ...parts, session };
}

async function serverUp(options: Partial<ServerOptions> = {}) {
  const parts = await server(options);
  parts.peer.send('ES_LOGIN', LOGIN);
  await parts.peer.untilFrames(1);
  return parts;
}

async function reasonOf(session: Session): Promise<GatepostError> {
  const reason = await session.closed;
  if (!reason) throw new Error('it closed without a reason');
  return reason;
}

describe('the connector', () => {
  test('says ES_LOGIN first and nothing else before SE_LOGIN', async () => {
    const { session, peer, clock } = await connector();
    await expect(session.send({ code: 'ES_SL_GETGATEWAYS', peer: null, content: '@gatepost' })).rejects.toMatchObject({
      code: 'session/not-up',
    });
    await clock.advance(60_000);
    expect(peer.codes).toEqual(['ES_LOGIN']);
    expect(peer.contents[0]).toEqual(LOGIN);
  });

  test('turns Nagle off', async () => {
    const pair = await socketPair();
    cleanup.push(pair.close);
    const asked: unknown[] = [];
    const setNoDelay = pair.ours.setNoDelay.bind(pair.ours);
    pair.ours.setNoDelay = (on) => {
      asked.push(on);
      return setNoDelay(on);
    };
    const { base } = await setUp();
    connectorSession(pair.ours, { ...base, login: LOGIN });
    expect(asked).toEqual([true]);
  });

  test('can send from the moment it is up, before frames that came together with SE_LOGIN', async () => {
    const sendRequest: string[] = [];
    const { peer, session } = await connector({
      onUp: () => {
        sendRequest.push('up');
        void session.send({ code: 'ES_SL_GETGATEWAYS', peer: null, content: '@gatepost' });
      },
      onFrame: (frame) => void sendRequest.push(frame.code),
    });
    peer.raw(Buffer.concat([serverFrame('SE_LOGIN', { Success: true }), serverFrame('SE_MESSAGE_SENDING', {})]));
    await peer.untilFrames(2);
    expect(sendRequest).toEqual(['up', 'SE_MESSAGE_SENDING']);
    expect(peer.codes).toEqual(['ES_LOGIN', 'ES_SL_GETGATEWAYS']);
  });

  test('shows a refused login as what it is', async () => {
    const { peer, session } = await connector();
    peer.send('SE_LOGIN', { Success: false, Reason: 'wrong password' });
    await expect(session.up).rejects.toMatchObject({ code: 'server/login-refused' });
    const reason = await reasonOf(session);
    expect(reason.message).toBe('the server refused the login of account "gate": wrong password');
    expect(reason.message).not.toContain('secret');
  });

  test.each([
    ['another MSG first', 'SE_SL_MSGGATEWAYS', [], 'sent SE_SL_MSGGATEWAYS before SE_LOGIN'],
    ['a malformed answer', 'SE_LOGIN', { Success: 'yes' }, 'SE_LOGIN is malformed: Success'],
    ['no content', 'SE_LOGIN', null, 'SE_LOGIN is malformed'],
  ])('leaves a server that answers the login with %s', async (_, code, content, clause) => {
    const { peer, session } = await connector();
    peer.send(code, content);
    await expect(session.up).rejects.toThrow(clause);
    expect(await reasonOf(session)).toMatchObject({ code: 'session/protocol' });
    await peer.gone;
  });

  test('accepts no large frame before the login', async () => {
    const { peer, session } = await connector();
    peer.raw(Buffer.of(0, 2, 0, 0));
    await expect(session.up).rejects.toThrow('131072 bytes, more than the 65536 allowed');
  });

  test('pings whenever nothing was sent for KeepAlive seconds, and not otherwise', async () => {
    const { peer, clock, session, frames } = await connectorUp(15);
    const answered = async (pings: number) => {
      await peer.untilFrames(pings);
      peer.send('SE_PONG', null);
      peer.send('SE_X', null);
      while (frames.length < 1) await new Promise((resolve) => setImmediate(resolve));
      frames.length = 0;
    };
    await clock.advance(14_999);
    expect(peer.codes).toEqual(['ES_LOGIN']);
    await clock.advance(1);
    await answered(2);
    expect(peer.codes).toEqual(['ES_LOGIN', 'ES_PING']);
    expect(peer.contents[1]).toBeNull();
    await clock.advance(10_000);
    await session.send({ code: 'ES_X', peer: null, content: {} });
    await clock.advance(14_999);
    await answered(3);
    expect(peer.codes).toEqual(['ES_LOGIN', 'ES_PING', 'ES_X']);
    await clock.advance(1);
    await answered(4);
    expect(peer.codes).toEqual(['ES_LOGIN', 'ES_PING', 'ES_X', 'ES_PING']);
  });

  test('uses 15 s when the server names no KeepAlive', async () => {
    const { peer, clock, session } = await connector();
    peer.send('SE_LOGIN', { Success: true });
    await session.up;
    await clock.advance(15_000);
    await peer.untilFrames(2);
    expect(peer.codes).toEqual(['ES_LOGIN', 'ES_PING']);
  });

  test('keeps SE_PONG to itself', async () => {
    const { peer, frames, clock } = await connectorUp();
    peer.send('SE_PONG', null);
    peer.send('SE_MESSAGE_RECEIVED', { Data: 'true' });
    while (frames.length < 1) await clock.advance(1);
    expect(frames).toEqual([{ code: 'SE_MESSAGE_RECEIVED', peer: null, content: { Data: 'true' } }]);
  });

  test('takes a server that is silent for 3 x KeepAlive for dead', async () => {
    const { clock, session, peer } = await connectorUp(2);
    let ended = false;
    void session.closed.then(() => {
      ended = true;
    });
    await clock.advance(5_999);
    expect(ended).toBe(false);
    await clock.advance(1);
    expect(await reasonOf(session)).toMatchObject({
      code: 'session/silent',
      message: 'nothing came from the server for 6 s',
    });
    await peer.gone;
    expect(clock.armed).toBe(0);
  });

  test('takes a frame that never becomes complete for silence', async () => {
    const { clock, session, peer } = await connectorUp(2);
    const frame = serverFrame('SE_MESSAGE_SENDING', { SubjectField: 'x'.repeat(100) });
    for (let i = 0; i < 6; i++) {
      peer.raw(frame.subarray(i, i + 1));
      await clock.advance(1_000);
    }
    expect(await reasonOf(session)).toMatchObject({ code: 'session/silent' });
  });

  test('takes every frame for a sign of life', async () => {
    const { clock, session, peer, frames } = await connectorUp(2);
    for (let i = 1; i <= 5; i++) {
      await clock.advance(5_000);
      peer.send('SE_X', null);
      while (frames.length < i) await new Promise((resolve) => setImmediate(resolve));
    }
    peer.socket.destroy();
    expect(await reasonOf(session)).toMatchObject({ code: 'session/closed' });
  });
});

test('a process that stood still reads what came meanwhile before it takes the peer for dead', async () => {
  const { ours, peer, base, clock } = await setUp();
  const timers: (() => void)[] = [];
  let stoodStill = 0;
  const stalling: Clock = {
    now: clock.now,
    monotonic: () => clock.monotonic() + stoodStill,
    schedule: (_, run) => {
      timers.push(run);
      return () => {};
    },
  };
  const session = connectorSession(ours, { ...base, clock: stalling, login: LOGIN });
  peer.send('SE_LOGIN', { Success: true, KeepAlive: 5 });
  await session.up;
  peer.send('SE_PONG', null);
  stoodStill = 3_600_000;
  timers.at(-1)?.();
  // The ping that is due by now shows that the round was made to its end.
  await peer.untilFrames(2);
  expect(peer.codes).toEqual(['ES_LOGIN', 'ES_PING']);
  session.cut(new GatepostError('test/over', 'the test is over'));
  expect(await reasonOf(session)).toMatchObject({ code: 'test/over' });
});

describe('the server', () => {
  test('answers a login with SE_LOGIN and its KeepAlive', async () => {
    const logins: unknown[] = [];
    const { peer, session } = await serverUp({ keepAliveSeconds: 20, onUp: (login) => void logins.push(login) });
    await session.up;
    expect(peer.codes).toEqual(['SE_LOGIN']);
    expect(peer.contents).toEqual([{ Success: true, KeepAlive: 20 }]);
    expect(logins).toEqual([LOGIN]);
  });

  const refuses: ServerOptions['authenticate'] = () => 'unknown account';
  const welcomes: ServerOptions['authenticate'] = () => true;
  const fails: ServerOptions['authenticate'] = () => Promise.reject(new Error('the store is gone'));

  test.each([
    ['a refused one', LOGIN, refuses, 'unknown account'],
    ['one that is malformed', { Account: 5 }, welcomes, 'the login is malformed: Account'],
    ['one that cannot be checked', LOGIN, fails, 'the login cannot be checked at the moment'],
  ])('answers %s with Success false and the Reason, then closes', async (_, login, authenticate, reason) => {
    const { peer, session } = await server({ authenticate });
    peer.send('ES_LOGIN', login);
    await peer.gone;
    expect(peer.codes).toEqual(['SE_LOGIN']);
    expect(peer.contents[0]).toEqual({ Success: false, Reason: expect.stringContaining(reason) });
    expect(await reasonOf(session)).toMatchObject({ code: 'session/login-refused' });
    await expect(session.up).rejects.toThrow(reason);
  });

  test('closes a connection whose first frame is anything but ES_LOGIN, without an answer', async () => {
    const { peer, session } = await server();
    peer.send('ES_PING', null);
    await peer.gone;
    expect(peer.codes).toEqual([]);
    expect((await reasonOf(session)).message).toBe('the connector sent ES_PING before it was logged in');
  });

  test('closes a connection that sends anything between ES_LOGIN and SE_LOGIN', async () => {
    const { peer, session } = await server({ authenticate: () => new Promise(() => {}) });
    peer.raw(Buffer.concat([serverFrame('ES_LOGIN', LOGIN), serverFrame('ES_SL_GETGATEWAYS', '@gatepost')]));
    expect((await reasonOf(session)).message).toContain('sent ES_SL_GETGATEWAYS before it was logged in');
  });

  test('closes a connection that says nothing for 10 s', async () => {
    const { clock, session, peer } = await server();
    peer.raw(serverFrame('ES_LOGIN', LOGIN).subarray(0, 20));
    await clock.advance(9_999);
    expect(clock.armed).toBe(1);
    await clock.advance(1);
    expect(await reasonOf(session)).toMatchObject({ code: 'session/silent', message: 'no ES_LOGIN came within 10 s' });
    await peer.gone;
    expect(clock.armed).toBe(0);
  });

  test('answers ES_PING with SE_PONG', async () => {
    const { peer, frames } = await serverUp();
    peer.send('ES_PING', null);
    await peer.untilFrames(2);
    expect(peer.codes).toEqual(['SE_LOGIN', 'SE_PONG']);
    expect(peer.contents[1]).toBeNull();
    expect(frames).toEqual([]);
  });

  test('takes a connector that is silent for 3 x KeepAlive for dead, and sends no pings itself', async () => {
    const { clock, session, peer } = await serverUp({ keepAliveSeconds: 5 });
    await clock.advance(15_000);
    expect(await reasonOf(session)).toMatchObject({ message: 'nothing came from the connector for 15 s' });
    expect(peer.codes).toEqual(['SE_LOGIN']);
    expect(clock.armed).toBe(0);
  });

  test('accepts large frames only after the login', async () => {
    const big = { SubjectField: 'x'.repeat(100_000) };
    const { peer, frames, clock } = await serverUp();
    peer.send('ES_MESSAGE_RECEIVING', big);
    while (frames.length < 1) await clock.advance(1);
    expect(frames[0]?.content).toEqual(big);
    const stranger = await server();
    stranger.peer.send('ES_LOGIN', { ...LOGIN, Extra: big });
    expect((await reasonOf(stranger.session)).message).toContain('more than the 65536 allowed');
  });
});

describe('any session', () => {
  test.each([
    ['an announced length above the limit', Buffer.of(0x7f, 0, 0, 0), /2130706432 bytes, more than the 200000 allowed/],
    ['an announced length of 0', Buffer.of(0, 0, 0, 0), /length 0/],
    ['a body that is no MSG', Buffer.of(0, 0, 0, 4, 0x93, 0xa1, 0x41, 0xc0), /the frame "A" of 4 bytes is malformed/],
  ])('ends at once with a clear reason on %s', async (_, bytes, message) => {
    const { peer, session } = await serverUp();
    peer.raw(bytes);
    const reason = await reasonOf(session);
    expect(reason.code).toBe('session/protocol');
    expect(reason.message).toMatch(message);
    expect(reason.advice).toMatch(/[Bb]oth sides/);
    await peer.gone;
  });

  test('hands over nothing that follows a broken frame', async () => {
    const { peer, session, frames } = await serverUp();
    peer.raw(Buffer.concat([serverFrame('ES_A', null), Buffer.of(0, 0, 0, 1, 0xc1), serverFrame('ES_B', null)]));
    await session.closed;
    expect(frames.map((frame) => frame.code)).toEqual(['ES_A']);
  });

  test('hands over nothing that follows a broken rule', async () => {
    const { peer, session, frames } = await serverUp();
    peer.raw(Buffer.concat([serverFrame('ES_A', null), serverFrame('ES_LOGIN', LOGIN), serverFrame('ES_B', null)]));
    expect((await reasonOf(session)).message).toBe('the connector sent a second ES_LOGIN');
    expect(frames.map((frame) => frame.code)).toEqual(['ES_A']);
  });

  test('says that it was cut in the middle of a frame', async () => {
    const { peer, session } = await serverUp();
    peer.socket.end(serverFrame('ES_MESSAGE_RECEIVING', { A: 1 }).subarray(0, 20));
    expect((await reasonOf(session)).message).toMatch(
      /the connector closed the connection in the middle of a frame \(16 of \d+ bytes of its body had arrived\)/,
    );
  });

  test('survives a handler that throws or rejects, and logs it', async () => {
    const seen: string[] = [];
    const { peer, lines, clock } = await serverUp({
      onFrame: (frame) => {
        seen.push(frame.code);
        if (frame.code === 'ES_A') throw new Error('bad day');
        if (frame.code === 'ES_B') return Promise.reject(new Error('worse day'));
        return undefined;
      },
    });
    for (const code of ['ES_A', 'ES_B', 'ES_C']) peer.send(code, null);
    while (seen.length < 3) await clock.advance(1);
    expect(lines).toEqual(['error handling ES_A failed', 'error handling ES_B failed']);
  });

  test('sends what is queued before it closes, and leaves nothing behind', async () => {
    const { peer, session, clock } = await serverUp();
    const last = { Data: 'x'.repeat(100_000) };
    const sent = session.send({ code: 'SE_LAST', peer: null, content: last });
    await session.close();
    await sent;
    await peer.gone;
    expect(peer.codes).toEqual(['SE_LOGIN', 'SE_LAST']);
    expect(await session.closed).toBeUndefined();
    expect(clock.armed).toBe(0);
    await session.close();
  });

  test('does not wait for ever for a peer that does not read', async () => {
    const { peer, session, clock } = await serverUp({ maxBodyBytes: 32 * 1024 * 1024 });
    peer.socket.pause();
    const sent = session.send({ code: 'SE_BIG', peer: null, content: 'x'.repeat(20_000_000) });
    const refused = expect(sent).rejects.toMatchObject({ code: 'session/closed' });
    const closing = session.close();
    await clock.advance(2_000);
    await closing;
    await refused;
    expect(clock.armed).toBe(0);
  });

  test('refuses to queue more than its bound for a peer that does not read, and stays', async () => {
    const { peer, session } = await serverUp({ maxBodyBytes: 32 * 1024 * 1024 });
    peer.socket.pause();
    const content = 'x'.repeat(25_000_000);
    const outcomes = await Promise.allSettled(
      [1, 2, 3, 4].map((n) => settled(session.send({ code: `SE_${n}`, peer: null, content }))),
    );
    expect(outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'queued'))).toEqual([
      'queued',
      'queued',
      'session/queue-full',
      'session/queue-full',
    ]);
    peer.socket.resume();
    await peer.untilFrames(3);
    expect(peer.codes).toEqual(['SE_LOGIN', 'SE_1', 'SE_2']);
  });

  test('resolves a send only when the peer has made room for it', async () => {
    const { peer, session } = await serverUp({ maxBodyBytes: 32 * 1024 * 1024 });
    peer.socket.pause();
    let taken = false;
    const sent = session.send({ code: 'SE_BIG', peer: null, content: 'x'.repeat(20_000_000) }).then(() => {
      taken = true;
    });
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBe(false);
    peer.socket.resume();
    await sent;
    await peer.untilFrames(2);
  });

  test('refuses a frame above the limit and stays', async () => {
    const { peer, session } = await serverUp();
    const tooLong = session.send({ code: 'SE_LONG', peer: null, content: 'x'.repeat(MAX_BODY) });
    await expect(tooLong).rejects.toMatchObject({ code: 'session/too-large' });
    await session.send({ code: 'SE_SHORT', peer: null, content: null });
    await peer.untilFrames(2);
    expect(peer.codes).toEqual(['SE_LOGIN', 'SE_SHORT']);
  });

  test('rejects a send after it closed, with the reason', async () => {
    const { peer, session } = await serverUp();
    peer.socket.destroy();
    await session.closed;
    await expect(session.send({ code: 'SE_X', peer: null, content: null })).rejects.toThrow(
      'the connection is closed: the connector closed the connection',
    );
  });

  test('can be made on a socket that is gone already', async () => {
    const { ours, base } = await setUp();
    const gone = new Promise((resolve) => ours.once('close', resolve));
    ours.destroy();
    await gone;
    const session = serverSession(ours, { ...base, authenticate: () => true });
    expect(await session.closed).toBeInstanceOf(GatepostError);
    expect(base.clock.armed).toBe(0);
  });
});

/** Gives the send a moment: rejects when it is refused at once, resolves while it is merely waiting. */
async function settled(sending: Promise<void>): Promise<void> {
  sending.catch(() => {});
  const waiting = new Promise<void>((resolve) => setImmediate(resolve));
  await Promise.race([sending, waiting]);
}
