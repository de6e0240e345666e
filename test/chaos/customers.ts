// Customers' mail servers: each mail is offered to Gatepost's SMTP listener until it is accepted, as a queue would do.
import { setTimeout as pause } from 'node:timers/promises';
import { smtpClient } from '../servers/smtp-client.js';

/** How many mails are offered at the same time. */
const CLIENTS = 8;
/** A mail server that was told to come again waits this long, ms. */
const RETRY_MS = 150;
/** An offer that takes longer than this is given up and made again, ms. */
const PATIENCE_MS = 20_000;

export interface Customers {
  /** Marks of the mails that Gatepost has accepted with a 250. */
  readonly accepted: ReadonlySet<string>;
  /** Resolves when every mail is accepted. */
  readonly done: Promise<void>;
  stop(): void;
}

export const markOf = (number: number): string => `chaos-mail-${String(number).padStart(5, '0')}`;

export function startCustomers(port: number, count: number): Customers {
  const accepted = new Set<string>();
  let next = 0;
  let stopped = false;

  /** False when the mail was not accepted in time, or not at all. */
  async function offer(number: number): Promise<boolean> {
    const connecting = smtpClient(port);
    const dialogue = connecting.then((client) =>
      client.deliver(mail(number), { from: `customer${number}@example.net` }),
    );
    try {
      const reply = await Promise.race([dialogue, pause(PATIENCE_MS, 'too late', { ref: false })]);
      return reply.startsWith('250');
    } finally {
      void connecting.then((client) => client.cut()).catch(() => undefined);
    }
  }

  async function work(): Promise<void> {
    while (!stopped && next < count) {
      const number = next++;
      while (!stopped && !(await offer(number).catch(() => false))) await pause(RETRY_MS);
      accepted.add(markOf(number));
    }
  }

  const done = Promise.all(Array.from({ length: CLIENTS }, work)).then(() => undefined);
  return {
    accepted,
    done,
    stop() {
      stopped = true;
    },
  };
}

/** Every third mail has no Message-ID, every fourth an attachment. */
function mail(number: number): string {
  const mark = markOf(number);
  const date = `Date: Sat, 28 Nov 2026 10:00:00 +0000\r\n`;
  const id = number % 3 === 0 ? '' : `Message-ID: <${mark}@example.net>\r\n`;
  const head = `From: Customer ${number} <customer${number}@example.net>\r\nTo: support@example.test\r\nSubject: ${mark}\r\n${date}${id}MIME-Version: 1.0\r\n`;
  if (number % 4 !== 0) return `${head}Content-Type: text/plain\r\n\r\nHello, this is ${mark}.\r\n`;
  return (
    `${head}Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\nContent-Type: text/plain\r\n\r\nHello, this is ${mark}.\r\n` +
    `--cut\r\nContent-Type: application/octet-stream; name=${mark}.bin\r\nContent-Disposition: attachment; filename=${mark}.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(mark.repeat(20)).toString('base64')}\r\n--cut--\r\n`
  );
}
