// Owns what can be found out about a message that was given up as unknown: SMPP finds messages by id only, so the ids that
// its answers bring after all are kept. They are not forgotten by a lookup, because what it found may never reach the
// journal; their age ends them.
import {
  type Attempt,
  type ComposedText,
  type DeliveryState,
  type GatewayContext,
  messageOf,
  type Outcome,
  raceSignal,
} from '../../../src/driver/contract.js';
import { STATUS, statusWords } from '../pdu/status.js';
import { stateOf } from '../receipts/receipt.js';
import type { Link } from '../session/account.js';
import type { SmppSettings } from '../settings.js';
import { lasting } from '../ttl-store.js';
import { type Fields, partsOf } from './compose.js';
import { sent } from './submit.js';

export interface Late {
  /** Ids by number of the part. */
  note(message: ComposedText, attempt: Attempt, parts: ReadonlyMap<number, string>): void;
  lookup(link: Link, message: ComposedText, attempt: Attempt): Promise<Outcome>;
}

/** Collection of ids: `<reference in hexadecimal octets>.<attempt>.<part>` -> id. */
const ANSWERED = 'answered';
/** Of all attempts at one message together; the longest has 255 parts. */
const MOST_ANSWERS = 5_000;
const ATTEMPT_DIGITS = 6;

/** What the SMSC says of one part; `accepted` when it says nothing. */
interface PartState {
  readonly state: DeliveryState;
  readonly words: string;
}

type Context = Pick<GatewayContext<SmppSettings>, 'driverState' | 'clock' | 'log' | 'settings'>;

export async function lateOf({ driverState, clock, log, settings }: Context): Promise<Late> {
  const kept = lasting(driverState, ANSWERED, clock.now);
  await kept.prune();

  /** By attempt, the newest first: the ids of its parts. */
  async function answersTo(message: ComposedText): Promise<[attempt: number, parts: Map<number, string>][]> {
    const head = keyOf(message);
    const attempts = new Map<number, Map<number, string>>();
    for (const { key, value } of await kept.find(head, MOST_ANSWERS)) {
      const [attempt = 0, part = 0] = key.slice(head.length).split('.').map(Number);
      const parts = attempts.get(attempt) ?? new Map<number, string>();
      attempts.set(attempt, parts.set(part, String(value)));
    }
    return [...attempts].sort(([one], [other]) => other - one);
  }

  return {
    note(message, attempt, parts) {
      if (parts.size === 0) return;
      const head = `${keyOf(message)}${String(attempt.number).padStart(ATTEMPT_DIGITS, '0')}.`;
      kept
        .keep([...parts].map(([part, id]) => ({ key: `${head}${part}`, value: id })))
        .catch((error) => log.warn({ error: messageOf(error) }, 'a late answer of the SMSC was not kept'));
    },

    async lookup(link, message, attempt) {
      const plan = partsOf(message, settings);
      const parts = 'parts' in plan ? plan.parts : [];
      const attempts = (await answersTo(message)).filter(([number]) => number <= attempt.number);
      const latest = attempts.find(([number]) => number === attempt.number)?.[1].size ?? 0;
      const whole = attempts.find(([, ids]) => parts.length > 0 && ids.size >= parts.length);
      if (!whole) return unknown(latest, parts.length);
      const [number, found] = whole;
      const ids = parts.map((_, at) => found.get(at + 1) ?? '');
      const states = await statesOf(link, ids, parts[0] ?? {}, attempt.signal);
      const outcome = outcomeOf(states, sent(ids, message));
      // An earlier attempt counts when it is known to get on. That it came to nothing, or that nobody knows any more, says
      // nothing about the latest.
      const getsOn = outcome.kind === 'sent' && outcome.state !== 'accepted';
      return number === attempt.number || getsOn ? outcome : unknown(latest, parts.length);
    },
  };
}

function unknown(answered: number, total: number): Outcome {
  const detail = `the SMSC has answered for ${answered} of ${total} parts; without its id a message cannot be asked for`;
  return { kind: 'unknown', detail };
}

/** One after the other, for as long as there is time and a link. */
async function statesOf(link: Link, ids: readonly string[], fields: Fields, signal: AbortSignal): Promise<PartState[]> {
  const states: PartState[] = [];
  let problem: string | undefined;
  for (const id of ids) {
    if (problem === undefined && id !== '')
      try {
        states.push(await query(link, id, fields, signal));
        continue;
      } catch (error) {
        problem = messageOf(error);
      }
    states.push({ state: 'accepted', words: problem ?? 'the SMSC gave no id' });
  }
  return states;
}

async function query(link: Link, id: string, fields: Fields, signal: AbortSignal): Promise<PartState> {
  const wire = await raceSignal(link.sending(), signal, 'waiting for the link');
  const { source_addr, source_addr_ton, source_addr_npi } = fields;
  const asked = wire.request('query_sm', { message_id: id, source_addr, source_addr_ton, source_addr_npi });
  const answer = await raceSignal(asked, signal, 'query_sm');
  if (answer.status !== STATUS.ok) return { state: 'accepted', words: statusWords(answer.status) };
  const { state, word } = stateOf(answer.number('message_state'));
  const error = answer.number('error_code');
  return { state, words: error === 0 ? word : `${word}, error code ${error}` };
}

/** Taken, as `taken` says; and if the SMSC knows already that it will never arrive, that is what is to be told. */
function outcomeOf(states: readonly PartState[], taken: Extract<Outcome, { kind: 'sent' }>): Outcome {
  const failed = states.findIndex(({ state }) => state === 'undelivered');
  if (failed >= 0) {
    const which = states.length > 1 ? `part ${failed + 1} of ${states.length} ` : '';
    return {
      kind: 'rejected',
      detail: `the SMSC took it and did not deliver it; query_sm: ${which}${states[failed]?.words}`,
    };
  }
  const sendRequest: DeliveryState[] = ['accepted', 'sent', 'delivered'];
  const least = sendRequest.find((candidate) => states.some(({ state }) => state === candidate)) ?? 'accepted';
  const words = [...new Set(states.map(({ words }) => words))].join('; ');
  return { ...taken, state: least, detail: `the answer came late; query_sm: ${words}` };
}

function keyOf({ reference }: ComposedText): string {
  return `${Buffer.from(reference).toString('hex').slice(0, 300)}.`;
}
