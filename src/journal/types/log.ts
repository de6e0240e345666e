import type { InboundState, OutboundState } from '../../model/state.js';
import type { GatewayId } from './inbound.js';

/** One event of one message, as operators search it. */
export interface LogEntry {
  id: number;
  at: number;
  gatewayId: GatewayId;
  direction: 'I' | 'O';
  /** received, dispatched, rejected, acknowledged, confirmed, deferred, quarantined, requeued, rekeyed / requested,
   *  attempt_started, sent, partial, deferred, rejected, unknown, answered, receipt / note */
  event: string;
  /** Key of the inbound message or MessageId of the outbound message. */
  subject: string;
  deliverySystemId: string | null;
  messageId: string | null;
  remoteAddress: string | null;
  /** One line, in the counterparty's own words where there are any. */
  detail: string | null;
}

export interface LogFilter {
  gatewayId?: string;
  since?: number;
  until?: number;
  /** One of the events. */
  event?: string;
  /** Entries with an id above this one (for following). */
  after?: number;
  limit: number;
}

export interface MessageTrace {
  /** What the id belongs to. */
  is: 'inbound' | 'outbound';
  gatewayId: GatewayId;
  state: InboundState | OutboundState;
  ids: { label: string; value: string }[];
  /** Messages that belong to this one; `id` finds them. */
  related: readonly RelatedMessage[];
  entries: readonly LogEntry[];
}

export interface RelatedMessage {
  /** `answer`: an outbound message to this customer in this thread. `answers`: the inbound message that this one answers.
   *  `notice`: what the contact center was told of a late result. `notice of`: the message whose result this notice tells. */
  kind: 'answer' | 'answers' | 'notice' | 'notice of';
  id: string;
}

export interface DeliveryLog {
  /** Oldest first: with `after` the next ones from there, else the newest `limit` of those that match. At most 10,000. */
  entries(filter: LogFilter): Promise<readonly LogEntry[]>;
  /** Everything known under an id: MessageId, RequestId, DeliverySystemId, whole Message-ID (brackets or not), key, a provider's
   *  id of a part; or under the beginning of one, from 8 characters on. At most 10. */
  traces(id: string): Promise<readonly MessageTrace[]>;
  /** A remark that belongs to no operation (gateway started, UIDVALIDITY changed, ...). */
  note(gatewayId: GatewayId, direction: 'I' | 'O', subject: string, detail: string): Promise<void>;
}
