// Measures sending: the same mails into Postfix's smtp-sink, by us as send requests of the stub server and by a bare
// nodemailer pool; counted by the sink.
import { z } from 'zod';
import { closers } from '../../src/kit/closers.js';
import { waitFor } from '../fixtures/wait-for.js';
import { findProgram, freePort, type Running, untilPort } from '../servers/process.js';
import { type BenchFixture, gateway, OUT, type Stub, startStub } from './bench-fixture.js';
import { dice, pick } from './dice.js';
import { LANGUAGES } from './languages.js';
import { within } from './limit.js';

export interface SendRequestsSample {
  ms: number;
  cpuMs: number;
}

export const CONNECTIONS = 5;
/** Send requests, or calls of sendMail, unanswered at any time. */
export const IN_FLIGHT = 50;
const FROM = 'desk@example.test';
/** The code is as warm as in a service that has run for a while. */
const WARM_UP = 100;

export function whyNoSink(): string | undefined {
  return findProgram('smtp-sink') ? undefined : 'smtp-sink (package postfix) is not installed';
}

/** Throws when the sink got another number of mails than were sent. */
export async function sendRequests(
  fixture: BenchFixture,
  side: 'gatepost' | 'pool',
  count: number,
): Promise<SendRequestsSample> {
  const stack = closers();
  try {
    const port = await freePort();
    const sink = fixture.run(findProgram('smtp-sink') ?? 'smtp-sink', ['-c', ...asUser(), `127.0.0.1:${port}`, '100']);
    stack.add('smtp-sink', () => sink.stop());
    await untilPort(port);
    const send = side === 'gatepost' ? await viaGatepost(fixture, port, stack) : await viaPool(fixture, port, stack);
    const extra = await send.warmUp();
    const cpuBefore = await send.cpuMs();
    const ms = await within(`${count} send requests`, send.batch(count));
    const cpuMs = (await send.cpuMs()) - cpuBefore;
    await waitFor(`${count + extra} mails in the sink`, () => counted(sink) === count + extra, 10_000);
    return { ms, cpuMs };
  } finally {
    await stack.close();
  }
}

/** smtp-sink refuses to stay root. */
function asUser(): string[] {
  return process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
}

/** It rewrites one line of counters for ever. */
function counted(sink: Running): number {
  return Number(/mesg=(\d+)\r?$/.exec(sink.output().slice(-100))?.[1] ?? 0);
}

/** One side, ready to send. `batch` gives the ms it took. */
interface Sender {
  /** Gives the number of mails that it took. */
  warmUp(): Promise<number>;
  batch(count: number): Promise<number>;
  cpuMs(): Promise<number>;
}

async function viaGatepost(fixture: BenchFixture, port: number, stack: ReturnType<typeof closers>): Promise<Sender> {
  const stub = await startStub(fixture);
  stack.add('stub', () => stub.stop());
  const asked = stub.receive('asked');
  const child = fixture.startGatepost('orders', stub.port);
  stack.add('gatepost', () => child.stop());
  await within('the login at the stub', child.during(asked), 60_000);
  const settings = { Host: '127.0.0.1', Port: port, Security: 'None', From: FROM, MaxConnections: CONNECTIONS };
  stub.tell({ do: 'go', gateways: [gateway(OUT, 'O', 'SmtpHost', settings)] });
  const batch = async (count: number) => {
    const { ms, failures } = await child.during(sendRequest(stub, count));
    if (failures.length > 0) throw new Error(`${failures.length} send requests failed, the first: ${failures[0]}`);
    return ms;
  };
  return {
    async warmUp() {
      // Before the gateway runs, a send request is answered with an error at once; none of those reaches the sink.
      await waitFor('the gateway', async () => (await sendRequest(stub, 1)).failures.length === 0);
      await batch(WARM_UP);
      return WARM_UP + 1;
    },
    batch,
    cpuMs: () => child.cpuMs(),
  };
}

function sendRequest(stub: Stub, count: number) {
  const answered = stub.receive('answered');
  stub.tell({ do: 'send', batch: { first: 0, count, window: IN_FLIGHT, gatewayId: OUT, of: bodies() } });
  return answered;
}

async function viaPool(fixture: BenchFixture, port: number, stack: ReturnType<typeof closers>): Promise<Sender> {
  const child = fixture.start('pool', { port, connections: CONNECTIONS, window: IN_FLIGHT, from: FROM, ...bodies() });
  stack.add('pool', () => child.stop());
  await child.receive(z.literal('ready'));
  const batch = async (count: number) => {
    child.tell({ count });
    return (await child.receive(z.object({ ms: z.number() }))).ms;
  };
  return {
    async warmUp() {
      await batch(WARM_UP + 1);
      return WARM_UP + 1;
    },
    batch,
    cpuMs: () => child.cpuMs(),
  };
}

/** About 4 KB together once they are a mail. */
function bodies(): { text: string; html: string } {
  const roll = dice(4);
  const words = LANGUAGES[0]?.words ?? [];
  const lines = Array.from({ length: 12 }, () => Array.from({ length: 16 }, () => pick(roll, words)).join(' '));
  return { text: lines.join('\n\n'), html: lines.map((line) => `<p style="margin:0 0 1em 0">${line}</p>`).join('\n') };
}
