// Reading a mail on the main thread, which only small ordinary mails may take, and the reduced reading of one that fails.
import { messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import type { RawMail } from '../model/content.js';
import { fallbackMail } from './mail/parse/fallback.js';
import { type MailBudget, type ParsedMail, parseMail, prepare } from './mail/parse/parse-mail.js';
import { FULL_BUDGET } from './mail/parse/read-mail.js';
import type { Reduce } from './mail-workers.js';

export interface ReadBudgets {
  /** Ms a worker may take for one mail. */
  workerMs: number;
  /** Worker threads at once. They keep the main thread free; they do not make reading faster. */
  workers: number;
  /** MB of JavaScript heap per worker. */
  workerHeapMb: number;
  /** Ms after which an idle worker thread, or the idle process that reads faxes, ends. */
  workerIdleMs: number;
  /** What is read in the main thread: nothing in it takes 50 ms in one go. */
  inline: MailBudget;
  /** What is read at all. */
  full: MailBudget;
}

export const DEFAULT_BUDGETS: ReadBudgets = {
  workerMs: 10_000,
  workers: 1,
  workerHeapMb: 512,
  workerIdleMs: 30_000,
  inline: {
    ...FULL_BUDGET,
    scan: { parts: 200, depth: 20, candidates: 5_000, headerLines: 3_000, contentFields: 32 * 1024 },
    // Base64 of 1 MB.
    heavy: { rawBytes: 1.5 * 1024 * 1024, textBytes: 128 * 1024, tags: 1_500 },
  },
  full: FULL_BUDGET,
};

/** Undefined when the mail exceeds the budget of the main thread. Never rejects. */
export async function readOnMainThread(
  mail: RawMail,
  gatewayId: string,
  budget: MailBudget,
  reduced: Reduce,
): Promise<ParsedMail | undefined> {
  try {
    const prepared = prepare(mail, budget);
    return prepared && (await parseMail(prepared, gatewayId));
  } catch (error) {
    return reduced(mail, gatewayId, messageOf(error));
  }
}

export function reduce(mail: RawMail, gatewayId: string, reason: string, log: Log): ParsedMail {
  log.warn({ gateway_id: gatewayId, bytes: mail.raw.byteLength, reason }, 'mail cannot be read in full, reduced');
  return fallbackMail(mail, gatewayId, reason);
}
