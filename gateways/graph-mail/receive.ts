// Receiving: the changes of the folder are read page by page, and what the journal does not know is downloaded and yielded.
import {
  codeOf,
  GatepostError,
  type InboundMessage,
  type InboundState,
  type RawMail,
  sleep,
} from '../../src/driver/contract.js';
import { HttpFailure } from '../../src/driver/shared/http-client.js';
import { OAuthFailure } from '../../src/driver/shared/oauth/grants.js';
import { AT_A_TIME, GraphRefusal, isSuccess, reasonOf, statusOf } from './api.js';
import { firstLink, type Item, isExpired, type Page, readPage } from './delta.js';
import { inboundMessageOf, pathOf } from './messages.js';
import { type Progress, progress } from './progress.js';
import type { Session } from './session.js';
import { isWanted, type Point, startingPoint, storePoint } from './starting-point.js';

/** Mails that are downloaded ahead of their turn; one request at a time is left for confirming. */
const AHEAD = AT_A_TIME - 1;
/** Repeats of a request that fails for a while, about three minutes together; then the session counts as broken. */
const MAX_FAILURES = 8;
const LONGEST_PAUSE_MS = 60_000;
/** Mails that cannot be downloaded, each tried again with every poll; with more, something else is wrong. */
const MAX_UNREADABLE = 50;

interface Receiving {
  readonly session: Session;
  readonly signal: AbortSignal;
  readonly progress: Progress<Point>;
  /** Mails that could not be downloaded, with the reason. */
  readonly unreadable: Map<string, { readonly item: Item; readonly reason: string }>;
}

export async function* receive(session: Session, stop: AbortSignal): AsyncGenerator<InboundMessage> {
  const signal = AbortSignal.any([stop, session.closed]);
  const receiving: Receiving = { session, signal, progress: progress(), unreadable: new Map() };
  const pauseMs = session.context.settings.PollSeconds * 1_000;
  try {
    let point = await startingPoint(session);
    while (!signal.aborted) {
      point = yield* round(receiving, point);
      await session.wake.pause(pauseMs, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw broken(session, error);
  }
}

function broken({ context }: Session, error: unknown): GatepostError {
  const { Mailbox, Folder } = context.settings;
  const message = `the folder "${Folder}" of ${Mailbox} cannot be read: ${reasonOf(error)}`;
  const advice = error instanceof GatepostError ? error.advice : undefined;
  return new GatepostError('graph/receive', message, { cause: error, ...(advice !== undefined && { advice }) });
}

/** Reads on to the end of the changes. */
async function* round(receiving: Receiving, from: Point): AsyncGenerator<InboundMessage, Point> {
  let point = from;
  await save(receiving);
  yield* download(
    receiving,
    [...receiving.unreadable.values()].map(({ item }) => ({ item, acknowledged: false })),
  );
  while (true) {
    const readAt = receiving.session.api.clock.now();
    const page = await pageAt(receiving, point);
    if (!page) {
      point = await restarted(receiving, point);
      continue;
    }
    const next: Point = { ...point, link: page.link, ...(page.isLast && { phase: 'usual', readUpTo: readAt }) };
    const found = await select(receiving, point, page.items);
    receiving.progress.page(
      page.items.map(({ id }) => id),
      found.map(({ item }) => item.id),
      next,
    );
    yield* download(receiving, found);
    await save(receiving);
    point = next;
    if (page.isLast) return point;
  }
}

async function save({ session, progress }: Receiving): Promise<void> {
  const point = progress.take();
  if (point) await storePoint(session.context, point);
}

/** Undefined when Graph has forgotten the link. */
async function pageAt(receiving: Receiving, { link }: Point): Promise<Page | undefined> {
  const { api, folder } = receiving.session;
  try {
    return await patiently(receiving, receiving.signal, () =>
      readPage(api, link ?? firstLink(folder.id), receiving.signal),
    );
  } catch (error) {
    if (link === null || !isExpired(error)) throw error;
    return undefined;
  }
}

async function restarted({ session, progress }: Receiving, point: Point): Promise<Point> {
  const again: Point = { ...point, link: null, phase: point.phase === 'first' ? 'first' : 'resync' };
  session.context.log.warn({ reason: 'Microsoft Graph has forgotten the delta link' }, 'listing the folder again');
  progress.restart();
  await storePoint(session.context, again);
  return again;
}

interface Found {
  readonly item: Item;
  readonly acknowledged: boolean;
}

const SETTLED: ReadonlySet<InboundState> = new Set(['confirmed', 'quarantined', 'skipped']);

/** The mails that are to be yielded, oldest first. Asked before anything is downloaded. */
async function select({ session, progress }: Receiving, point: Point, items: readonly Item[]): Promise<Found[]> {
  const { driverState, settings } = session.context;
  const candidates = [...new Map(items.map((item) => [item.id, item])).values()].filter(({ id }) => !progress.has(id));
  if (candidates.length === 0) return [];
  const known = await driverState.statesOf(candidates.map(({ id }) => id));
  const isNew = ({ id }: Item) => known.get(id) === undefined;
  const skipped = candidates.filter((item) => isNew(item) && !isWanted(point, item, settings));
  if (skipped.length > 0) await driverState.skip(skipped.map(({ id }) => ({ key: id, fingerprint: '' })));
  const left = new Set(skipped);
  return candidates
    .filter((item) => !left.has(item) && !SETTLED.has(known.get(item.id) ?? 'pending'))
    .map((item) => ({ item, acknowledged: known.get(item.id) === 'acknowledged' }))
    .sort((one, other) => (one.item.receivedAt ?? 0) - (other.item.receivedAt ?? 0));
}

/** Yields in the given sequence; some mails are downloaded ahead. */
async function* download(receiving: Receiving, found: readonly Found[]): AsyncGenerator<InboundMessage> {
  const ending = new AbortController();
  const signal = AbortSignal.any([receiving.signal, ending.signal]);
  const running: Promise<InboundMessage | undefined>[] = [];
  let next = 0;
  try {
    while (next < found.length || running.length > 0) {
      for (; running.length < AHEAD && next < found.length; next++) {
        const message = messageFor(receiving, found[next] as Found, signal);
        message.catch(() => {});
        running.push(message);
      }
      const message = await running.shift();
      if (message) yield message;
    }
  } finally {
    ending.abort();
    await Promise.allSettled(running);
  }
}

/** Undefined when the mail is gone or cannot be downloaded now. */
async function messageFor(
  receiving: Receiving,
  { item, acknowledged }: Found,
  signal: AbortSignal,
): Promise<InboundMessage | undefined> {
  const { session, progress } = receiving;
  const settle = () => progress.settle(item.id);
  if (acknowledged) return inboundMessageOf(session, item, null, settle);
  try {
    const content = await patiently(receiving, signal, () => contentOf(session, item, signal));
    showUnreadable(receiving, item, undefined);
    if (content) return inboundMessageOf(session, item, content, settle);
    settle();
    return undefined;
  } catch (error) {
    // Only what Graph says about this one mail leaves the others their way.
    if (signal.aborted || !(error instanceof GraphRefusal) || isPassing(error) || isAboutAccount(error)) throw error;
    showUnreadable(receiving, item, reasonOf(error));
    if (receiving.unreadable.size > MAX_UNREADABLE) throw error;
    return undefined;
  }
}

function showUnreadable({ session, unreadable }: Receiving, item: Item, reason: string | undefined): void {
  const { log, reportProblem } = session.context;
  if (reason === undefined) {
    if (!unreadable.delete(item.id)) return;
  } else {
    if (!unreadable.has(item.id)) log.warn({ message_key: item.id, reason }, 'mail cannot be downloaded');
    unreadable.set(item.id, { item, reason });
  }
  const [first] = unreadable.values();
  const problem = `${unreadable.size} mails cannot be downloaded and are tried again; one of them: ${first?.reason}`;
  reportProblem('mails', first ? problem : null);
}

/** Undefined when somebody has deleted the mail meanwhile. */
async function contentOf({ api, context }: Session, item: Item, signal: AbortSignal): Promise<RawMail | undefined> {
  const { MaxMessageBytes, Mailbox } = context.settings;
  const path = `${pathOf(item.id)}/$value`;
  const answer = await api.request({ method: 'GET', path, maxBytes: MaxMessageBytes }, signal);
  if (answer.status === 404) return undefined;
  if (!isSuccess(answer)) throw new GraphRefusal(answer);
  const { body, cut, headers } = answer.reply;
  const content: RawMail = { kind: 'mail', raw: body, receivedAt: item.receivedAt ?? context.clock.now() };
  if (!cut) return content;
  if (cut.code !== 'http/too-large') throw cut;
  const size = Math.max(Number(headers['content-length']) || 0, MaxMessageBytes + 1);
  const reason = `The mail is larger than the limit of ${MaxMessageBytes} bytes (MaxMessageBytes), so only its beginning was received; the whole mail stays in the mailbox ${Mailbox}.`;
  return { ...content, cut: { size, reason } };
}

/** Repeats what fails for a while, and shows that meanwhile. */
async function patiently<T>({ session }: Receiving, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const { clock, log, reportProblem } = session.context;
  for (let failures = 1; ; failures++) {
    try {
      const result = await work();
      if (failures > 1) reportProblem('service', null);
      return result;
    } catch (error) {
      signal.throwIfAborted();
      if (failures >= MAX_FAILURES || !isPassing(error)) throw error;
      const pauseMs = Math.max(session.api.pauseMs(), Math.min(LONGEST_PAUSE_MS, 500 * 2 ** failures));
      reportProblem('service', `no mail can be received at the moment: ${reasonOf(error)}`);
      log.warn({ err: reasonOf(error), failures, retry_in_ms: pauseMs }, 'request to Microsoft Graph failed');
      await sleep(clock, pauseMs, signal);
    }
  }
}

function isPassing(error: unknown): boolean {
  if (error instanceof OAuthFailure) return !error.refused;
  if (error instanceof HttpFailure || codeOf(error) === 'deadline') return true;
  return [408, 429, 502, 503, 504].includes(statusOf(error));
}

function isAboutAccount(error: unknown): boolean {
  return [401, 403].includes(statusOf(error));
}
