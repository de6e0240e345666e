import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { tempDir } from '../../test/conformance/context.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { listenerHarness } from '../../test/servers/smtp-listener-harness.js';
import { MEMORY_BYTES } from './spool-file.js';

const { gateway, later, end } = listenerHarness();
afterEach(end);

const MB = 1024 * 1024;
/** What one connection may hold: the buffer of the spool file, a larger one while it grows, and the buffers of the streams. */
const PER_CONNECTION = 2 * MEMORY_BYTES + 512 * 1024;
/** Garbage that waits for the collector, and the test's own clients. */
const SLACK = 48 * MB;

/** Sends the command lines one by one, then `pieces` as fast as the listener takes them. */
async function pour(port: number, piece: Buffer, count: number): Promise<{ end(): Promise<string> }> {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  const reply = () => new Promise<string>((resolve) => socket.once('data', (chunk) => resolve(String(chunk))));
  let answer = await reply();
  for (const line of ['EHLO client.test', 'MAIL FROM:<a@x.test>', 'RCPT TO:<b@x.test>', 'DATA']) {
    socket.write(`${line}\r\n`);
    answer = await reply();
  }
  expect(answer).toMatch(/^354/);
  for (let sent = 0; sent < count; sent++)
    if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve));
  later(() => void socket.destroy());
  return {
    end() {
      socket.write('\r\n.\r\n');
      return reply();
    },
  };
}

function watchMemory() {
  const used = () => {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  globalThis.gc?.();
  const before = used();
  let peak = before;
  const timer = setInterval(() => {
    peak = Math.max(peak, used());
  }, 5);
  return () => {
    clearInterval(timer);
    return peak - before;
  };
}

describe('the memory of a mail that is received', () => {
  it.each([
    ['dot-stuffed lines', Buffer.from('..\r\n'.repeat(16_384)), 29 * 16],
    ['empty lines', Buffer.from('\r\n'.repeat(32_768)), 29 * 16],
    ['bare line feeds and dots', Buffer.from('\n..'.repeat(21_845)), 29 * 16],
    ['one line without an end', Buffer.alloc(65_536, '.'), 29 * 16],
  ])('is bounded for two clients with 29 MB of %s', async (_, piece, count) => {
    const { dir, remove } = tempDir();
    later(remove);
    const { Port, session, next } = await gateway({}, { dataDir: dir });
    const peak = watchMemory();
    const clients = await Promise.all([pour(Port, piece, count), pour(Port, piece, count)]);
    await waitFor('the mails to be received', () => session.spool.bytes > 2 * 13 * MB);
    expect(peak()).toBeLessThan(2 * PER_CONNECTION + SLACK);
    const answers = clients.map((client) => client.end());
    for (let mail = 0; mail < 2; mail++) await (await next()).confirm();
    expect(await Promise.all(answers)).toEqual([expect.stringMatching(/^250/), expect.stringMatching(/^250/)]);
    expect(session.spool.bytes).toBe(0);
  });

  it('is bounded for a client that sends its mail in segments of one byte', async () => {
    const { Port, session } = await gateway();
    const peak = watchMemory();
    await pour(Port, Buffer.from('.'), 200_000);
    await waitFor('the mail to be received', () => session.spool.bytes > 199_000);
    expect(peak()).toBeLessThan(PER_CONNECTION + SLACK);
  });
});
