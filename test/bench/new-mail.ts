// The latency of new mail: delivered one by one to an idle mailbox by LMTP, until the stub server has the MSG.
import { setTimeout as pause } from 'node:timers/promises';
import { closers } from '../../src/kit/closers.js';
import { type BenchFixture, imapHost, type Mailbox, type Stub, startStub } from './bench-fixture.js';
import type { Child } from './child.js';
import { benchMail } from './corpus.js';
import { within } from './limit.js';
import { nowMs } from './machine.js';

export interface NewMailSample {
  /** Per mail, ms: from the first byte of the LMTP session, and from Dovecot's 250. */
  fromStart: number[];
  fromTaken: number[];
}

const GAP_MS = 300;
/** The first mails wait for the gateway to come up and warm the code; they do not count. */
const WARM_UP = 5;

/** Throws when a mail was lost or repeated. */
export async function measureNewMail(fixture: BenchFixture, count: number): Promise<NewMailSample> {
  const stack = closers();
  try {
    const mailbox = fixture.mailbox();
    await fixture.dovecot.fill(mailbox.user, 0, () => ({ raw: '', at: 0 }));
    const stub = await startStub(fixture);
    stack.add('stub', () => stub.stop());
    const asked = stub.receive('asked');
    const child = fixture.startGatepost('arrivals', stub.port);
    stack.add('gatepost', () => child.stop());
    await within('the login at the stub', child.during(asked), 60_000);
    stub.tell({ do: 'go', gateways: [imapHost(mailbox, fixture.dovecot.port)] });
    await deliverAll(fixture, stub, child, mailbox, 0, WARM_UP);
    return await deliverAll(fixture, stub, child, mailbox, WARM_UP, count);
  } finally {
    await stack.close();
  }
}

/** Mails `first` to `first + count`, `GAP_MS` apart whatever a delivery takes. */
async function deliverAll(
  fixture: BenchFixture,
  stub: Stub,
  child: Child,
  { user }: Mailbox,
  first: number,
  count: number,
) {
  const complete = stub.receive('complete');
  stub.tell({ do: 'expect', mails: first + count });
  const startedAt = nowMs();
  const deliveries: Promise<Delivery>[] = [];
  for (let at = 0; at < count; at++) {
    if (fixture.interrupted) throw new Error('interrupted');
    await pause(Math.max(0, startedAt + at * GAP_MS - nowMs()));
    const delivery = deliver(fixture, user, first + at);
    delivery.catch(() => {}); // awaited below
    deliveries.push(delivery);
  }
  const done = await Promise.all(deliveries);
  const { seen, repeats } = await within('the last mail', child.during(complete), 60_000);
  if (repeats > 0) throw new Error(`${repeats} mails arrived twice`);
  return {
    fromStart: done.map(({ id, start }) => (seen[id] ?? Number.NaN) - start),
    fromTaken: done.map(({ id, taken }) => (seen[id] ?? Number.NaN) - taken),
  };
}

interface Delivery {
  id: string;
  start: number;
  taken: number;
}

async function deliver(fixture: BenchFixture, user: string, index: number): Promise<Delivery> {
  const { id, raw } = benchMail('text', index);
  const start = nowMs();
  await fixture.dovecot.deliver(user, raw);
  return { id, start, taken: nowMs() };
}
