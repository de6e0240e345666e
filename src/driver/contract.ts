// Owns the few words a driver may use. Stands below everything that knows drivers; drivers import nothing else of ours
// but this folder.
//
// Laws, each a case of the conformance suite (test/conformance):
// 1. No confirm before the ack is journaled: the flow calls `confirm`, never the driver itself, except for keys that
//    the memory reports as acknowledged.
// 2. A throw from `send` means *unknown*, unless it is a NotSent. Each driver states its point of no return.
// 3. Everything ends by its deadline or signal; after `close` no timer, socket or listener is left.
// 4. A driver sees clock, chance, log and secrets only through its context, and never decides on retries.
// 5. A driver asks the memory which keys are known before it downloads anything.
import type { Clock, Random } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type {
  ComposedMail,
  ComposedMessage,
  Content,
  FaxRules,
  RawMail,
  TextMessage,
  TextRules,
} from '../model/content.js';
import type { Outcome } from '../model/outcome.js';
import type { DeliveryReceipt } from '../model/receipt.js';
import type { InboundState } from '../model/state.js';
import type { SettingsSchema } from './settings.js';

export type { Cancel, Clock, Random } from '../kit/clock.js';
export { sleep, yieldToEventLoop } from '../kit/clock.js';
export { type Deadline, deadline, raceSignal } from '../kit/deadline.js';
export { codeOf, GatepostError, messageOf } from '../kit/errors.js';
export type { Log } from '../kit/log.js';
export type { Semaphore } from '../kit/semaphore.js';
export { semaphore } from '../kit/semaphore.js';
export type * from '../model/content.js';
export type * from '../model/outcome.js';
export type * from '../model/receipt.js';
export type { InboundState } from '../model/state.js';
export type { SettingsSchema } from './settings.js';

export type DriverChannel = 'Email' | 'SMS' | 'Fax';

/** `In` and `Out` are what the channel carries: RawMail and OutboundMail, TextMessage and OutboundText, FaxDocument and OutboundFax. */
export interface Driver<
  Settings = unknown,
  Session = unknown,
  In extends Content = RawMail,
  Out extends ComposedMessage = ComposedMail,
> {
  /** The device type word, `ImapHost`. */
  readonly device: string;
  readonly channel: DriverChannel;
  /** One sentence for the capability table. */
  readonly summary: string;
  /** Types, errors, docs, redaction: all from here. */
  readonly settings: SettingsSchema<Settings>;
  /** Connects or binds. Throws a GatepostError with one clear sentence when it cannot; the flow tries again with back-off. */
  open(context: GatewayContext<Settings>): Promise<Session>;
  /** Ends everything `open` and `receive` began. Twice is fine. */
  close(session: Session): Promise<void>;
  /** "Test connection": evidence step by step; changes nothing at the counterparty. Ends after the first failed step. */
  check(context: GatewayContext<Settings>, signal: AbortSignal): AsyncIterable<CheckStep>;
  /** Yields inbound messages until `signal` aborts. Back-pressure: the next one is asked for only when there is room. A throw
   *  means the session is broken: the flow closes it and opens a new one. */
  receive?(session: Session, signal: AbortSignal): AsyncIterable<InboundMessage<In>>;
  /** Tries once. The outcome is a value; see law 2 for throws. */
  send?(session: Session, message: Out, attempt: Attempt): Promise<Outcome>;
  /** "Did that one go out?", asked about attempts whose outcome is unknown. `deferred`: surely not, so it may be sent; `not
   *  found`: there is no telling. */
  lookup?(session: Session, message: Out, attempt: Attempt): Promise<Outcome | 'not found'>;
  /**
   * A request of the counterparty at `/webhooks/<gateway id>`: checks that it is genuine and translates it; never stores.
   * What it yields is in the journal before the reply is sent; when the journal cannot take it, the reply is 503 instead.
   */
  webhook?(session: Session, request: RawRequest): Promise<WebhookResult<In>>;
  /** What the content rules of the channel need to know of the settings; SMS only. */
  textRules?(settings: Settings): TextRules;
  /** The same for faxes. */
  faxRules?(settings: Settings): FaxRules;
  /** Whom messages of this gateway come from; what is absent is taken from the send request. */
  sender?(settings: Settings): Sender;
  /** How many sends may run at once. */
  concurrency?(settings: Settings): number;
  /** Id of the inbound gateway that is handed a notice when the end of a send request is known only after its answer; faxes. */
  reportTo?(settings: Settings): string | undefined;
  /** What to do about an unknown outcome; the channel's default when absent (Resend for e-mail, Hold for SMS and fax). */
  whenUncertain?(settings: Settings): WhenUncertain;
}

/** A driver whose type parameters do not matter to the holder. */
// biome-ignore lint/suspicious/noExplicitAny: settings and session are opaque outside their driver, and both are used in both variances.
export type AnyDriver = Driver<any, any, any, any>;

export interface Sender {
  address?: string | undefined;
  name?: string | undefined;
}

export type WhenUncertain = 'Resend' | 'Hold' | 'AssumeSent';

/** Everything a driver sees of the world. */
export interface GatewayContext<Settings> {
  readonly gateway: { readonly id: string; readonly displayName: string; readonly direction: 'I' | 'O' };
  /** Parsed, defaults filled in, secrets resolved. */
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly driverState: DriverState;
  /** State in memory that the gateways of this driver share within one service. A driver keeps no state at module level. */
  readonly shared: Shared;
  /** Relative paths in settings count from here. */
  readonly dataDir: string;
  /** Where the counterparty reaches `webhook`, as configured or as bound; null for a gateway without one. */
  readonly webhookUrl: string | null;
  /** Later news of messages that were sent: delivery receipts, status callbacks. Journaled when it resolves; repeats, late and
   *  out-of-order news are sorted out there. */
  reportReceipts(receipts: readonly DeliveryReceipt[]): Promise<void>;
  /** Counts input that was turned away (a forged push, a broken PDU), under one fixed word of `a-z_`. */
  inputRejected(reason: string): void;
}

/** The value that the gateways of one driver share under `key`; the first one that asks makes it. It lives as long as the service. */
export type Shared = <T>(key: string, make: () => T) => T;

/** What the journal knows about this one gateway. */
export interface DriverState {
  /** The states of those of `keys` that are known at all. Ask in batches. */
  statesOf(keys: readonly string[]): Promise<ReadonlyMap<string, InboundState>>;
  /** Records keys that are not to be received, with their fingerprints. Known keys stay as they are. */
  skip(entries: readonly { key: string; fingerprint: string }[]): Promise<void>;
  /** The keys recorded under any of these fingerprints: for matching after the counterparty renumbered. */
  byFingerprint(
    fingerprints: readonly string[],
  ): Promise<readonly { fingerprint: string; key: string; state: InboundState }[]>;
  /** Gives a known inbound message its new key, all its history kept. */
  rekey(changes: readonly { from: string; to: string }[]): Promise<void>;
  /** Small durable notes of the driver (cursors), JSON; undefined when never written. */
  getCheckpoint(name: string): Promise<unknown>;
  putCheckpoint(name: string, value: unknown): Promise<void>;
  /** Small durable records in collections (parts of long messages that wait for the others). A known key is left as it is. */
  putRecords(collection: string, records: readonly { key: string; value: unknown }[]): Promise<void>;
  /** The records whose key begins with `prefix`, by key, at most `limit`. */
  listRecords(
    collection: string,
    prefix: string,
    limit: number,
  ): Promise<readonly { key: string; value: unknown; at: number }[]>;
  deleteRecords(collection: string, keys: readonly string[]): Promise<void>;
}

export interface CheckStep {
  /** `TCP connection to mail.example.com:993`. */
  readonly name: string;
  readonly ok: boolean;
  /** The evidence: what the counterparty answered, or why it failed and what to do. */
  readonly detail: string;
}

/** Something a driver received and has not confirmed yet. */
export interface InboundMessage<In extends Content = RawMail> {
  /** Its identity at the counterparty: folder+UIDVALIDITY+UID, provider id, file name. At most 500 characters. */
  readonly key: string;
  /** What identifies it when the counterparty renumbers; '' when the key never changes. */
  readonly fingerprint: string;
  /** What came, untouched; null when the memory reports the key as acknowledged and only the confirm is missing. */
  readonly content: In | null;
  /** Bytes it holds in memory, for back-pressure. */
  readonly bytes: number;
  /** Tells the counterparty "taken". Called once the server's ack is in the journal; never before. Idempotent. */
  confirm(): Promise<void>;
  /** It went to quarantine, whole: move it aside, or give the channel's negative reply. Idempotent. */
  reject(reason: string): Promise<void>;
  /** For a counterparty that is waiting on the line: nothing will come of it now, tell it to try again later. */
  defer?(reason: string): Promise<void>;
}

/** An inbound message of any channel. */
export type AnyInboundMessage = InboundMessage<Content>;

/** A request as it came, body untouched, because signatures are over bytes. */
export interface RawRequest {
  readonly method: string;
  /** Path and query below the webhook's own address, `?a=b` or `/status?a=b`; '' when there is nothing. */
  readonly path: string;
  /** The whole public URL, as the counterparty signed it. */
  readonly url: string;
  /** Names in lower case; of repeated ones all values joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Aborts when the counterparty will not wait any longer. */
  readonly signal: AbortSignal;
}

export interface WebhookReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface WebhookResult<In extends Content = TextMessage> {
  readonly reply: WebhookReply;
  /** Spooled to the journal before the reply; their `confirm` and `refuse` are not called. */
  readonly messages?: readonly Pick<InboundMessage<In>, 'key' | 'fingerprint' | 'content'>[];
  readonly receipts?: readonly DeliveryReceipt[];
  /** True when the push concerns the other direction of this gateway: its half is asked instead, if it runs here. */
  readonly otherDirection?: boolean;
}

/** One try at a send request. */
export interface Attempt {
  /** The server's MessageId. */
  readonly messageId: string;
  /** 1 for the first. */
  readonly number: number;
  /** When the send request began to be tried first, ms since the epoch: where a lookup has to start. */
  readonly firstAttemptAt: number;
  /** When this attempt began, ms since the epoch; of a lookup, when the attempt began whose outcome is unknown. */
  readonly startedAt: number;
  /** Aborts when the outcome is due: return what is known at once. */
  readonly signal: AbortSignal;
  /** Ms until `signal` aborts. */
  remaining(): number;
  /** How it gets on, a line of the delivery log: a dial, a page. */
  note(detail: string): void;
}

/** The one error a driver may throw from `send` to say "surely not sent". */
export class NotSent extends Error {
  override readonly name = 'NotSent';
}
