// Receiving by polling: the list of received messages is read newest first, back to the cursor and an overlap, and what the
// journal does not know is yielded oldest first.
import {
  codeOf,
  deadline,
  GatepostError,
  type InboundMessage,
  messageOf,
  sleep,
  type TextMessage,
} from '../../src/driver/contract.js';
import { type Cursor, cursorAt, readCheckpoint, writeCheckpoint } from '../../src/driver/shared/cursor.js';
import { aborted } from '../../src/driver/shared/wake-signal.js';
import { reasonOf, refusalOf } from './codes.js';
import { inboundMessageOf, keyOf, textOf } from './inbound.js';
import { filterOf, isWanted, readList, SWEEP_MS } from './list.js';
import { type FetchedMedia, fetchMedia, lostMedia, mayComeLater, NO_MEDIA } from './media.js';
import { pages, type Sms, sentTime } from './messages.js';
import type { Session } from './session.js';

/** Rounds that may fail in a row before the session counts as broken. */
const MAX_FAILURES = 3;
/** Rounds in which the media of a message may be missing before the message is delivered without them. */
const MAX_MEDIA_TRIES = 5;
/** Ms for the media of one message. */
const MEDIA_MS = 60_000;

interface Polling {
  readonly session: Session;
  readonly cursor: Cursor;
  readonly signal: AbortSignal;
  /** How often the media of a message could not be fetched, by SID; bounded by the messages of one round. */
  readonly tries: Map<string, number>;
}

export async function* receive(session: Session, stop: AbortSignal): AsyncGenerator<InboundMessage<TextMessage>> {
  const { settings } = session.context;
  const signal = AbortSignal.any([stop, session.closed]);
  if (settings.PollSeconds === 0) return void (await aborted(signal));
  const cursor = await startingPoint(session, signal).catch((error) => {
    if (signal.aborted) return undefined;
    throw broken(error);
  });
  if (cursor) yield* rounds({ session, cursor, signal, tries: new Map() });
}

async function* rounds(polling: Polling): AsyncGenerator<InboundMessage<TextMessage>> {
  const { session, signal } = polling;
  const { clock, settings, log } = session.context;
  let sweptAt = Number.NEGATIVE_INFINITY;
  let failures = 0;
  while (!signal.aborted) {
    let pause = settings.PollSeconds * 1_000;
    try {
      const startedAt = clock.monotonic();
      const sweep = startedAt - sweptAt >= SWEEP_MS;
      const complete = yield* round(polling, sweep);
      if (sweep && complete) sweptAt = startedAt;
      // The rest of a long backlog is waiting: no pause.
      if (!complete) pause = 0;
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      if (failures >= MAX_FAILURES || needsOperator(error)) throw broken(error);
      log.warn({ err: reasonOf(error), failures, retry_in_ms: pause }, 'polling for new messages failed');
    }
    await sleep(clock, pause, signal).catch(() => {});
  }
}

/** Waiting cannot help when the account or its credentials are refused: the gateway has to show the problem. */
function needsOperator(error: unknown): boolean {
  return [401, 403, 404].includes(refusalOf(error).status);
}

function broken(error: unknown): GatepostError {
  if (error instanceof GatepostError && codeOf(error) !== 'deadline') return error;
  return new GatepostError('twilio/list', `the messages of the account cannot be listed: ${reasonOf(error)}`, {
    cause: error,
  });
}

/**
 * At the very first start the messages that are already there are not wanted: they are recorded as skipped, so that no clock
 * that goes wrong can bring them in later. After a crash in the middle the next start repeats this with the first moment.
 */
async function startingPoint(session: Session, signal: AbortSignal): Promise<Cursor> {
  const { driverState, log } = session.context;
  const checkpoint = (await readCheckpoint(driverState)) ?? { start: session.api.clock.now(), settledUpTo: null };
  const { start } = checkpoint;
  if (checkpoint.settledUpTo !== null) return cursorAt(driverState, { start, settledUpTo: checkpoint.settledUpTo });
  await writeCheckpoint(driverState, checkpoint);
  let skipped = 0;
  const filter = { ...filterOf(session), sentSince: start - SWEEP_MS, pageSize: 1_000 };
  for await (const page of pages(session.api, filter, signal)) {
    // Times of the list are whole seconds, rounded down: a message from the very second of the start may be a new one.
    const old = page.filter((sms) => isWanted(session, sms) && sentTime(sms) + 1_000 <= start);
    await driverState.skip(old.map(({ sid }) => ({ key: keyOf(sid), fingerprint: '' })));
    skipped += old.length;
  }
  await writeCheckpoint(driverState, { start, settledUpTo: start });
  log.info({ skipped }, 'first start: existing messages are skipped');
  return cursorAt(driverState, { start, settledUpTo: start });
}

/** Returns false when more messages are waiting than could be held at once. */
async function* round(polling: Polling, sweep: boolean): AsyncGenerator<InboundMessage<TextMessage>, boolean> {
  const { cursor, session, signal } = polling;
  const startedAt = session.api.clock.now();
  const { found, unfinished, cutOff } = await readList(session, cursor, sweep, signal);
  // The cursor must not pass a message that stays behind.
  let seenUpTo = Math.min(startedAt, unfinished, cutOff);
  for (const { sms, acknowledged } of found) {
    const inboundMessage = await inboundMessageFor(polling, sms, acknowledged);
    if (inboundMessage) yield inboundMessage;
    else seenUpTo = Math.min(seenUpTo, sentTime(sms));
  }
  await cursor.advance(seenUpTo);
  return cutOff === Number.POSITIVE_INFINITY;
}

/** Undefined when its media may still come. */
async function inboundMessageFor(
  polling: Polling,
  sms: Sms,
  acknowledged: boolean,
): Promise<InboundMessage<TextMessage> | undefined> {
  const { session, cursor } = polling;
  const media = acknowledged ? NO_MEDIA : await mediaOf(polling, sms);
  if (!media) return undefined;
  cursor.dispatch(sms.sid, sentTime(sms));
  const content = acknowledged ? null : textOf(sms, media, session.context.clock.now());
  return inboundMessageOf(sms.sid, content, () => cursor.settle(sms.sid));
}

async function mediaOf({ session, signal, tries }: Polling, { sid, media }: Sms): Promise<FetchedMedia | undefined> {
  if (media === 0) return NO_MEDIA;
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
    if (!mayComeLater(error) || count >= MAX_MEDIA_TRIES) {
      tries.delete(sid);
      return lostMedia(media, error);
    }
    log.warn({ message_key: keyOf(sid), err: messageOf(error), tries: count }, 'media could not be fetched yet');
    return undefined;
  } finally {
    due.dispose();
  }
}
