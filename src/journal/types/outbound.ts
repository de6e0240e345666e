import type { Outcome } from '../../model/outcome.js';
import type { OutboundState } from '../../model/state.js';
import type { GatewayId } from './inbound.js';

export interface NewOutboundMessage {
  messageId: string;
  gatewayId: GatewayId;
  remoteAddress: string;
  subject: string;
  bytes: number;
  at: number;
}

export interface OutboundRecord {
  messageId: string;
  gatewayId: GatewayId;
  state: OutboundState;
  /** Attempts begun so far. */
  attempts: number;
  /** Under what id it is known outside, once an attempt began. */
  deliverySystemId: string | null;
  /** The last attempt's detail. */
  detail: string | null;
  /** Recipients that have taken it already, lower case. */
  acceptedRecipients: readonly string[];
  firstAttemptAt: number | null;
}

/** What to do with an SE_MESSAGE_SENDING, decided in one transaction. */
export type Acceptance =
  | { kind: 'new'; outboundMessage: OutboundRecord }
  /** Failed, partial or never begun before: a fresh attempt (partial: `order.taken` are served already). */
  | { kind: 'again'; outboundMessage: OutboundRecord }
  /** This process is sending it right now. */
  | { kind: 'joins'; outboundMessage: OutboundRecord }
  /** Sent already: answer at once with the recorded result. */
  | { kind: 'answered'; outboundMessage: OutboundRecord }
  /** An attempt began whose outcome is unknown. */
  | { kind: 'uncertain'; outboundMessage: OutboundRecord };

export interface OutboundJournal {
  /** Every SE_MESSAGE_SENDING goes through here once; one answer is now owed for it (`asked` counts up). An outbound message that is
   *  accepted or begun by this process joins; by a dead process it is never mistaken for one of ours. */
  accept(outboundMessage: NewOutboundMessage): Promise<Acceptance>;
  /** accepted | failed | partial | unknown -> begun; returns the number of the attempt. Nothing may leave before this resolves.
   *  Rejects with `journal/not-to-begin` when it is begun or sent already, or accepted by another instance: of two that
   *  want to send only one may. */
  beginAttempt(messageId: string, deliverySystemId: string): Promise<number>;
  /** begun -> what the outcome says. An attempt settles once; a later word for the same attempt only counts when it turns
   *  unknown into something known (or, still unknown, brings the ids that news will name), and is otherwise ignored. deferred and rejected make it failed, or keep it partial when
   *  somebody has taken it already. */
  recordOutcome(messageId: string, attempt: number, outcome: Outcome): Promise<OutboundRecord>;
  /** One owed answer has been written to the wire. `error` is the Data of ES_MESSAGE_SENT, null for success. */
  answered(messageId: string, error: string | null): Promise<void>;
  /** Called once at start: outbound messages begun by a process that is gone become unknown, accepted ones failed. Returns those
   *  that owe an answer and were asked for after `askedSince` (ms); older debts are written off, with a note in the log. */
  reclaimAbandoned(askedSince: number): Promise<readonly OutboundRecord[]>;
  outboundMessage(messageId: string): Promise<OutboundRecord | null>;
}
