// Receiving: recvq is listed after an event or every PollSeconds. A fax in recvq is, for this session,
//   (unknown)   listed for the first time, or confirmed without success: examined at the next listing
//   waiting     incomplete, or its call is not in xferfaxlog yet: examined again until its patience ends
//   withheld    HylaFAX rejects the download: logged once, asked for again at every listing
//   dispatched  handed to the pipeline, until it is confirmed or rejected
//   done        confirmed, quarantined, too large, or of another modem: left alone
// and forgotten when it is no longer listed.
import {
  type FaxDocument,
  GatepostError,
  type InboundMessage,
  type InboundState,
  sleep,
} from '../../src/driver/contract.js';
import { documentOf, isFromOtherModem } from './document.js';
import { initialSync } from './initial-sync.js';
import { reasonOf, refusal } from './protocol-text.js';
import { listReceived, type ReceivedFile } from './recvq.js';
import type { Session } from './session.js';
import type { Settings } from './settings.js';
import { readTiff, type TiffSummary } from './tiff.js';
import { type Call, readCalls, receptionOf } from './xferfaxlog.js';

/** A fax of some 2,000 pages. A larger file is no fax, and stays on the server. */
const MAX_FAX_BYTES = 100 * 1024 * 1024;
/** Patience with an incomplete fax, or with one whose modem is not known yet, ms. */
const INCOMPLETE_MS = 60_000;
/** Patience with a missing line in xferfaxlog, which HylaFAX writes some seconds after it releases the file, ms. */
const UNLOGGED_MS = 15_000;
/** The call of an older fax is in the log, or the log has been rotated since, ms. */
const LOGGED_BY_NOW_MS = 600_000;
/** Pause while a fax is waiting, ms. */
const WAITING_PAUSE_MS = 1_000;
/** Least time between two listings, ms: events come in bursts. */
const GAP_MS = 200;

type FaxState =
  | { is: 'waiting' /** Monotonic ms. */; since: number }
  | { is: 'withheld' }
  | { is: 'dispatched' }
  | { is: 'done' };

interface Receiver {
  readonly session: Session;
  readonly signal: AbortSignal;
  /** By key. */
  readonly states: Map<string, FaxState>;
}

export async function* receive(session: Session, signal: AbortSignal): AsyncGenerator<InboundMessage<FaxDocument>> {
  const receiver: Receiver = { session, signal, states: new Map() };
  try {
    await initialSync(session, signal);
    while (!signal.aborted) {
      yield* receiveListed(receiver);
      await session.received.pause(pauseAfter(receiver), signal);
      await sleep(session.context.clock, GAP_MS, signal).catch(() => {});
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

function pauseAfter({ session, states }: Receiver): number {
  const someWaiting = [...states.values()].some(({ is }) => is === 'waiting');
  return someWaiting ? WAITING_PAUSE_MS : session.context.settings.PollSeconds * 1_000;
}

async function* receiveListed(receiver: Receiver): AsyncGenerator<InboundMessage<FaxDocument>> {
  for (const { fax, state } of await listOpen(receiver)) {
    const message = state === 'acknowledged' ? unconfirmed(receiver, fax) : await examine(receiver, fax);
    if (!message) continue;
    receiver.states.set(fax.key, { is: 'dispatched' });
    yield message;
    if (receiver.signal.aborted) return;
  }
}

/** The faxes to receive or confirm, oldest first. */
async function listOpen({ session, signal, states }: Receiver) {
  const listed = await session.withClient(signal, listReceived, 'needed');
  forgetUnlisted(states, new Set(listed.map(({ key }) => key)));
  const open = listed.filter(({ key, arriving }) => !arriving && !isClosed(states.get(key)));
  const journaled = await session.context.driverState.statesOf(open.map(({ key }) => key));
  return open.flatMap((fax): { fax: ReceivedFile; state: InboundState | undefined }[] => {
    const state = journaled.get(fax.key);
    if (state === undefined || state === 'pending' || state === 'acknowledged') return [{ fax, state }];
    states.set(fax.key, { is: 'done' });
    return [];
  });
}

const isClosed = (state: FaxState | undefined) => state?.is === 'done' || state?.is === 'dispatched';

function forgetUnlisted(states: Map<string, FaxState>, listed: ReadonlySet<string>): void {
  for (const [key, { is }] of [...states]) if (is !== 'dispatched' && !listed.has(key)) states.delete(key);
}

/** Acknowledged before a restart: only the confirmation is missing. */
function unconfirmed(receiver: Receiver, fax: ReceivedFile): InboundMessage<FaxDocument> {
  return { ...settlements(receiver, fax), key: fax.key, fingerprint: '', content: null, bytes: 0 };
}

/** Undefined when the fax is not received now. */
async function examine(receiver: Receiver, fax: ReceivedFile): Promise<InboundMessage<FaxDocument> | undefined> {
  const { session, states } = receiver;
  const { clock, settings } = session.context;
  if (fax.size > MAX_FAX_BYTES) return skipTooLarge(receiver, fax);
  const { raw, calls } = await download(receiver, fax);
  if (!raw) return undefined;
  const call = calls && receptionOf(calls, fax.file);
  if (isFromOtherModem(call, settings)) return void states.set(fax.key, { is: 'done' });
  const tiff = readTiff(raw, settings.Region);
  const state = states.get(fax.key);
  const since = state?.is === 'waiting' ? state.since : clock.monotonic();
  const patience = patienceFor(session, fax, tiff.whole, calls !== undefined && !call);
  if (clock.monotonic() - since < patience) return void states.set(fax.key, { is: 'waiting', since });
  const content = documentOf({ fax, raw, tiff, call, notes: notesOn(fax, tiff, call, settings) }, settings);
  return { ...settlements(receiver, fax), key: fax.key, fingerprint: '', content, bytes: raw.length };
}

/** The file, null when it is gone or withheld, and the log of calls where it can be read. */
async function download(receiver: Receiver, fax: ReceivedFile) {
  return receiver.session.withClient(
    receiver.signal,
    async (client) => {
      const calls = await readCalls(client);
      const raw = await client.fetch(`recvq/${fax.file}`, MAX_FAX_BYTES).catch((error) => {
        if (!refusal(error)) throw error;
        // A withheld fax must not block the faxes behind it.
        if (!/no such file/i.test(reasonOf(error))) withhold(receiver, fax, reasonOf(error));
        return null;
      });
      return { raw, calls };
    },
    'needed',
  );
}

/** Ms to wait for the rest of the fax, or for its line in xferfaxlog. */
function patienceFor({ context }: Session, fax: ReceivedFile, whole: boolean, unlogged: boolean): number {
  if (!whole) return INCOMPLETE_MS;
  if (!unlogged || context.clock.now() - fax.at * 1_000 > LOGGED_BY_NOW_MS) return 0;
  return context.settings.Modem === undefined ? UNLOGGED_MS : INCOMPLETE_MS;
}

/** Sentences for the agent. */
function notesOn(fax: ReceivedFile, tiff: TiffSummary, call: Call | undefined, { Modem }: Settings): string[] {
  const notes: string[] = [];
  if (!tiff.whole) notes.push(`The file ${fax.file} that HylaFAX received is incomplete or damaged.`);
  if (Modem !== undefined && !call) notes.push('It is not known which modem received this fax.');
  return notes;
}

function withhold({ session, states }: Receiver, { key, file }: ReceivedFile, reason: string): void {
  if (states.get(key)?.is !== 'withheld')
    session.context.log.warn({ file, reason }, 'HylaFAX withholds a received fax');
  states.set(key, { is: 'withheld' });
}

function skipTooLarge({ session, states }: Receiver, { key, file, size }: ReceivedFile): undefined {
  states.set(key, { is: 'done' });
  session.context.inputRejected('too_large');
  session.context.log.error({ file, bytes: size }, 'received file too large, left in recvq');
}

function settlements(
  { session, states }: Receiver,
  fax: ReceivedFile,
): Pick<InboundMessage<FaxDocument>, 'confirm' | 'reject'> {
  const { context } = session;
  let running: Promise<void> | undefined;
  const confirm = async () => {
    try {
      if (context.settings.AfterReceive === 'Delete') await deleteFile(session, fax);
      states.set(fax.key, { is: 'done' });
    } catch (error) {
      // The next listing finds the fax acknowledged, and confirms it again.
      states.delete(fax.key);
      throw error;
    } finally {
      running = undefined;
    }
  };
  return {
    confirm() {
      running ??= confirm();
      return running;
    },
    async reject(reason) {
      context.log.info({ file: fax.file, reason }, 'quarantined fax stays in recvq');
      states.set(fax.key, { is: 'done' });
    },
  };
}

/** Deletes the file unless another fax has taken its name. */
async function deleteFile({ withClient, closed }: Session, { file, key }: ReceivedFile): Promise<void> {
  await withClient(
    closed,
    async (client) => {
      const listed = await listReceived(client);
      if (!listed.some((fax) => fax.key === key)) return;
      await client.ask(`DELE recvq/${file}`).catch((error) => {
        throw new GatepostError('hylafax/delete', `HylaFAX does not delete ${file}: ${reasonOf(error)}`, {
          advice: 'give the gateway the AdminPassword of the server, or set AfterReceive to "Keep"',
          cause: error,
        });
      });
    },
    'needed',
  );
}
