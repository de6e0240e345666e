// Finds out what became of an attempt whose outcome is unknown. SMPP 3.4 finds a message by its id only, so a lookup needs
// the ids of all parts: from late responses, or from receipts that match the message. Then query_sm gives the rest.
import { type ComposedText, type DeliveryState, messageOf, type Outcome } from '../../../src/driver/contract.js';
import { describeStatus, STATUS } from '../pdu/status.js';
import { stateOf } from '../receipts/receipt-state.js';
import type { AccountHandle } from '../session/account.js';
import { settledBy } from '../session/settled.js';
import type { Part } from './compose.js';
import type { AnsweredAttempt } from './late-responses.js';
import { sent } from './part-outcome.js';

/** The state of one part; `accepted` when query_sm has no answer. */
interface PartState {
  readonly state: DeliveryState;
  readonly description: string;
}

export interface Lookup {
  readonly account: AccountHandle;
  readonly message: ComposedText;
  readonly parts: readonly Part[];
  /** Number of the attempt whose outcome is unknown. */
  readonly attempt: number;
  readonly signal: AbortSignal;
}

/** The attempt of which every part has an id, the newest first; undefined when there is none. */
export function completeAttempt(attempts: readonly AnsweredAttempt[], { parts, attempt }: Lookup) {
  return attempts.find((one) => one.attempt <= attempt && parts.length > 0 && one.ids.size >= parts.length);
}

export async function queryAttempt({ attempt, ids: known }: AnsweredAttempt, lookup: Lookup): Promise<Outcome> {
  const ids = lookup.parts.map((_, at) => known.get(at + 1) ?? '');
  const outcome = outcomeOf(await statesOf(ids, lookup), sent(ids, lookup.message));
  // An earlier attempt counts when it is on its way. That it failed, or that its state is not known any more, says nothing
  // about the latest attempt.
  const isOnItsWay = outcome.kind === 'sent' && outcome.state !== 'accepted';
  return attempt === lookup.attempt || isOnItsWay ? outcome : unanswered(0, lookup);
}

/** `ids`: under which later receipts settle the attempt. */
export function unanswered(answered: number, { parts }: Pick<Lookup, 'parts'>, ids: readonly string[] = []): Outcome {
  const detail = `the SMSC has answered for ${answered} of ${parts.length} parts, and no receipt surely belongs to the others; ask the carrier`;
  return { kind: 'unknown', detail, ...(ids.length > 0 && { ids }) };
}

/** One query after the other, for as long as there is time and a connection. */
async function statesOf(ids: readonly string[], lookup: Lookup): Promise<PartState[]> {
  const states: PartState[] = [];
  let problem: string | undefined;
  for (const id of ids) {
    if (problem === undefined && id !== '')
      try {
        states.push(await query(id, lookup));
        continue;
      } catch (error) {
        problem = messageOf(error);
      }
    states.push({ state: 'accepted', description: problem ?? 'the SMSC gave no id' });
  }
  return states;
}

async function query(id: string, { account, parts, signal }: Lookup): Promise<PartState> {
  const connection = await settledBy(account.bindTransmitter(), signal, 'binding');
  const { source_addr, source_addr_ton, source_addr_npi } = parts[0]?.fields ?? {};
  const request = connection.request('query_sm', { message_id: id, source_addr, source_addr_ton, source_addr_npi });
  const response = await settledBy(request, signal, 'query_sm');
  if (response.status !== STATUS.ok) return { state: 'accepted', description: describeStatus(response.status) };
  const { state, word } = stateOf(response.number('message_state'));
  const error = response.number('error_code');
  return { state, description: error === 0 ? word : `${word}, error code ${error}` };
}

/** Sent, as `accepted` says, unless the SMSC knows already that a part will never arrive. */
function outcomeOf(states: readonly PartState[], accepted: Extract<Outcome, { kind: 'sent' }>): Outcome {
  const failed = states.findIndex(({ state }) => state === 'undelivered');
  if (failed >= 0) {
    const which = states.length > 1 ? `part ${failed + 1} of ${states.length} ` : '';
    const detail = `the SMSC accepted the message and did not deliver it; query_sm: ${which}${states[failed]?.description}`;
    return { kind: 'rejected', detail };
  }
  const ranks: DeliveryState[] = ['accepted', 'sent', 'delivered'];
  const least = ranks.find((rank) => states.some(({ state }) => state === rank)) ?? 'accepted';
  const descriptions = [...new Set(states.map(({ description }) => description))].join('; ');
  return { ...accepted, state: least, detail: `settled after the attempt; query_sm: ${descriptions}` };
}
