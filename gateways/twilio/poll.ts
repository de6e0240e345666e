// Owns receiving by looking: the list of received messages is read newest first as far back as the cursor and an overlap
// reach, and what the journal does not know is yielded oldest first.
import {
  codeOf,
  deadline,
  GatepostError,
  type InboundMessage,
  sleep,
  type TextMessage,
} from '../../src/driver/contract.js';
import { type Cursor, cursorAt, readNote, writeNote } from '../../src/driver/shared/cursor.js';
import { pages, type Sms } from './api.js';
import { inboundMessageOf, isSettled, keyOf, textOf } from './arrivals.js';
import { reasonOf, refusalOf } from './codes.js';
import { type Fetched, fetchMedia, lostMedia, mayComeLater } from './media.js';
import type { Session } from './session.js';

const PAGE = 100;
/** Messages may become visible a little late and clocks differ: this much of what was read is read again, ms. */
const OVERLAP_MS = 10 * 60_000;
/** Once an hour, and at every start, the whole day is read: the order of the list is not promised anywhere. */
const SWEEP_MS = 60 * 60_000;
/** Messages held at once while the list is read; of a longer backlog the oldest come first, the others in the next round. */
const MOST = 5_000;
/** Rounds that may fail one after the other before the session counts as broken. */
const FAILURES = 3;
/** Rounds in which the media of a message may be missing before it is handed on without them. */
const MEDIA_TRIES = 5;
/** Ms for the media of one message. */
const MEDIA_MS = 60_000;

interface Polling {
  readonly session: Session;
  readonly cursor: Cursor;
  readonly signal: AbortSignal;
  /** How often the media of a message could not be fetched, by SID. */
  readonly tries: Map<string, number>;
}

export async function* receive(session: Session, stop: AbortSignal): AsyncGenerator<InboundMessage<TextMessage>> {
  const { clock, settings, log } = session.context;
  const signal = AbortSignal.any([stop, session.closed]);
  if (settings.PollSeconds === 0) return void (await aborted(signal));
  const cursor = await startingPoint(session, signal).catch((error) => {
    if (signal.aborted) return undefined;
    throw broken(error);
  });
  if (!cursor) return;
  const polling: Polling = { session, cursor, signal, tries: new Map() };
  let sweptAt = Number.NEGATIVE_INFINITY;
  let failures = 0;
  while (!signal.aborted) {
    let pause = settings.PollSeconds * 1_000;
    try {
      const sweep = clock.monotonic() - sweptAt >= SWEEP_MS;
      const began = clock.monotonic();
      const whole = yield* round(polling, sweep);
      if (sweep && whole) sweptAt = began;
      // The rest of a long backlog is waiting: no pause.
      if (!whole) pause = 0;
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (failures >= FAILURES || isAboutUs(error)) throw broken(error);
      log.warn(
        { error: reasonOf(error), failures },
        'looking for new messages failed; the next look comes in its time',
      );
    }
    await sleep(clock, pause, signal).catch(() => {});
  }
}

/** Waiting cannot help when the account or its credentials are refused; a person has to see it. */
function isAboutUs(error: unknown): boolean {
  const { status } = refusalOf(error);
  return status === 401 || status === 403 || status === 404;
}

function broken(error: unknown): GatepostError {
  if (error instanceof GatepostError && codeOf(error) !== 'deadline') return error;
  return new GatepostError('twilio/list', `the messages of the account cannot be listed: ${reasonOf(error)}`, {
    cause: error,
  });
}

/**
 * At the very first start what is there already is not wanted: it is written down as ignored, so that no clock that goes
 * wrong can bring it in later. Cut short by a crash, this is done again with the moment of the first try.
 */
async function startingPoint(session: Session, signal: AbortSignal): Promise<Cursor> {
  const { driverState, clock, log } = session.context;
  const note = (await readNote(driverState)) ?? { start: session.api.theirs(clock.now()), settledUpTo: null };
  const { start } = note;
  if (note.settledUpTo !== null) return cursorAt(driverState, { start, settledUpTo: note.settledUpTo });
  await writeNote(driverState, note);
  let ignored = 0;
  for await (const page of pages(
    session.api,
    { ...mine(session), sentSince: start - SWEEP_MS, pageSize: 1_000 },
    signal,
  )) {
    // Times of the list are whole seconds, rounded down: one from the very second of the start may be a new one.
    const old = page.filter((sms) => isMine(session, sms) && sentAt(sms) + 1_000 <= start);
    await driverState.skip(old.map(({ sid }) => ({ key: keyOf(sid), fingerprint: '' })));
    ignored += old.length;
  }
  await writeNote(driverState, { start, settledUpTo: start });
  log.info({ ignored }, 'the first start: messages that were there before are left alone');
  return cursorAt(driverState, { start, settledUpTo: start });
}

/** Returns false when more is waiting than could be held at once. */
async function* round(polling: Polling, sweep: boolean): AsyncGenerator<InboundMessage<TextMessage>, boolean> {
  const { cursor, session } = polling;
  const began = session.api.theirs(session.context.clock.now());
  const { found, unfinished, cutOff } = await look(polling, sweep);
  // As far back as something stays behind, the cursor must not pass.
  let behind = Math.min(began, unfinished, cutOff);
  for (const { sms, acknowledged } of found) {
    const inboundMessage = await inboundMessageFor(polling, sms, acknowledged);
    if (inboundMessage) yield inboundMessage;
    else behind = Math.min(behind, sentAt(sms));
  }
  await cursor.advance(behind);
  return cutOff === Number.POSITIVE_INFINITY;
}

interface Found {
  readonly sms: Sms;
  readonly acknowledged: boolean;
}

interface Look {
  /** Oldest first. */
  readonly found: readonly Found[];
  /** When the oldest message was sent that is still on its way to Twilio; infinite when there is none. */
  readonly unfinished: number;
  /** When the oldest message was sent that there was no room for; infinite when there was room for all. */
  readonly cutOff: number;
}

async function look({ session, cursor, signal }: Polling, sweep: boolean): Promise<Look> {
  const now = session.api.theirs(session.context.clock.now());
  const from = Math.min(cursor.settledUpTo, now) - (sweep ? SWEEP_MS : OVERLAP_MS);
  let found: Found[] = [];
  let unfinished = Number.POSITIVE_INFINITY;
  let cutOff = Number.POSITIVE_INFINITY;
  const seen = new Set<string>();
  for await (const page of pages(session.api, { ...mine(session), sentSince: from, pageSize: PAGE }, signal)) {
    // New messages push the others on to the next page, where they show again.
    const here = page.filter((sms) => isMine(session, sms) && !seen.has(sms.sid));
    for (const { sid } of here) seen.add(sid);
    for (const sms of here) if (sms.status === 'receiving') unfinished = Math.min(unfinished, sentAt(sms));
    found.push(...(await unknown(session, cursor, here)));
    if (found.length > MOST) {
      cutOff = found.slice(0, found.length - MOST).reduce((least, { sms }) => Math.min(least, sentAt(sms)), cutOff);
      found = found.slice(-MOST);
    }
    if (!sweep && page.length > 0 && page.every((sms) => sentAt(sms) < from)) break;
  }
  return { found: found.reverse(), unfinished, cutOff };
}

/** What of a page has to be handed on: unknown, or begun by a process that is gone, or only to be confirmed. */
async function unknown(session: Session, cursor: Cursor, page: readonly Sms[]): Promise<Found[]> {
  const candidates = page.filter(({ sid, status }) => status !== 'receiving' && !cursor.handed(sid));
  if (candidates.length === 0) return [];
  const known = await session.context.driverState.statesOf(candidates.map(({ sid }) => keyOf(sid)));
  return candidates.flatMap((sms) => {
    const state = known.get(keyOf(sms.sid));
    if (isSettled(state)) return [];
    // Pushed, and in the journal: it goes its way from there.
    if (state !== undefined && session.pushed.has(sms.sid)) return [];
    return [{ sms, acknowledged: state === 'acknowledged' }];
  });
}

/** Undefined when its media are not to be had yet. */
async function inboundMessageFor(
  polling: Polling,
  sms: Sms,
  acknowledged: boolean,
): Promise<InboundMessage<TextMessage> | undefined> {
  const { session, cursor } = polling;
  const fetched = acknowledged ? NOTHING : await mediaOf(polling, sms);
  if (!fetched) return undefined;
  cursor.begin(sms.sid, sentAt(sms));
  const content = acknowledged ? null : textOf(sms, fetched, session.context.clock.now());
  return inboundMessageOf(sms.sid, content, () => cursor.settle(sms.sid));
}

const NOTHING: Fetched = { media: [], notes: [] };

async function mediaOf({ session, signal, tries }: Polling, { sid, media }: Sms): Promise<Fetched | undefined> {
  if (media === 0) return NOTHING;
  const { clock, log } = session.context;
  const due = deadline(clock, MEDIA_MS, signal);
  try {
    const fetched = await fetchMedia(session.api, sid, due.signal);
    tries.delete(sid);
    return fetched;
  } catch (error) {
    signal.throwIfAborted();
    const count = (tries.get(sid) ?? 0) + 1;
    tries.set(sid, count);
    if (!mayComeLater(error) || count >= MEDIA_TRIES) {
      tries.delete(sid);
      return lostMedia(media, error);
    }
    log.warn({ sid, error: reasonOf(error), tries: count }, 'the media of a message cannot be fetched yet');
    return undefined;
  } finally {
    due.dispose();
  }
}

function mine({ context: { settings } }: Session): { to?: string } {
  return settings.Number ? { to: settings.Number } : {};
}

/** The list cannot be asked for one direction or one messaging service. */
function isMine({ context: { settings } }: Session, { inbound, serviceSid }: Sms): boolean {
  return inbound && (settings.Number !== undefined || serviceSid === settings.MessagingServiceSid);
}

function sentAt(sms: Sms): number {
  return sms.sentAt ?? sms.createdAt;
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
