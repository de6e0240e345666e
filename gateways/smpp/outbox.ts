// Owns the way out of one gateway: sends, the ids that the SMSC gave, their receipts, and what can be found out later about
// a message whose answer did not come in time.
import {
  type Attempt,
  type GatewayContext,
  messageOf,
  type OutboundText,
  type Outcome,
  raceSignal,
} from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { STATUS, statusWords } from './codes.js';
import { partsOf } from './compose.js';
import { type Habit, type Ids, idsOf, MANNERS } from './ids.js';
import type { Link } from './link.js';
import type { Pdu } from './pdu.js';
import { readReceipt, stateOf } from './receipts.js';
import type { SmppSettings } from './settings.js';
import { sent, submitText } from './submit.js';
import type { Wire } from './wire.js';

export interface Outbox {
  send(link: Link, message: OutboundText, attempt: Attempt): Promise<Outcome>;
  lookup(link: Link, message: OutboundText, attempt: Attempt): Promise<Outcome | 'not found'>;
  /** A receipt: answered when its news are journaled. */
  receipt(pdu: Pdu, wire: Wire): void;
}

/** Collection of ids whose message was given up as unknown: `<reference>.<part>` -> id. */
const ANSWERED = 'answered';
const MOST_PARTS = 255;
const HABIT = 'receiptIds';

const habitShape = z.object({ manner: z.enum(MANNERS), width: z.int().min(0).max(65), upper: z.boolean() });

export async function outboxOf(context: GatewayContext<SmppSettings>): Promise<Outbox> {
  const { settings, memory, clock, log } = context;
  const learned = habitShape.safeParse(await memory.read(HABIT));
  const ids: Ids = idsOf(settings.ReceiptIdFormat, learned.success ? learned.data : undefined);
  let noted = ids.habit;

  async function send(link: Link, message: OutboundText, attempt: Attempt): Promise<Outcome> {
    if (attempt.signal.aborted) return { kind: 'deferred', detail: 'its time was over before it began' };
    const taken = new Map<number, string>();
    let given = false;
    const onTaken = (part: number, id: string) => {
      ids.given(id, message.to);
      taken.set(part, id);
      if (given) note(message, new Map([[part, id]]));
    };
    const outcome = await submitText(message, attempt, { link, settings, onTaken });
    given = true;
    if (outcome.kind === 'unknown') note(message, taken);
    return outcome;
  }

  /** For `lookup`: the answers of a message that was given up, those that came and those that come later. */
  function note(message: OutboundText, parts: ReadonlyMap<number, string>): void {
    if (parts.size === 0) return;
    const records = [...parts].map(([part, id]) => ({ key: `${keyOf(message)}${part}`, value: id }));
    memory
      .keep(ANSWERED, records)
      .catch((error) => log.warn({ error: messageOf(error) }, 'a late answer of the SMSC was not kept'));
  }

  async function lookup(link: Link, message: OutboundText, attempt: Attempt): Promise<Outcome | 'not found'> {
    const plan = partsOf(message, settings);
    const total = 'parts' in plan ? plan.parts.length : 0;
    const records = await memory.kept(ANSWERED, keyOf(message), MOST_PARTS);
    const found = new Map(records.map(({ key, value }) => [Number(key.slice(keyOf(message).length)), String(value)]));
    if (total === 0 || found.size < total)
      return {
        kind: 'unknown',
        detail: `the SMSC has answered for ${found.size} of ${total} parts; without its id a message cannot be asked for`,
      };
    const given = Array.from({ length: total }, (_, at) => found.get(at + 1) ?? '');
    const words = await query(link, given[0] ?? '', message, attempt).catch(messageOf);
    await memory.forget(
      ANSWERED,
      records.map(({ key }) => key),
    );
    return { ...sent(given, message), detail: `the answer came late; ${words}` };
  }

  async function query(link: Link, id: string, message: OutboundText, attempt: Attempt): Promise<string> {
    const wire = await raceSignal(link.sending(), attempt.signal, 'waiting for the link');
    const plan = partsOf(message, settings);
    const fields = 'parts' in plan ? plan.parts[0] : undefined;
    const { source_addr, source_addr_ton, source_addr_npi } = fields ?? {};
    const asked = wire.request('query_sm', { message_id: id, source_addr, source_addr_ton, source_addr_npi });
    const answer = await raceSignal(asked, attempt.signal, 'query_sm');
    if (answer.status !== STATUS.ok) return `query_sm: ${statusWords(answer.status)}`;
    return `query_sm: ${stateOf(answer.number('message_state')).word}`;
  }

  async function report(pdu: Pdu): Promise<void> {
    const { id, state, detail } = readReceipt(pdu);
    if (id === null) {
      context.turnedAway('malformed');
      return log.warn({ detail }, 'a receipt names no message');
    }
    const resolved = ids.resolve(id, pdu.text('source_addr'));
    await context.report([{ id: resolved.id, state, at: clock.now(), detail }]);
    await keepHabit(ids.habit);
  }

  async function keepHabit(habit: Habit | undefined): Promise<void> {
    if (habit === noted || !habit) return;
    noted = habit;
    await memory.write(HABIT, habit);
  }

  return {
    send,
    lookup,
    receipt(pdu, wire) {
      report(pdu).then(
        () => wire.answer(pdu, STATUS.ok),
        (error) => {
          log.warn({ error: messageOf(error) }, 'a receipt could not be journaled; the SMSC keeps it');
          wire.answer(pdu, STATUS.temporary);
        },
      );
    },
  };
}

function keyOf({ reference }: OutboundText): string {
  return `${Buffer.from(reference).toString('hex').slice(0, 300)}.`;
}
