/**
 * The delivery state of a sent message, as the counterparty reported it. The state only moves forward, and an end stays:
 * accepted -> sent -> delivered | undelivered
 */
export type DeliveryState = 'accepted' | 'sent' | 'delivered' | 'undelivered';

/** A delivery receipt (SMPP 3.4 section 5.2.12, RFC 3464, a provider's status callback). */
export interface DeliveryReceipt {
  /** The id under which the counterparty accepted the message, or one part of it. */
  readonly id: string;
  readonly state: DeliveryState;
  /** When the state was reached, by the counterparty's clock, ms since the epoch. */
  readonly at: number;
  /** The counterparty's own words and codes; null when the receipt has none. */
  readonly detail: string | null;
  /** True for progress that gets a line in the delivery log although the state stays: a call, a page. */
  readonly progress?: boolean;
}
