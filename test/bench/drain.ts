// One drain: one side empties a full mailbox into the stub server until every mail is flagged; timed and checked.
import { readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { closers } from '../../src/kit/closers.js';
import { waitFor } from '../fixtures/wait-for.js';
import type { Dovecot } from '../servers/dovecot.js';
import { startProxy } from '../servers/proxy.js';
import { type BenchFixture, imapHost, type Mailbox, type Stub, startStub } from './bench-fixture.js';
import type { Child } from './child.js';
import { arrivedAt, benchMail, type CorpusName } from './corpus.js';
import { within } from './limit.js';
import { nowMs, treeCpuMs } from './machine.js';

export interface DrainJob {
  corpus: CorpusName;
  count: number;
  side: 'gatepost' | 'naive';
  /** Ms added to every round trip, to the mail server and to the contact center alike. */
  roundTripMs?: number;
}

export interface DrainSample {
  /** From the list of gateways to the last flag, ms. */
  ms: number;
  /** Bytes of the mails. */
  bytes: number;
  cpuMs: number;
  dovecotCpuMs: number;
  peakMb: number;
}

/** Once every mail has arrived, the flags of the last ones are a matter of moments. */
const FLAGS_MS = 60_000;

/** Throws when a mail was lost, repeated or left unflagged: then there is nothing to measure. */
export async function drain(fixture: BenchFixture, job: DrainJob): Promise<DrainSample> {
  const stack = closers();
  try {
    const mailbox = fixture.mailbox();
    const home = join(fixture.dovecot.dir, 'mail', mailbox.user);
    stack.add('mailbox', () => rm(home, { recursive: true, force: true }));
    const filled = await fill(fixture.dovecot, mailbox, job);
    const stub = await startStub(fixture);
    stack.add('stub', () => stub.stop());
    const road = job.roundTripMs ?? 0;
    const imapPort = await far(stack, fixture.dovecot.port, road);
    const asked = stub.receive('asked');
    const child = start(fixture, job, await far(stack, stub.port, road), imapPort, mailbox);
    stack.add(job.side, () => child.stop());
    await within('the login at the stub', child.during(asked), 60_000);
    const flagged = () => allFlagged(join(home, 'cur'), job.count);
    const sample = await measure(fixture.dovecot, child, () =>
      work(stub, child, job, imapHost(mailbox, imapPort), flagged),
    );
    await check(fixture.dovecot, stub, mailbox, filled.ids);
    return { ...sample, bytes: filled.bytes };
  } finally {
    await stack.close();
  }
}

async function fill(dovecot: Dovecot, { user }: Mailbox, { corpus, count }: DrainJob) {
  const ids = new Set<string>();
  let bytes = 0;
  await dovecot.fill(user, count, (index) => {
    const { id, raw } = benchMail(corpus, index);
    ids.add(id);
    bytes += raw.length;
    return { raw, at: arrivedAt(index) };
  });
  // Delivery by LMTP would have left the mails numbered; both sides find them so.
  await dovecot.doveadm('mailbox', 'status', '-u', user, 'messages', 'INBOX');
  return { ids, bytes };
}

/** The same port, or that of a proxy that makes it far away. */
async function far(stack: ReturnType<typeof closers>, port: number, roundTripMs: number): Promise<number> {
  if (roundTripMs === 0) return port;
  const proxy = await startProxy({ port, delay: roundTripMs / 2 });
  stack.add('proxy', () => proxy.close());
  return proxy.port;
}

function start(fixture: BenchFixture, job: DrainJob, serverPort: number, imapPort: number, mailbox: Mailbox): Child {
  if (job.side === 'gatepost') return fixture.startGatepost(`drain-${job.corpus}`, serverPort);
  return fixture.start('naive', { serverPort, imapPort, ...mailbox });
}

async function work(stub: Stub, child: Child, { count }: DrainJob, gateway: object, flagged: () => Promise<boolean>) {
  stub.tell({ do: 'expect', mails: count });
  const complete = stub.receive('complete');
  stub.tell({ do: 'go', gateways: [gateway] });
  await within(`${count} mails at the stub`, child.during(complete));
  await child.during(waitFor(`${count} flags`, flagged, FLAGS_MS));
}

async function measure(dovecot: Dovecot, child: Child, run: () => Promise<void>): Promise<Omit<DrainSample, 'bytes'>> {
  const master = Number(readFileSync(join(dovecot.dir, 'run/master.pid'), 'utf8'));
  const before = { cpu: await child.cpuMs(), dovecot: treeCpuMs(master), at: nowMs() };
  await run();
  const ms = nowMs() - before.at;
  const dovecotCpuMs = treeCpuMs(master) - before.dovecot;
  const peakMb = child.peakMemoryMb();
  return { ms, cpuMs: (await child.cpuMs()) - before.cpu, dovecotCpuMs, peakMb };
}

/** A Maildir keeps the flags in the file names, so looking costs Dovecot nothing. */
async function allFlagged(cur: string, count: number): Promise<boolean> {
  const names = await readdir(cur);
  return names.filter((name) => /:2,[A-Z]*S/.test(name)).length === count;
}

async function check(dovecot: Dovecot, stub: Stub, { user }: Mailbox, ids: ReadonlySet<string>): Promise<void> {
  const complete = stub.receive('complete');
  stub.tell({ do: 'expect', mails: ids.size });
  const { seen, repeats } = await within('the final count', complete, 60_000);
  const missing = [...ids].filter((id) => seen[id] === undefined).length;
  if (missing > 0 || repeats > 0) throw new Error(`${missing} mails never arrived, ${repeats} arrived twice`);
  const status = await dovecot.doveadm('mailbox', 'status', '-u', user, 'messages unseen', 'INBOX');
  const flagged = `messages=${ids.size} unseen=0`;
  if (!status.includes(flagged)) throw new Error(`the mailbox says "${status.trim()}", not ${flagged}`);
}
