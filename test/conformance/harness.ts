// Owns what a driver's conformance test hands in: a live counterparty, and ways to make it misbehave.
import type { ComposedFax, ComposedMail, ComposedMessage, ComposedText, Outcome } from '../../src/driver/contract.js';
import type { OfferedFax, TakenFax } from './fax-words.js';
import type { OfferedText, TakenMail, TakenText } from './words.js';

export interface Counterparty {
  /** Settings that work, as an administrator writes them. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The same but for one thing that makes it unusable: nobody listens there, the port is taken, ... */
  readonly unreachable: Readonly<Record<string, unknown>>;
  /** Where relative paths count from; a temp folder when absent. */
  readonly dataDir?: string;
  close(): Promise<void>;
}

/** The counterparty of a receiving gateway: of mail unless said otherwise. */
export interface Offering<Offered = Buffer> extends Counterparty {
  /** Puts a message on offer, whether the gateway is open or not; one that is not taken is offered again by itself. */
  offer(offered: Offered): Promise<void>;
  /** How many messages the counterparty still counts as its own. Absent where it does not learn what was taken. */
  untaken?(): Promise<number> | number;
  /** How many messages it knows to be refused. Absent where it does not learn that. */
  refused?(): Promise<number> | number;
}

/** The counterparty of a sending gateway: of mail unless said otherwise. */
export interface Taking<Taken = TakenMail> extends Counterparty {
  /** Messages that are out and cannot be taken back. */
  delivered(): Promise<readonly Taken[]> | readonly Taken[];
}

export type TextOffering = Offering<OfferedText>;
export type TextTaking = Taking<TakenText>;
export type FaxOffering = Offering<OfferedFax>;
export type FaxTaking = Taking<TakenFax>;

/** One way of breaking a send. */
export interface Cut<T, Out extends ComposedMessage = ComposedMail> {
  readonly name: string;
  /** Called when the gateway is open and before the send. */
  arm(counterparty: T): Promise<void> | void;
  /** What the driver may make of it. */
  readonly outcomes: readonly Outcome['kind'][];
  /** The message to send, when the usual small one is not enough. */
  readonly mail?: Out;
  /** For counterparties that fall silent: resolves when they have. The attempt's time is over then. */
  silent?(counterparty: T): Promise<void>;
}

export interface Harness<
  I extends Offering<never>,
  O extends Taking<unknown>,
  Out extends ComposedMessage = ComposedMail,
> {
  /** Why the counterparty cannot be had on this machine. The cases are then reported as skipped, with this reason. */
  readonly missing?: string | undefined;
  /** A counterparty for one test. For drivers that receive. */
  readonly offering?: () => Promise<I>;
  /** The same for drivers that send. */
  readonly taking?: () => Promise<O>;
  readonly cuts?: readonly Cut<O, Out>[];
}

export type TextCut<T> = Cut<T, ComposedText>;
export type FaxCut<T> = Cut<T, ComposedFax>;
