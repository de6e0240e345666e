import type { Outcome } from '../../model/outcome.js';
import type { AttemptState, OutboundState } from '../../model/state.js';
import type { GatewayId } from './inbound.js';

export interface NewOutboundMessage {
  messageId: string;
  gatewayId: GatewayId;
  remoteAddress: string;
  subject: string;
  bytes: number;
  at: number;
}

export interface AttemptRecord {
  /** From 1. */
  number: number;
  /** The gateway that made the attempt. */
  gatewayId: GatewayId;
  /** Under what id the counterparty knows the message; null when nothing was sent. */
  deliverySystemId: string | null;
  state: AttemptState;
  /** Lower case. */
  acceptedRecipients: readonly string[];
  detail: string | null;
  /** JSON as given to `beginAttempt`; null once the outcome is known. */
  outline: string | null;
  startedAt: number;
  /** Null while the attempt is running. */
  endedAt: number | null;
}

export interface OutboundRecord {
  messageId: string;
  /** The gateway that the first request named. Attempts have their own. */
  gatewayId: GatewayId;
  state: OutboundState;
  /** Oldest first. */
  attempts: readonly AttemptRecord[];
  /** Of the attempt that decides the state. */
  deliverySystemId: string | null;
  detail: string | null;
  /** Recipients that have the message, lower case. */
  acceptedRecipients: readonly string[];
  firstAttemptAt: number | null;
}

/** What an SE_MESSAGE_SENDING means, decided in one transaction. */
export type Acceptance =
  | { kind: 'new'; outboundMessage: OutboundRecord }
  /** No attempt may have gone out to all: the message may be sent, to those that do not have it. */
  | { kind: 'retry'; outboundMessage: OutboundRecord }
  /** Answer with the recorded result. */
  | { kind: 'already-sent'; outboundMessage: OutboundRecord }
  /** An earlier attempt may have gone out. */
  | { kind: 'unknown'; outboundMessage: OutboundRecord };

/** Surely nothing was sent. */
export type NotSentOutcome = Extract<Outcome, { kind: 'deferred' | 'rejected' }>;

export interface AttemptStart {
  /** The gateway that the first request named, when absent. */
  gatewayId?: GatewayId;
  /** The time that the message was composed with; the same from the first attempt on. The time of the attempt when absent. */
  composedAt?: number;
  /** What a lookup after a restart needs of the message. */
  outline?: string;
}

/** A request that no answer was written for. */
export interface OwedAnswer {
  outboundMessage: OutboundRecord;
  /** Requests without an answer. */
  owed: number;
  /** The last request, ms since the epoch. */
  askedAt: number;
}

/** A message that waits for an operator's decision. */
export interface UnresolvedMessage {
  messageId: string;
  gatewayId: GatewayId;
  remoteAddress: string;
  subject: string;
  /** Start of the newest attempt whose outcome is unknown, ms since the epoch. */
  since: number;
  detail: string | null;
}

/** The state of a message follows from its attempts (model/state.ts); every operation here changes attempts and nothing else. */
export interface OutboundJournal {
  /** One SE_MESSAGE_SENDING; one more answer is owed. The caller guarantees that this process is not sending the message, so an
   *  attempt that is still recorded as running was abandoned: its outcome becomes unknown. */
  accept(outboundMessage: NewOutboundMessage): Promise<Acceptance>;
  /** One SE_MESSAGE_SENDING that joins the delivery of the same message in this process; one more answer is owed. */
  requestedAgain(outboundMessage: NewOutboundMessage): Promise<void>;
  /** Starts an attempt; returns its number. Nothing may leave before this resolves. Rejects with `journal/attempt-not-allowed`
   *  when an attempt is running or the message was sent, with `journal/unknown-message` when it was never requested. */
  beginAttempt(messageId: string, deliverySystemId: string, start?: AttemptStart): Promise<number>;
  /** The outcome of one attempt, also of an older one. A known outcome stays; an unknown one may become known, or learn the ids
   *  that receipts will name. */
  recordOutcome(messageId: string, attempt: number, outcome: Outcome): Promise<OutboundRecord>;
  /** An end before anything was sent, as an attempt that is known not to have gone out: it hides no unknown one. Without effect
   *  when the message was sent or another process is sending it. The caller guarantees that this process is not sending it: an
   *  attempt that this process has recorded as running, because `beginAttempt` rejected after its commit, ends so too. */
  recordNotSent(messageId: string, gatewayId: GatewayId, outcome: NotSentOutcome): Promise<OutboundRecord>;
  /** What a gateway's lookup found. `deferred` settles all unknown attempts of the gateway, everything else its newest one. */
  recordLookup(messageId: string, gatewayId: GatewayId, outcome: Outcome): Promise<OutboundRecord>;
  /** An operator's decision about a message whose outcome is unknown; written into the delivery log. Rejects with
   *  `journal/not-unknown` when there is nothing to decide. */
  resolve(messageId: string, decision: 'sent' | 'not-sent', note: string | null, at: number): Promise<OutboundRecord>;
  /** Messages whose outcome is unknown, oldest first, at most 1,000. */
  unresolved(): Promise<readonly UnresolvedMessage[]>;
  /** One answer was written; it stands for `owed` requests (1 when absent). `error` is the Data of ES_MESSAGE_SENT. */
  answered(messageId: string, error: string | null, owed?: number): Promise<void>;
  /** Called once at start: the outcome of attempts of dead processes becomes unknown. Returns the requests since `askedSince` (ms)
   *  that are owed an answer; older debts are written off, with a note in the delivery log. */
  reclaimAbandoned(askedSince: number): Promise<readonly OwedAnswer[]>;
  outboundMessage(messageId: string): Promise<OutboundRecord | null>;
}
