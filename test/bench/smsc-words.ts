// Messages between the runner and the two processes that speak SMPP: the SMSC and the bare library.
import { z } from 'zod';
import { DESK } from './sms-texts.js';

export const SYSTEM_ID = 'bench';
export const PASSWORD = 'pw-bench';

/** The settings of a gateway. Receipts would be further deliver_sm, which the bare library does not ask for either. */
export function accountOf(direction: 'I' | 'O', port: number, window: number): Readonly<Record<string, unknown>> {
  const account = { Host: '127.0.0.1', Port: port, SystemId: SYSTEM_ID, Password: PASSWORD, SourceAddress: DESK };
  return direction === 'I' ? account : { ...account, WindowSize: window, Receipts: false };
}

/** What the SMSC is told. */
export const smscCommand = z.discriminatedUnion('do', [
  /** Delivers the texts from `first` on, or the first of two parts of so many different ones, `window` of them unanswered. */
  z.object({
    do: z.literal('deliver'),
    what: z.enum(['texts', 'parts']),
    first: z.number(),
    count: z.number(),
    window: z.number(),
  }),
  /** How many submit_sm have come? */
  z.object({ do: z.literal('count') }),
]);
export type SmscCommand = z.infer<typeof smscCommand>;

export const smscReport = z.discriminatedUnion('is', [
  z.object({ is: z.literal('listening'), port: z.number() }),
  z.object({ is: z.literal('bound') }),
  /** `ms` from the first deliver_sm to the last answer; `refused`: answers other than ESME_ROK. */
  z.object({ is: z.literal('delivered'), ms: z.number(), refused: z.number() }),
  z.object({ is: z.literal('counted'), submits: z.number() }),
]);
export type SmscReport = z.infer<typeof smscReport>;

/** What the bare library is told: to submit the texts from `first` on. */
export const submitJob = z.object({ first: z.number(), count: z.number() });
export const submitted = z.object({ ms: z.number(), refused: z.number() });
