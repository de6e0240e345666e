import { type Attempt, type ComposedFax, type Outcome, sleep } from '../../src/driver/contract.js';
import { ANSWER_MS, acceptedOutcome } from './accepted.js';
import { fetchFax } from './faxes.js';
import { searchList } from './search.js';
import type { Session } from './session.js';
import { handleOf } from './status.js';

/** Telnyx may still process a POST that was cut off for this long, ms: no server keeps one for longer. */
const IN_TRANSIT_MS = 120_000;
/** A lookup that finds nothing searches again for this long, with this pause, ms. */
const SEARCH_MS = 15_000;
const SEARCH_PAUSE_MS = 3_000;

/** Finds the fax of a send request by its mark, and waits for the end of a call that is in progress. */
export async function lookup(session: Session, fax: ComposedFax, attempt: Attempt): Promise<Outcome | 'not found'> {
  const { poller, api, context } = session;
  const { clock } = context;
  const id = poller.idOf(attempt.messageId);
  const tracked = id === undefined ? undefined : await fetchFax(api, id, attempt.signal);
  if (tracked) return acceptedOutcome(session, tracked, attempt, null);
  const until = clock.monotonic() + SEARCH_MS;
  for (;;) {
    const search = await searchList(session, fax, attempt, attempt.signal);
    if (search.is === 'found') return acceptedOutcome(session, search.fax, attempt, handleOf(search.fax));
    // The list was read to its end, and any request to Telnyx has arrived by now.
    if (search.is === 'absent' && clock.now() - lastPosted(session, attempt) >= IN_TRANSIT_MS)
      return { kind: 'deferred', detail: 'Telnyx has no fax of this message: it never accepted one' };
    if (search.is === 'unclear' || clock.monotonic() >= until) return 'not found';
    if (attempt.remaining() <= ANSWER_MS + SEARCH_PAUSE_MS) return 'not found';
    await sleep(clock, SEARCH_PAUSE_MS, attempt.signal);
  }
}

/** Attempts of an earlier session ended when this one was opened at the latest. */
function lastPosted({ posted, openedAt }: Session, { messageId }: Attempt): number {
  return posted.get(messageId) ?? openedAt;
}
