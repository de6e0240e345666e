// What a driver's conformance test provides: a live counterparty, and ways to make it misbehave.
import type { ComposedFax, ComposedMail, ComposedMessage, ComposedText, Outcome } from '../../src/driver/contract.js';
import type { DeliveredFax, OfferedFax } from './fax-samples.js';
import type { DeliveredMail, DeliveredText, OfferedText } from './samples.js';

export interface Counterparty {
  /** Settings that work, as an administrator writes them. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The same except for one thing that makes it unusable: no program listens there, the port is in use, ... */
  readonly unreachable: Readonly<Record<string, unknown>>;
  /** Where relative paths count from; a temp folder when absent. */
  readonly dataDir?: string;
  close(): Promise<void>;
}

/** The counterparty of a receiving gateway: of mail unless said otherwise. */
export interface InboundCounterparty<Offered = Buffer> extends Counterparty {
  /** Offers a message, whether the gateway is open or not; the counterparty repeats it until it is confirmed or rejected. */
  offer(offered: Offered): Promise<void>;
  /** Messages that the counterparty has no confirm for. Absent where it does not learn of confirms. */
  unconfirmed?(): Promise<number> | number;
  /** Messages that it knows to be rejected. Absent where it does not learn of rejects. */
  rejected?(): Promise<number> | number;
}

/** The counterparty of a sending gateway: of mail unless said otherwise. */
export interface OutboundCounterparty<Delivered = DeliveredMail> extends Counterparty {
  /** Messages that were sent and cannot be recalled. */
  delivered(): Promise<readonly Delivered[]> | readonly Delivered[];
}

export type TextInboundCounterparty = InboundCounterparty<OfferedText>;
export type TextOutboundCounterparty = OutboundCounterparty<DeliveredText>;
export type FaxInboundCounterparty = InboundCounterparty<OfferedFax>;
export type FaxOutboundCounterparty = OutboundCounterparty<DeliveredFax>;

/** One way of breaking a send. */
export interface Cut<T, Out extends ComposedMessage = ComposedMail> {
  readonly name: string;
  /** Called when the gateway is open and before the send. */
  arm(counterparty: T): Promise<void> | void;
  /** The outcomes that are true then. */
  readonly outcomes: readonly Outcome['kind'][];
  /** The message to send, when the usual small one is not enough. */
  readonly mail?: Out;
  /** For counterparties that fall silent: resolves when they have. The attempt is aborted then. */
  silent?(counterparty: T): Promise<void>;
}

export interface Harness<
  I extends InboundCounterparty<never>,
  O extends OutboundCounterparty<unknown>,
  Out extends ComposedMessage = ComposedMail,
> {
  /** Why the counterparty cannot be started on this machine. The cases are then reported as skipped, with this reason. */
  readonly missing?: string | undefined;
  /** A counterparty for one test. For drivers that receive. */
  readonly inbound?: () => Promise<I>;
  /** The same for drivers that send. */
  readonly outbound?: () => Promise<O>;
  readonly cuts?: readonly Cut<O, Out>[];
}

export type TextCut<T> = Cut<T, ComposedText>;
export type FaxCut<T> = Cut<T, ComposedFax>;
