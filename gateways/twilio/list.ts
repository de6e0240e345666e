// Reading the list of received messages: which of them the pipeline has to receive.
import type { Cursor } from '../../src/driver/shared/cursor.js';
import { isSettled, keyOf } from './inbound.js';
import { pages, type Sms, sentTime } from './messages.js';
import type { Session } from './session.js';

const PAGE = 100;
/** Messages may become visible a little late and clocks differ: this much of what was read is read again, ms. */
const OVERLAP_MS = 10 * 60_000;
/** A sweep reads this much, ms: the order of the list is documented nowhere. */
export const SWEEP_MS = 60 * 60_000;
/** Messages held at once while the list is read; of a longer backlog the oldest come first, the others in the next round. */
const MAX_FOUND = 5_000;

export interface Found {
  readonly sms: Sms;
  /** Only the confirmation is missing. */
  readonly acknowledged: boolean;
}

export interface ListRead {
  /** Oldest first. */
  readonly found: readonly Found[];
  /** Time of the oldest message that Twilio is still receiving; Infinity without one. */
  readonly unfinished: number;
  /** Time of the oldest message that there was no room for; Infinity when there was room for all. */
  readonly cutOff: number;
}

export async function readList(
  session: Session,
  cursor: Cursor,
  sweep: boolean,
  signal: AbortSignal,
): Promise<ListRead> {
  const from = Math.min(cursor.settledUpTo, session.api.clock.now()) - (sweep ? SWEEP_MS : OVERLAP_MS);
  let found: Found[] = [];
  let unfinished = Number.POSITIVE_INFINITY;
  let cutOff = Number.POSITIVE_INFINITY;
  const seen = new Set<string>();
  for await (const page of pages(session.api, { ...filterOf(session), sentSince: from, pageSize: PAGE }, signal)) {
    // New messages push the others on to the next page, where they show again.
    const fresh = page.filter((sms) => isWanted(session, sms) && !seen.has(sms.sid));
    for (const { sid } of fresh) seen.add(sid);
    for (const sms of fresh) if (sms.status === 'receiving') unfinished = Math.min(unfinished, sentTime(sms));
    found.push(...(await undelivered(session, cursor, fresh)));
    if (found.length > MAX_FOUND) {
      const dropped = found.slice(0, found.length - MAX_FOUND);
      cutOff = dropped.reduce((least, { sms }) => Math.min(least, sentTime(sms)), cutOff);
      found = found.slice(-MAX_FOUND);
    }
    if (!sweep && page.length > 0 && page.every((sms) => sentTime(sms) < from)) break;
  }
  return { found: found.reverse(), unfinished, cutOff };
}

/** The messages of a page that the journal does not know, that an earlier process left pending, or that lack confirmation. */
async function undelivered(session: Session, cursor: Cursor, page: readonly Sms[]): Promise<Found[]> {
  const candidates = page.filter(({ sid, status }) => status !== 'receiving' && !cursor.dispatched(sid));
  if (candidates.length === 0) return [];
  const known = await session.context.driverState.statesOf(candidates.map(({ sid }) => keyOf(sid)));
  return candidates.flatMap((sms) => {
    const state = known.get(keyOf(sms.sid));
    if (isSettled(state)) return [];
    // A pushed message is in the journal, which delivers it.
    if (state !== undefined && session.pushed.has(sms.sid)) return [];
    return [{ sms, acknowledged: state === 'acknowledged' }];
  });
}

export function filterOf({ context: { settings } }: Session): { to?: string } {
  return settings.Number ? { to: settings.Number } : {};
}

/** Twilio cannot filter the list by direction or by messaging service. */
export function isWanted({ context: { settings } }: Session, { inbound, serviceSid }: Sms): boolean {
  return inbound && (settings.Number !== undefined || serviceSid === settings.MessagingServiceSid);
}
