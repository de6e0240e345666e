// Receiving by polling: the list of received faxes is read back to the cursor and an overlap, and what the journal does not
// know is fetched and yielded, oldest first.
import { codeOf, type FaxDocument, GatepostError, type InboundMessage } from '../../src/driver/contract.js';
import { type Cursor, cursorAt, readCheckpoint, writeCheckpoint } from '../../src/driver/shared/cursor.js';
import { isMediaGone } from '../../src/driver/shared/media-download.js';
import { reasonOf, statusOf } from './api.js';
import { type Fax, pages } from './faxes.js';
import { documentOf, inboundMessageOf, isSettled, keyOf } from './inbound.js';
import { fetchDocument } from './media.js';
import type { Session } from './session.js';

const HOUR = 60 * 60_000;
/** Faxes may become visible a little late and clocks differ: this much of what was read is read again, ms. */
const OVERLAP_MS = HOUR;
/** A reception that has not ended after this will not end: no call takes so long. */
const LONGEST_CALL_MS = 6 * HOUR;
/** Rounds that may fail in a row before the session counts as broken. */
const MAX_FAILURES = 3;
/** Rounds in which a document may be missing at the address that Telnyx names, before the fax is delivered without it. */
const MAX_GONE_TRIES = 5;
/** The same for a store that cannot be reached at all, ms since the fax was created. */
const STORE_OUTAGE_MS = 24 * HOUR;
/** Ms for one document. */
const DOCUMENT_MS = 120_000;

interface Polling {
  readonly session: Session;
  readonly cursor: Cursor;
  readonly signal: AbortSignal;
  /** How often the document of a fax was not there, by id; bounded by the faxes of the overlap. */
  readonly tries: Map<string, number>;
}

export async function* receive(session: Session, stop: AbortSignal): AsyncGenerator<InboundMessage<FaxDocument>> {
  const { settings, log } = session.context;
  const signal = AbortSignal.any([stop, session.closed]);
  const cursor = await startingPoint(session, signal).catch((error) => {
    if (signal.aborted) return undefined;
    throw broken(error);
  });
  if (!cursor) return;
  const polling: Polling = { session, cursor, signal, tries: new Map() };
  const pauseMs = settings.PollSeconds * 1_000;
  let failures = 0;
  while (!signal.aborted) {
    try {
      yield* round(polling);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (failures >= MAX_FAILURES || needsOperator(error)) throw broken(error);
      log.warn({ err: reasonOf(error), failures, retry_in_ms: pauseMs }, 'polling for received faxes failed');
    }
    await session.pollWake.pause(pauseMs, signal);
  }
}

/** Waiting cannot help when the key is refused: the gateway has to show the problem. */
function needsOperator(error: unknown): boolean {
  return [401, 403].includes(statusOf(error));
}

function broken(error: unknown): GatepostError {
  if (
    error instanceof GatepostError &&
    !['deadline', 'telnyx/no-answer', 'http/not-sent', 'http/no-answer'].includes(codeOf(error))
  )
    return error;
  return new GatepostError('telnyx/list', `the faxes of the account cannot be listed: ${reasonOf(error)}`, {
    cause: error,
  });
}

/**
 * At the very first start the faxes that are already there are not wanted: they are recorded as skipped, as far back as polling
 * ever reads; a call that is going on is wanted. After a crash in the middle the next start repeats this with the first moment.
 */
async function startingPoint(session: Session, signal: AbortSignal): Promise<Cursor> {
  const { driverState, log } = session.context;
  const checkpoint = (await readCheckpoint(driverState)) ?? { start: session.api.clock.now(), settledUpTo: null };
  const { start } = checkpoint;
  if (checkpoint.settledUpTo !== null) return cursorAt(driverState, { start, settledUpTo: checkpoint.settledUpTo });
  await writeCheckpoint(driverState, checkpoint);
  let skipped = 0;
  for await (const page of pages(session.api, { ...filterOf(session), since: start - LONGEST_CALL_MS }, signal)) {
    const old = page.filter((fax) => createdAt(fax, start) < start && !isReceiving(fax));
    await driverState.skip(old.map(({ id }) => ({ key: keyOf(id), fingerprint: '' })));
    skipped += old.length;
  }
  await writeCheckpoint(driverState, { start: start - LONGEST_CALL_MS, settledUpTo: start });
  log.info({ skipped }, 'first start: existing faxes are skipped');
  return cursorAt(driverState, { start: start - LONGEST_CALL_MS, settledUpTo: start });
}

async function* round(polling: Polling): AsyncGenerator<InboundMessage<FaxDocument>> {
  const { cursor, session } = polling;
  const startedAt = session.api.clock.now();
  const { found, unfinished } = await readList(polling, startedAt);
  // The cursor must not pass a fax that stays behind.
  let seenUpTo = Math.min(startedAt, unfinished);
  for (const { fax, acknowledged } of found) {
    const inboundMessage = await inboundMessageFor(polling, fax, acknowledged, startedAt);
    if (inboundMessage) yield inboundMessage;
    else seenUpTo = Math.min(seenUpTo, createdAt(fax, startedAt));
  }
  await cursor.advance(seenUpTo);
}

interface Found {
  readonly fax: Fax;
  readonly acknowledged: boolean;
}

/** `found`: oldest first. `unfinished`: start of the oldest call that is still going on; Infinity without one. */
async function readList(
  { session, cursor, signal }: Polling,
  now: number,
): Promise<{ found: readonly Found[]; unfinished: number }> {
  const since = Math.max(cursor.start, Math.min(cursor.settledUpTo, now) - OVERLAP_MS);
  const seen = new Map<string, Fax>();
  let unfinished = Number.POSITIVE_INFINITY;
  for await (const page of pages(session.api, { ...filterOf(session), since }, signal)) {
    for (const fax of page) {
      if (fax.status === 'received') seen.set(fax.id, fax);
      else if (isReceiving(fax) && createdAt(fax, now) > now - LONGEST_CALL_MS)
        unfinished = Math.min(unfinished, createdAt(fax, now));
    }
  }
  const found = await undelivered(session, cursor, [...seen.values()]);
  return { found: found.sort((one, other) => createdAt(one.fax, now) - createdAt(other.fax, now)), unfinished };
}

/** The faxes that the journal does not know, that an earlier process left pending, or that lack confirmation. */
async function undelivered(session: Session, cursor: Cursor, faxes: readonly Fax[]): Promise<Found[]> {
  const candidates = faxes.filter(({ id }) => !cursor.dispatched(id));
  if (candidates.length === 0) return [];
  const known = await session.context.driverState.statesOf(candidates.map(({ id }) => keyOf(id)));
  return candidates.flatMap((fax) => {
    const state = known.get(keyOf(fax.id));
    if (isSettled(state)) return [];
    // A pushed fax is in the journal, which delivers it.
    if (state !== undefined && session.pushed.has(fax.id)) return [];
    return [{ fax, acknowledged: state === 'acknowledged' }];
  });
}

/** Undefined when its document may still come. */
async function inboundMessageFor(
  { session, cursor, signal, tries }: Polling,
  listed: Fax,
  acknowledged: boolean,
  now: number,
): Promise<InboundMessage<FaxDocument> | undefined> {
  const { id } = listed;
  const dispatched = (content: FaxDocument | null) => {
    tries.delete(id);
    cursor.dispatch(id, createdAt(listed, now));
    return inboundMessageOf(id, content, () => cursor.settle(id));
  };
  if (acknowledged) return dispatched(null);
  const fax = completed(listed, session.pushedDetails.get(id));
  const receivedAt = fax.updatedAt ?? session.context.clock.now();
  try {
    return dispatched(documentOf(fax, await fetchDocument(session, fax, DOCUMENT_MS, signal), receivedAt));
  } catch (error) {
    signal.throwIfAborted();
    const count = (tries.get(id) ?? 0) + 1;
    tries.set(id, count);
    const hopeless = isMediaGone(error) ? count >= MAX_GONE_TRIES : createdAt(listed, now) < now - STORE_OUTAGE_MS;
    if (hopeless) return dispatched(documentOf(fax, new Uint8Array(), receivedAt, reasonOf(error)));
    const fields = { message_key: keyOf(id), err: reasonOf(error), tries: count };
    session.context.log.warn(fields, 'document could not be fetched yet');
    return undefined;
  }
}

/** The fax of the list with the members that only the push has. */
function completed(listed: Fax, pushed: Fax | undefined): Fax {
  if (!pushed) return listed;
  const { callerId, pages, partial, seconds } = pushed;
  return { ...listed, callerId: listed.callerId ?? callerId, pages: listed.pages ?? pages, partial, seconds };
}

function filterOf({ context: { settings } }: Session) {
  return { direction: 'inbound', to: settings.Number } as const;
}

const RECEIVING = new Set(['initiated', 'receiving', 'media.processing']);

function isReceiving({ status }: Fax): boolean {
  return status !== null && RECEIVING.has(status);
}

/** A fax without a creation time counts as created now. */
function createdAt(fax: Fax, now: number): number {
  return fax.createdAt ?? now;
}
