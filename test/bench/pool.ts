// The baseline of sending, run as a process of its own: nodemailer's pool with nothing around it, but for sockets
// that send at once. With its own, each mail waits 40 ms for the delayed ACK (Nagle) and the pool is no yardstick.
import { connect } from 'node:net';
import nodemailer, { type SMTPPoolOptions } from 'nodemailer';
import { z } from 'zod';
import { nowMs } from './machine.js';

const options = z.object({
  port: z.number(),
  connections: z.number(),
  window: z.number(),
  from: z.string(),
  text: z.string(),
  html: z.string(),
});
const job = z.object({ count: z.number() });
const { port, connections, window, from, text, html } = options.parse(JSON.parse(process.argv[2] ?? ''));

const getSocket: SMTPPoolOptions['getSocket'] = (_, callback) => {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.once('connect', () => callback(null, { connection: socket }));
};
const pool = nodemailer.createTransport({
  host: '127.0.0.1',
  port,
  secure: false,
  ignoreTLS: true,
  pool: true,
  maxConnections: connections,
  maxMessages: Number.POSITIVE_INFINITY,
  getSocket,
});

async function batch(count: number): Promise<void> {
  const start = nowMs();
  let next = 0;
  const sender = async () => {
    while (next < count) {
      const number = next++;
      await pool.sendMail({ from, to: `customer${number}@example.net`, subject: `Your order ${number}`, text, html });
    }
  };
  await Promise.all(Array.from({ length: window }, sender));
  process.send?.({ ms: nowMs() - start });
}

process.on('message', (message) => {
  const { success, data } = job.safeParse(message);
  if (success) void batch(data.count);
});
process.channel?.ref();
process.send?.('ready');
