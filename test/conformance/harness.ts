// Owns what a driver's conformance test hands in: a live counterparty, and ways to make it misbehave.
import type { OutboundMail, Outcome } from '../../src/driver/contract.js';

export interface Counterparty {
  /** Settings that work, as an administrator writes them. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** The same but for one thing that makes it unusable: nobody listens there, the port is taken, ... */
  readonly unreachable: Readonly<Record<string, unknown>>;
  /** Where relative paths count from; a temp folder when absent. */
  readonly dataDir?: string;
  close(): Promise<void>;
}

/** The counterparty of a receiving gateway. */
export interface Offering extends Counterparty {
  /** Puts a mail on offer, whether the gateway is open or not; one that is not taken is offered again by itself. */
  offer(raw: Buffer): Promise<void>;
  /** How many mails the counterparty still counts as its own. */
  untaken(): Promise<number> | number;
  /** How many mails it knows to be refused. */
  refused(): Promise<number> | number;
}

/** The counterparty of a sending gateway. */
export interface Taking extends Counterparty {
  /** Mails that are out and cannot be taken back. */
  delivered(): Promise<readonly { raw: Buffer }[]> | readonly { raw: Buffer }[];
}

/** One way of breaking a send. */
export interface Cut<T> {
  readonly name: string;
  /** Called when the gateway is open and before the send. */
  arm(counterparty: T): Promise<void> | void;
  /** What the driver may make of it. */
  readonly outcomes: readonly Outcome['kind'][];
  /** The mail to send, when the usual small one is not enough. */
  readonly mail?: OutboundMail;
  /** For counterparties that fall silent: resolves when they have. The attempt's time is over then. */
  silent?(counterparty: T): Promise<void>;
}

export interface Harness<In extends Offering, Out extends Taking> {
  /** Why the counterparty cannot be had on this machine. The cases are then reported as skipped, with this reason. */
  readonly missing?: string | undefined;
  /** A counterparty for one test. For drivers that receive. */
  readonly offering?: () => Promise<In>;
  /** The same for drivers that send. */
  readonly taking?: () => Promise<Out>;
  readonly cuts?: readonly Cut<Out>[];
}
