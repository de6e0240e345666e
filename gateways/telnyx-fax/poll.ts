// Owns receiving by looking: the list of received faxes is read as far back as the cursor and an overlap reach, and what
// the journal does not know is fetched and yielded, oldest first.
import { codeOf, type FaxDocument, GatepostError, type InboundMessage } from '../../src/driver/contract.js';
import { type Cursor, cursorAt, readNote, writeNote } from '../../src/driver/shared/cursor.js';
import { reasonOf, statusOf } from './api.js';
import { documentOf, inboundMessageOf, isSettled, keyOf } from './arrivals.js';
import { type Fax, pages } from './faxes.js';
import { fetchDocument, isLost } from './media.js';
import type { Session } from './session.js';

const HOUR = 60 * 60_000;
/** Faxes may become visible a little late and clocks differ: this much of what was read is read again, ms. */
const OVERLAP_MS = HOUR;
/** A reception that has not ended after this is not waited for: no call takes so long. */
const LONGEST_CALL_MS = 6 * HOUR;
/** Rounds that may fail one after the other before the session counts as broken. */
const FAILURES = 3;
/** Rounds in which a document may be missing at the place that Telnyx names, before the fax is handed on without it. */
const LOST_TRIES = 5;
/** The same for a store that cannot be reached at all, ms since the fax was created. */
const STORE_MS = 24 * HOUR;
/** Ms for one document. */
const DOCUMENT_MS = 120_000;

interface Polling {
  readonly session: Session;
  readonly cursor: Cursor;
  readonly signal: AbortSignal;
  /** How often the document of a fax was not there, by id. */
  readonly tries: Map<string, number>;
}

export async function* receive(session: Session, stop: AbortSignal): AsyncGenerator<InboundMessage<FaxDocument>> {
  const { clock, settings, log } = session.context;
  const signal = AbortSignal.any([stop, session.closed]);
  const cursor = await startingPoint(session, signal).catch((error) => {
    if (signal.aborted) return undefined;
    throw broken(error);
  });
  if (!cursor) return;
  const polling: Polling = { session, cursor, signal, tries: new Map() };
  let failures = 0;
  while (!signal.aborted) {
    try {
      yield* round(polling);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (failures >= FAILURES || isAboutUs(error)) throw broken(error);
      log.warn(
        { error: reasonOf(error), failures },
        'looking for received faxes failed; the next look comes in its time',
      );
    }
    await session.bell.pause(clock, settings.PollSeconds * 1_000, signal);
  }
}

/** Waiting cannot help when the key is refused; a person has to see it. */
function isAboutUs(error: unknown): boolean {
  return [401, 403].includes(statusOf(error));
}

function broken(error: unknown): GatepostError {
  if (error instanceof GatepostError && !['deadline', 'telnyx/no-answer'].includes(codeOf(error))) return error;
  return new GatepostError('telnyx/list', `the faxes of the account cannot be listed: ${reasonOf(error)}`, {
    cause: error,
  });
}

/**
 * At the very first start what is there already is not wanted: it is written down as ignored, as far back as looking ever
 * goes; a call that is going on is wanted. Cut short by a crash, this is done again with the moment of the first try.
 */
async function startingPoint(session: Session, signal: AbortSignal): Promise<Cursor> {
  const { driverState, clock, log } = session.context;
  const now = session.api.theirs(clock.now());
  const note = (await readNote(driverState)) ?? { start: now, settledUpTo: null };
  const { start } = note;
  if (note.settledUpTo !== null) return cursorAt(driverState, { start, settledUpTo: note.settledUpTo });
  await writeNote(driverState, note);
  let ignored = 0;
  for await (const page of pages(session.api, { ...mine(session), since: start - LONGEST_CALL_MS }, signal)) {
    const old = page.filter((fax) => createdAt(fax, start) < start && !isUnderWay(fax));
    await driverState.skip(old.map(({ id }) => ({ key: keyOf(id), fingerprint: '' })));
    ignored += old.length;
  }
  await writeNote(driverState, { start: start - LONGEST_CALL_MS, settledUpTo: start });
  log.info({ ignored }, 'the first start: faxes that were there before are left alone');
  return cursorAt(driverState, { start: start - LONGEST_CALL_MS, settledUpTo: start });
}

async function* round(polling: Polling): AsyncGenerator<InboundMessage<FaxDocument>> {
  const { cursor, session } = polling;
  const began = session.api.theirs(session.context.clock.now());
  const { found, unfinished } = await look(polling, began);
  // As far back as something stays behind, the cursor must not pass.
  let behind = Math.min(began, unfinished);
  for (const { fax, acknowledged } of found) {
    const inboundMessage = await inboundMessageFor(polling, fax, acknowledged, began);
    if (inboundMessage) yield inboundMessage;
    else behind = Math.min(behind, createdAt(fax, began));
  }
  await cursor.advance(behind);
}

interface Found {
  readonly fax: Fax;
  readonly acknowledged: boolean;
}

/** `found`: oldest first. `unfinished`: when the oldest call began that is still going on; infinite when there is none. */
async function look(
  { session, cursor, signal }: Polling,
  now: number,
): Promise<{ found: readonly Found[]; unfinished: number }> {
  const since = Math.max(cursor.start, Math.min(cursor.settledUpTo, now) - OVERLAP_MS);
  const seen = new Map<string, Fax>();
  let unfinished = Number.POSITIVE_INFINITY;
  for await (const page of pages(session.api, { ...mine(session), since }, signal)) {
    for (const fax of page) {
      if (fax.status === 'received') seen.set(fax.id, fax);
      else if (isUnderWay(fax) && createdAt(fax, now) > now - LONGEST_CALL_MS)
        unfinished = Math.min(unfinished, createdAt(fax, now));
    }
  }
  const found = await unknown(session, cursor, [...seen.values()]);
  return { found: found.sort((one, other) => createdAt(one.fax, now) - createdAt(other.fax, now)), unfinished };
}

/** What has to be handed on: unknown, or begun by a process that is gone, or only to be confirmed. */
async function unknown(session: Session, cursor: Cursor, faxes: readonly Fax[]): Promise<Found[]> {
  const candidates = faxes.filter(({ id }) => !cursor.handed(id));
  if (candidates.length === 0) return [];
  const known = await session.context.driverState.statesOf(candidates.map(({ id }) => keyOf(id)));
  return candidates.flatMap((fax) => {
    const state = known.get(keyOf(fax.id));
    if (isSettled(state)) return [];
    // Pushed, and in the journal: it goes its way from there.
    if (state !== undefined && session.pushed.has(fax.id)) return [];
    return [{ fax, acknowledged: state === 'acknowledged' }];
  });
}

/** Undefined when its document is not to be had yet. */
async function inboundMessageFor(
  { session, cursor, signal, tries }: Polling,
  listed: Fax,
  acknowledged: boolean,
  now: number,
): Promise<InboundMessage<FaxDocument> | undefined> {
  const { id } = listed;
  const settled = () => cursor.settle(id);
  const hand = (content: FaxDocument | null) => {
    tries.delete(id);
    cursor.begin(id, createdAt(listed, now));
    return inboundMessageOf(id, content, settled);
  };
  if (acknowledged) return hand(null);
  const fax = completed(listed, session.told.get(id));
  const receivedAt = fax.updatedAt ?? session.context.clock.now();
  try {
    return hand(documentOf(fax, await fetchDocument(session, fax, DOCUMENT_MS, signal), receivedAt));
  } catch (error) {
    signal.throwIfAborted();
    const count = (tries.get(id) ?? 0) + 1;
    tries.set(id, count);
    const hopeless = isLost(error) ? count >= LOST_TRIES : createdAt(listed, now) < now - STORE_MS;
    if (hopeless) return hand(documentOf(fax, new Uint8Array(), receivedAt, reasonOf(error)));
    session.context.log.warn(
      { fax: id, error: reasonOf(error), tries: count },
      'the document of a fax is not there yet',
    );
    return undefined;
  }
}

/** The list as it is now, and what only the webhook said. */
function completed(listed: Fax, told: Fax | undefined): Fax {
  if (!told) return listed;
  const { callerId, pages, partial, seconds } = told;
  return { ...listed, callerId: listed.callerId ?? callerId, pages: listed.pages ?? pages, partial, seconds };
}

function mine({ context: { settings } }: Session) {
  return { direction: 'inbound', to: settings.Number } as const;
}

const UNDER_WAY = new Set(['initiated', 'receiving', 'media.processing']);

function isUnderWay({ status }: Fax): boolean {
  return status !== null && UNDER_WAY.has(status);
}

/** A fax that does not say when it was created counts as from now. */
function createdAt(fax: Fax, now: number): number {
  return fax.createdAt ?? now;
}
