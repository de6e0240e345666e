// Owns the way out of one gateway: sends, the ids that the SMSC gave, and their receipts.
import {
  type Attempt,
  type ComposedText,
  type GatewayContext,
  messageOf,
  type Outcome,
} from '../../../src/driver/contract.js';
import { z } from '../../../src/driver/settings.js';
import type { Pdu } from '../pdu/pdu.js';
import { STATUS } from '../pdu/status.js';
import { type Habit, type Ids, idsOf, MANNERS } from '../receipts/id-format.js';
import { readReceipt } from '../receipts/receipt.js';
import { type Owner, ownerOf } from '../receipts/receipt-owner.js';
import type { Link } from '../session/account.js';
import type { Wire } from '../session/connection.js';
import type { SmppSettings } from '../settings.js';
import { type Late, lateOf } from './late-responses.js';
import { submitText } from './submit.js';

export interface Outbox {
  send(link: Link, message: ComposedText, attempt: Attempt): Promise<Outcome>;
  readonly lookup: Late['lookup'];
  /** A receipt: answered when its news are journaled. */
  receipt(pdu: Pdu, wire: Wire): void;
  readonly owner: Owner;
}

const HABIT = 'receiptIds';

const habitShape = z.object({ manner: z.enum(MANNERS), width: z.int().min(0).max(65), upper: z.boolean() });

export async function outboxOf(context: GatewayContext<SmppSettings>): Promise<Outbox> {
  const { settings, driverState, clock, log } = context;
  const learned = habitShape.safeParse(await driverState.getCheckpoint(HABIT));
  const ids: Ids = idsOf(settings.ReceiptIdFormat, learned.success ? learned.data : undefined);
  const owner = await ownerOf(context, ids);
  const late = await lateOf(context);
  let noted = ids.habit;

  async function send(link: Link, message: ComposedText, attempt: Attempt): Promise<Outcome> {
    if (attempt.signal.aborted) return { kind: 'deferred', detail: 'its time was over before it began' };
    const taken = new Map<number, string>();
    let given = false;
    const onTaken = (part: number, id: string) => {
      ids.given(id, message.to);
      owner.given(id, message.to);
      taken.set(part, id);
      if (given) late.note(message, attempt, new Map([[part, id]]));
    };
    const begin = () => owner.begin(message.to);
    const outcome = await submitText(message, attempt, { link, settings, begin, onTaken });
    given = true;
    if (outcome.kind === 'unknown') late.note(message, attempt, taken);
    return outcome;
  }

  async function report(pdu: Pdu): Promise<void> {
    const { id, state, detail } = readReceipt(pdu);
    if (id === null) {
      context.inputRejected('malformed');
      return log.warn({ detail }, 'a receipt names no message');
    }
    const resolved = ids.resolve(id, pdu.text('source_addr'));
    await context.reportReceipts([{ id: resolved.id, state, at: clock.now(), detail }]);
    await keepHabit(ids.habit);
  }

  async function keepHabit(habit: Habit | undefined): Promise<void> {
    if (habit === noted || !habit) return;
    noted = habit;
    await driverState.putCheckpoint(HABIT, habit);
  }

  return {
    send,
    lookup: late.lookup,
    owner,
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
