// Measures text messages: the same texts through the same SMSC, both ways, by the product, by its driver
// alone and by the bare library.
import { z } from 'zod';
import { closers } from '../../src/kit/closers.js';
import { waitFor } from '../fixtures/wait-for.js';
import { type BenchFixture, OUT, type Stub } from './bench-fixture.js';
import type { Child } from './child.js';
import { within } from './limit.js';
import { type Smsc, type Stack, startOurs, startSmsc, WINDOW } from './sms-fixture.js';
import { submitted } from './smsc-words.js';

export interface TextsJob {
  /** `gatepost`: all of Gatepost, from the send request to its answer, or from the SMSC to the server and back. */
  side: 'gatepost' | 'driver' | 'bare';
  count: number;
  /** Ms added to every round trip to the SMSC. */
  roundTripMs?: number;
}

export interface TextsSample {
  ms: number;
  cpuMs: number;
}

/** Send requests unanswered at any time: enough for the window to be full while others are journaled and answered. */
export const SEND_REQUESTS_IN_FLIGHT = 200;
/** The code is as warm as in a service that has run for a while. */
const WARM_UP = 5_000;

/** One side, ready. `batch` moves the texts from `first` on and gives the ms that it took. */
interface Mover {
  child: Child;
  batch(first: number, count: number): Promise<number>;
  /** Throws when what should have arrived has not. */
  check(texts: number): Promise<void>;
}

/** Throws when a text was refused, or when the SMSC got another number of them than were sent. */
export function submits(fixture: BenchFixture, job: TextsJob): Promise<TextsSample> {
  return measured(fixture, job, job.side === 'gatepost' ? ourSender : smallSender);
}

/** Throws when a text was refused, or did not reach the stub server, or twice. */
export function delivers(fixture: BenchFixture, job: TextsJob): Promise<TextsSample> {
  return measured(fixture, job, job.side === 'gatepost' ? ourReceiver : smallReceiver);
}

type Start = (fixture: BenchFixture, job: TextsJob, smsc: Smsc, stack: Stack) => Promise<Mover>;

async function measured(fixture: BenchFixture, job: TextsJob, start: Start): Promise<TextsSample> {
  const stack = closers();
  try {
    const smsc = await startSmsc(fixture, stack, job.roundTripMs);
    const { child, batch, check } = await start(fixture, job, smsc, stack);
    await within('the warm-up', batch(0, WARM_UP));
    const cpuBefore = await child.cpuMs();
    const ms = await within(`${job.count} texts`, batch(WARM_UP, job.count));
    const cpuMs = (await child.cpuMs()) - cpuBefore;
    await check(WARM_UP + job.count);
    return { ms, cpuMs };
  } finally {
    await stack.close();
  }
}

async function ourSender(fixture: BenchFixture, _job: TextsJob, smsc: Smsc, stack: Stack): Promise<Mover> {
  const { child, stub } = await startOurs(fixture, 'O', smsc, stack);
  const sendRequest = (first: number, count: number) => {
    const answered = stub.receive('answered');
    stub.tell({ do: 'send', batch: { of: 'texts', first, count, window: SEND_REQUESTS_IN_FLIGHT, gatewayId: OUT } });
    return child.during(answered);
  };
  // Before the gateway runs, a send request is answered with an error at once; none of those reaches the SMSC.
  await waitFor('the gateway', async () => (await sendRequest(0, 1)).failures.length === 0);
  return {
    child,
    async batch(first, count) {
      const { ms, failures } = await sendRequest(first, count);
      if (failures.length > 0) throw new Error(`${failures.length} send requests failed, the first: ${failures[0]}`);
      return ms;
    },
    check: (texts) => allSubmitted(smsc, texts + 1),
  };
}

async function ourReceiver(fixture: BenchFixture, _job: TextsJob, smsc: Smsc, stack: Stack): Promise<Mover> {
  const { child, stub } = await startOurs(fixture, 'I', smsc, stack);
  return { child, batch: delivering(smsc, child), check: (texts) => allCame(stub, texts) };
}

async function smallSender(fixture: BenchFixture, job: TextsJob, smsc: Smsc, stack: Stack): Promise<Mover> {
  const child = await startSmall(fixture, job, smsc, stack);
  return {
    child,
    async batch(first, count) {
      const done = child.receive(submitted);
      child.tell({ first, count });
      const { ms, refused } = await done;
      if (refused > 0) throw new Error(`${refused} texts were refused`);
      return ms;
    },
    check: (texts) => allSubmitted(smsc, texts),
  };
}

async function smallReceiver(fixture: BenchFixture, job: TextsJob, smsc: Smsc, stack: Stack): Promise<Mover> {
  const child = await startSmall(fixture, job, smsc, stack);
  return { child, batch: delivering(smsc, child), check: async () => {} };
}

async function startSmall(fixture: BenchFixture, { side }: TextsJob, smsc: Smsc, stack: Stack): Promise<Child> {
  const child = fixture.start(side === 'driver' ? 'driver' : 'bare', { port: smsc.port, window: WINDOW });
  stack.add(side, () => child.stop());
  await child.receive(z.literal('ready'));
  return child;
}

function delivering(smsc: Smsc, child: Child): Mover['batch'] {
  return async (first, count) => {
    const { ms, refused } = await child.during(smsc.deliver('texts', first, count));
    if (refused > 0) throw new Error(`${refused} texts were refused`);
    return ms;
  };
}

async function allSubmitted(smsc: Smsc, texts: number): Promise<void> {
  const got = await smsc.submits();
  if (got !== texts) throw new Error(`the SMSC got ${got} texts instead of ${texts}`);
}

async function allCame(stub: Stub, texts: number): Promise<void> {
  const complete = stub.receive('complete');
  stub.tell({ do: 'expect', mails: texts });
  const { repeats } = await within(`${texts} texts at the stub`, complete, 10_000);
  if (repeats > 0) throw new Error(`${repeats} texts arrived twice`);
}
