// Owns the latency of new mail: delivered one by one to an idle mailbox by LMTP, until the stub server has the MSG.
import { setTimeout as pause } from 'node:timers/promises';
import { closers } from '../../src/kit/closers.js';
import { type Bed, imapHost, type Mailbox, type Stub, startStub } from './bed.js';
import type { Child } from './child.js';
import { benchMail } from './corpus.js';
import { within } from './limit.js';
import { nowMs } from './machine.js';

export interface InboundMessagesSample {
  /** Per mail, ms: from the first byte of the LMTP session, and from Dovecot's 250. */
  fromStart: number[];
  fromTaken: number[];
}

const GAP_MS = 300;
/** The first mails wait for the gateway to come up and warm the code; they do not count. */
const WARM_UP = 5;

/** Throws when a mail was lost or repeated. */
export async function inboundMessages(bed: Bed, count: number): Promise<InboundMessagesSample> {
  const stack = closers();
  try {
    const mailbox = bed.mailbox();
    await bed.dovecot.fill(mailbox.user, 0, () => ({ raw: '', at: 0 }));
    const stub = await startStub(bed);
    stack.add('stub', () => stub.stop());
    const asked = stub.hear('asked');
    const child = bed.startGatepost('arrivals', stub.port);
    stack.add('gatepost', () => child.stop());
    await within('the login at the stub', child.during(asked), 60_000);
    stub.tell({ do: 'go', gateways: [imapHost(mailbox, bed.dovecot.port)] });
    await deliverAll(bed, stub, child, mailbox, 0, WARM_UP);
    return await deliverAll(bed, stub, child, mailbox, WARM_UP, count);
  } finally {
    await stack.close();
  }
}

/** Mails `first` to `first + count`, `GAP_MS` apart whatever a delivery takes. */
async function deliverAll(bed: Bed, stub: Stub, child: Child, { user }: Mailbox, first: number, count: number) {
  const complete = stub.hear('complete');
  stub.tell({ do: 'expect', mails: first + count });
  const begun = nowMs();
  const deliveries: Promise<Delivery>[] = [];
  for (let at = 0; at < count; at++) {
    if (bed.interrupted) throw new Error('interrupted');
    await pause(Math.max(0, begun + at * GAP_MS - nowMs()));
    const delivery = deliver(bed, user, first + at);
    delivery.catch(() => {}); // heard of below, if this gets that far
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

async function deliver(bed: Bed, user: string, index: number): Promise<Delivery> {
  const { id, raw } = benchMail('text', index);
  const start = nowMs();
  await bed.dovecot.deliver(user, raw);
  return { id, start, taken: nowMs() };
}
