import type { InboundState, OutboundState } from '../../model/state.js';
import type { GatewayId } from './inbound.js';

/** One step of one message, as ops people search it. */
export interface LogEntry {
  id: number;
  at: number;
  gatewayId: GatewayId;
  direction: 'I' | 'O';
  /** received, handed, refused, postponed, acknowledged, confirmed, quarantined, released, ignored, rekeyed / ordered, begun,
   *  sent, deferred, rejected, partial, unknown, answered, receipt, note */
  event: string;
  /** Key of the inbound message or MessageId of the outbound message. */
  subject: string;
  deliverySystemId: string | null;
  messageId: string | null;
  remoteAddress: string | null;
  /** The counterparty's own words, or ours; one line. */
  detail: string | null;
}

export interface LogFilter {
  gatewayId?: string;
  since?: number;
  until?: number;
  /** One of the steps. */
  event?: string;
  /** Entries with an id above this one (for following). */
  after?: number;
  limit: number;
}

export interface MessageTrace {
  /** What the id turned out to be. */
  is: 'inbound' | 'outbound';
  gatewayId: GatewayId;
  state: InboundState | OutboundState;
  ids: { label: string; value: string }[];
  entries: readonly LogEntry[];
}

export interface DeliveryLog {
  /** Oldest first: with `after` the next ones from there, else the newest `limit` of those that match. At most 10,000. */
  entries(filter: LogFilter): Promise<readonly LogEntry[]>;
  /** Everything known under an id: MessageId, RequestId, DeliverySystemId, whole Message-ID (brackets or not), key, a provider's
   *  id of a part; or under the beginning of one, from 8 characters on. At most 10. */
  traces(id: string): Promise<readonly MessageTrace[]>;
  /** A remark outside the verbs (gateway started, UIDVALIDITY rebased with its numbers, ...). */
  note(gatewayId: GatewayId, direction: 'I' | 'O', subject: string, detail: string): Promise<void>;
}
