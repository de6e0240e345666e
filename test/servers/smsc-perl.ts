// An SMSC on Debian's Net::SMPP, an independent implementation of the protocol.
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { waitFor } from '../fixtures/wait-for.js';
import { freePort, run } from './process.js';

export interface PerlSmscOptions {
  systemId: string;
  password: string;
  /** sprintf formats of ids, in submit_sm_resp and in receipts. */
  submitIds?: string;
  receiptIds?: string;
  /** Rejects bind_transceiver. */
  split?: boolean;
}

export interface PerlEvent {
  readonly event: string;
  readonly [name: string]: unknown;
}

export interface PerlSmsc {
  readonly port: number;
  /** The events so far; of one kind when `event` is given. */
  events(event?: string): PerlEvent[];
  /** Offers a message until it is accepted or rejected for good. */
  offer(message: { from: string; to: string; bytes: Buffer; esmClass?: number; coding?: number }): Promise<void>;
  close(): Promise<void>;
}

export function whyNoPerlSmsc(): string | undefined {
  return existsSync('/usr/share/perl5/Net/SMPP.pm') ? undefined : 'libnet-smpp-perl is not installed';
}

export async function startPerlSmsc(options: PerlSmscOptions): Promise<PerlSmsc> {
  const [port, control] = [await freePort(), await freePort()];
  const { systemId, password, submitIds = '%x', receiptIds = '%x', split = false } = options;
  const script = join(import.meta.dirname, 'smsc-perl.pl');
  const args = [script, port, control, systemId, password, submitIds, receiptIds, split ? 'split' : 'any'].map(String);
  const running = run('perl', args);
  const events = (event?: string) =>
    running
      .output()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line): PerlEvent => JSON.parse(line))
      .filter((entry) => event === undefined || entry.event === event);
  await waitFor(`the Perl SMSC to listen: ${running.output()}`, () => events('listening').length > 0);
  return {
    port,
    events,
    offer: ({ from, to, bytes, esmClass = 0, coding = 0 }) =>
      new Promise((resolve, reject) => {
        const socket = connect(control, '127.0.0.1');
        socket.once('error', reject);
        socket.once('close', () => resolve());
        socket.end(`MO ${from} ${to} ${esmClass} ${coding} ${bytes.toString('hex')}\n`);
        socket.resume();
      }),
    close: () => running.stop(),
  };
}
