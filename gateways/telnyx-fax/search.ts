import type { Attempt, ComposedFax } from '../../src/driver/contract.js';
import { type Fax, pages } from './faxes.js';
import { markOf } from './identity.js';
import { progressOf } from './progress.js';
import type { Session } from './session.js';

/** Telnyx's machines' clocks differ a little, ms. */
const CLOCK_SLACK_MS = 60_000;
/** The same when the clocks were compared a moment ago. */
const POST_SLACK_MS = 3_000;

/** `unclear`: the list holds a fax that may be this one and carries no mark. */
export type Search = { is: 'found'; fax: Fax } | { is: 'absent' } | { is: 'unclear' };

/**
 * Searches the list of sent faxes for the mark of a send request. Without a filter for the number, because Telnyx may write
 * it differently and the mark is enough.
 */
export async function searchList(
  session: Session,
  message: ComposedFax,
  attempt: Attempt,
  signal: AbortSignal,
): Promise<Search> {
  const { api, context } = session;
  const mark = markOf(context.gateway.id, attempt, message);
  const since = api.clock.at(attempt.firstAttemptAt) - CLOCK_SLACK_MS;
  const from = context.settings.Number;
  const marked: Fax[] = [];
  let unmarked = false;
  for await (const page of pages(api, { direction: 'outbound', since }, signal)) {
    marked.push(...page.filter((fax) => fax.clientState === mark && !isOfEarlierAttempt(session, fax, attempt)));
    // Faxes of this gateway always carry a mark. One without, to the same number, may have lost it at Telnyx.
    unmarked ||= page.some((fax) => fax.clientState === null && fax.to === message.to && fax.from === from);
  }
  const [best] = marked.sort((one, other) => preference(other) - preference(one));
  if (best) return { is: 'found', fax: best };
  return { is: unmarked ? 'unclear' : 'absent' };
}

/** The failure of an earlier attempt says nothing about the attempt whose outcome is unknown. */
function isOfEarlierAttempt({ api, posted }: Session, fax: Fax, { messageId }: Attempt): boolean {
  const latest = posted.get(messageId);
  if (latest === undefined || progressOf(fax)?.state !== 'undelivered') return false;
  return (fax.createdAt ?? Number.POSITIVE_INFINITY) < api.clock.at(latest) - POST_SLACK_MS;
}

/** Of several attempts: the one that arrived, else one that still may, else the latest that failed. */
function preference(fax: Fax): number {
  const progress = progressOf(fax);
  const group = progress?.state === 'delivered' ? 2 : progress?.final ? 0 : 1;
  // Later by creation time within its group: times in ms stay below 1e15.
  return group * 1e15 + (fax.createdAt ?? 0);
}
