/**
 * How far a sent message has come. Only ever moves forward, and from an end nowhere:
 * accepted -> sent -> delivered | undelivered
 */
export type DeliveryState = 'accepted' | 'sent' | 'delivered' | 'undelivered';

export interface DeliveryReceipt {
  /** The id under which the counterparty took the message, or one part of it. */
  readonly id: string;
  readonly state: DeliveryState;
  /** When it happened, ms since the epoch. */
  readonly at: number;
  /** The counterparty's own words and codes; null when it gave none. */
  readonly detail: string | null;
  /** True for progress that is worth a line of the delivery log though the state stays: a dial, a page. */
  readonly progress?: boolean;
}
