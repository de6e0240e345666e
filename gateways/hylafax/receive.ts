// Owns receiving: looks into recvq when something happened or time has passed, and hands on each fax that is complete.
import {
  type FaxDocument,
  GatepostError,
  type InboundMessage,
  type InboundState,
  sleep,
} from '../../src/driver/contract.js';
import { type Call, readCalls, receptionOf } from './calls.js';
import { documentOf, isOthers } from './document.js';
import { listReceived, type Received } from './recvq.js';
import type { Session } from './session.js';
import type { Settings } from './settings.js';
import { prepare } from './start.js';
import { readTiff, type TiffFacts } from './tiff.js';
import { reasonOf, refusal } from './words.js';

/** A fax of some 2,000 pages; what is larger is no fax, and stays on the server. */
const LARGEST_FAX = 100 * 1024 * 1024;
/** How long a fax is waited for that is incomplete, or whose modem has to be known and is not yet, ms. */
const PATIENCE_MS = 60_000;
/** How long the end of its call is waited for in the log, which tells why a reception broke off, ms. HylaFAX lets go of the
 *  file some seconds before it writes that. */
const END_OF_CALL_MS = 15_000;
/** A fax that came so long ago has its call in the log, or the log has been cut since, ms. */
const LONG_AGO_MS = 600_000;
/** Between two looks while one is waited for, ms. */
const AGAIN_MS = 1_000;
/** Between two looks at least, ms: events come in bursts. */
const GAP_MS = 200;

/** What this run of the gateway knows of the faxes in recvq, by key. */
interface Desk {
  /** Nothing is to be done about them any more. */
  readonly done: Set<string>;
  /** With the flow. */
  readonly handed: Set<string>;
  /** Seen first, in monotonic ms, and not yet ready. */
  readonly waiting: Map<string, number>;
  /** HylaFAX does not hand them over, which was said once. */
  readonly withheld: Set<string>;
}

export async function* receive(session: Session, signal: AbortSignal): AsyncGenerator<InboundMessage<FaxDocument>> {
  const { context, arrived } = session;
  const desk: Desk = { done: new Set(), handed: new Set(), waiting: new Map(), withheld: new Set() };
  try {
    await prepare(session, signal);
    while (!signal.aborted) {
      const faxes = await look(session, desk, signal);
      for (const { fax, state } of faxes) {
        const inboundMessage =
          state === 'acknowledged' ? unconfirmed(session, desk, fax) : await take(session, desk, fax, signal);
        if (!inboundMessage) continue;
        desk.handed.add(fax.key);
        yield inboundMessage;
        if (signal.aborted) return;
      }
      await arrived.heard(desk.waiting.size > 0 ? AGAIN_MS : context.settings.PollSeconds * 1_000, signal);
      await sleep(context.clock, GAP_MS, signal).catch(() => {});
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** What is to be done, oldest first. */
async function look(
  session: Session,
  desk: Desk,
  signal: AbortSignal,
): Promise<{ fax: Received; state: InboundState | undefined }[]> {
  const listed = await session.converse(signal, listReceived, 'needed');
  forgetGone(desk, new Set(listed.map(({ key }) => key)));
  const open = listed.filter(({ key, arriving }) => !arriving && !desk.done.has(key) && !desk.handed.has(key));
  const states = await session.context.driverState.statesOf(open.map(({ key }) => key));
  return open.flatMap((fax) => {
    const state = states.get(fax.key);
    if (state === undefined || state === 'pending' || state === 'acknowledged') return [{ fax, state }];
    desk.done.add(fax.key);
    return [];
  });
}

function forgetGone({ done, waiting, withheld }: Desk, there: ReadonlySet<string>): void {
  for (const known of [done, waiting, withheld])
    for (const key of [...known.keys()]) if (!there.has(key)) known.delete(key);
}

/** The journal has it; only HylaFAX does not know yet. */
function unconfirmed(session: Session, desk: Desk, fax: Received): InboundMessage<FaxDocument> {
  return { ...endings(session, desk, fax), key: fax.key, fingerprint: '', content: null, bytes: 0 };
}

/** Undefined when it is not ready yet, gone, or not ours. */
async function take(
  session: Session,
  desk: Desk,
  fax: Received,
  signal: AbortSignal,
): Promise<InboundMessage<FaxDocument> | undefined> {
  const { clock, settings } = session.context;
  if (fax.size > LARGEST_FAX) return leave(session, desk, fax);
  const { raw, calls } = await download(session, desk, fax, signal);
  if (!raw) return undefined;
  const call = calls && receptionOf(calls, fax.file);
  if (isOthers(call, settings)) return void desk.done.add(fax.key);
  const tiff = readTiff(raw);
  const since = desk.waiting.get(fax.key) ?? clock.monotonic();
  const patience = patienceFor(session, fax, tiff.whole, calls !== undefined && !call);
  if (clock.monotonic() - since < patience) return void desk.waiting.set(fax.key, since);
  desk.waiting.delete(fax.key);
  const content = documentOf({ fax, raw, tiff, call, notes: notesOn(fax, tiff, call, settings) }, settings);
  return { ...endings(session, desk, fax), key: fax.key, fingerprint: '', content, bytes: raw.length };
}

/** The file, null when it is gone or withheld, and the log of calls, where it can be read. */
async function download(session: Session, desk: Desk, fax: Received, signal: AbortSignal) {
  return session.converse(
    signal,
    async (talk) => {
      const calls: readonly Call[] | undefined = await readCalls(talk);
      const raw = await talk.fetch(`recvq/${fax.file}`, LARGEST_FAX).catch((error) => {
        if (!refusal(error)) throw error;
        // One that is refused must not keep those behind it waiting; it is asked for again at every look.
        if (!/no such file/i.test(reasonOf(error))) complain(session, desk, fax, reasonOf(error));
        return null;
      });
      return { raw, calls };
    },
    'needed',
  );
}

/** Ms for which it may be waited for. */
function patienceFor({ context }: Session, fax: Received, whole: boolean, unlogged: boolean): number {
  if (!whole) return PATIENCE_MS;
  if (!unlogged || context.clock.now() - fax.at * 1_000 > LONG_AGO_MS) return 0;
  return context.settings.Modem === undefined ? END_OF_CALL_MS : PATIENCE_MS;
}

/** One sentence each for what is not as it should be. */
function notesOn(fax: Received, tiff: TiffFacts, call: Call | undefined, { Modem }: Settings): string[] {
  const notes: string[] = [];
  if (!tiff.whole) notes.push(`The file ${fax.file} that HylaFAX received is incomplete or damaged.`);
  if (Modem !== undefined && !call) notes.push('It is not known which modem received this fax.');
  return notes;
}

function complain({ context }: Session, { withheld }: Desk, { key, file }: Received, reason: string): void {
  if (!withheld.has(key))
    context.log.warn({ file, reason }, 'HylaFAX does not hand a received fax over; it stays in recvq');
  withheld.add(key);
}

function leave({ context }: Session, desk: Desk, { key, file, size }: Received): undefined {
  desk.done.add(key);
  context.inputRejected('too_large');
  context.log.error({ file, bytes: size }, 'a received file is too large to be a fax; it stays in recvq');
}

function endings(session: Session, desk: Desk, fax: Received): Pick<InboundMessage<FaxDocument>, 'confirm' | 'reject'> {
  const { context } = session;
  const settle = async () => {
    try {
      if (context.settings.AfterReceive === 'Delete') await remove(session, fax);
      desk.done.add(fax.key);
    } finally {
      desk.handed.delete(fax.key);
      running = undefined;
    }
  };
  let running: Promise<void> | undefined;
  return {
    confirm() {
      running ??= settle();
      return running;
    },
    async reject(reason) {
      context.log.info({ file: fax.file, reason }, 'a received fax is in quarantine; it stays in recvq');
      desk.done.add(fax.key);
      desk.handed.delete(fax.key);
    },
  };
}

/** The file, if it is still the same one. */
async function remove({ converse, closed }: Session, { file, key }: Received): Promise<void> {
  await converse(
    closed,
    async (talk) => {
      const there = await listReceived(talk);
      if (!there.some((fax) => fax.key === key)) return;
      await talk.ask(`DELE recvq/${file}`).catch((error) => {
        throw new GatepostError('hylafax/delete', `HylaFAX does not delete ${file}: ${reasonOf(error)}`, {
          advice: 'give the gateway the AdminPassword of the server, or set AfterReceive to "Keep"',
          cause: error,
        });
      });
    },
    'needed',
  );
}
