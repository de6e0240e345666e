import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { type Clock, systemClock } from './clock.js';
import { deadline } from './deadline.js';

describe('a deadline', () => {
  test('aborts when its time is over, and not after it was disposed', async () => {
    const clock = manualClock();
    const due = deadline(clock, 1_000);
    const other = deadline(clock, 1_000);
    other.dispose();
    await clock.advance(999);
    expect([due.signal.aborted, due.remaining()]).toEqual([false, 1]);
    await clock.advance(1);
    expect([due.signal.aborted, due.remaining(), other.signal.aborted]).toEqual([true, 0, false]);
  });

  test('names the work that did not end in time', async () => {
    const clock = manualClock();
    const due = deadline(clock, 1_000);
    const race = due.race(new Promise(() => {}), 'the login');
    race.catch(() => {});
    await clock.advance(1_000);
    await expect(race).rejects.toThrow('the login: no result within 1000 ms');
  });
});

describe('a process that stood still over a deadline', () => {
  /** Its timer fires when the test says so. */
  function frozenClock() {
    let time = 0;
    let fire = () => {};
    const clock: Clock = {
      now: () => time,
      monotonic: () => time,
      schedule(_ms, run) {
        fire = run;
        return () => {
          fire = () => {};
        };
      },
    };
    const thaw = (ms: number) => {
      time += ms;
      fire();
    };
    return { clock, thaw };
  }

  test('reads what has arrived before the deadline speaks', async () => {
    const { clock, thaw } = frozenClock();
    const due = deadline(clock, 1_000);
    const answer = new Promise((resolve) => setImmediate(() => resolve('250 accepted')));
    const race = due.race(answer, 'the answer');
    thaw(60_000);
    expect(await race).toBe('250 accepted');
  });

  test('gives up all the same when nothing has arrived', async () => {
    const { clock, thaw } = frozenClock();
    const due = deadline(clock, 1_000);
    const race = due.race(new Promise(() => {}), 'the answer');
    thaw(60_000);
    await expect(race).rejects.toThrow('the answer: no result within 1000 ms');
  });

  test('is no reason to speak after the work was disposed of meanwhile', async () => {
    const { clock, thaw } = frozenClock();
    const due = deadline(clock, 1_000);
    thaw(60_000);
    due.dispose();
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(due.signal.aborted).toBe(false);
  });

  test('finds the answer that waits in a real socket', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const frozen = new Int32Array(new SharedArrayBuffer(4));
    const counterparty = new Worker(
      `const { workerData: { port, frozen } } = require('node:worker_threads');
       const socket = require('node:net').connect(port, '127.0.0.1', () => {
         Atomics.wait(frozen, 0, 0);
         socket.write('250 accepted');
       });`,
      { eval: true, workerData: { port: (server.address() as AddressInfo).port, frozen } },
    );
    const [socket] = (await once(server, 'connection')) as [Socket];
    const due = deadline(systemClock, 50);
    const race = due.race(once(socket, 'data'), 'the answer');
    Atomics.store(frozen, 0, 1);
    Atomics.notify(frozen, 0);
    // The whole thread stands still, timers and sockets with it.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
    expect(String((await race)[0])).toBe('250 accepted');
    await counterparty.terminate();
    socket.destroy();
    server.close();
  });
});
