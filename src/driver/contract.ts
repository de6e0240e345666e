// What a driver may use and must keep. A driver imports nothing of the project but src/driver.
//
// Rules; each is a case of the conformance suite (test/conformance):
// 1. A message is confirmed only after its acknowledgement is in the journal. The pipeline calls `confirm`; a driver
//    confirms by itself only the keys that `statesOf` reports as acknowledged.
// 2. A throw from `send` means *unknown*, unless it is NotSent. Each driver states its point of no return beside the code.
// 3. Everything ends by its deadline or signal. After `close` no timer, socket or listener is left. Stopping is bounded.
// 4. A driver sees clock, randomness, log, HTTP and secrets only through its context, and never decides on retries.
// 5. A driver asks which keys are known before it downloads, so that a crash between acknowledgement and confirmation
//    only finishes the confirmation.
// 6. No state at module level: two services in one process do not see each other.
// 7. What hinders a session that goes on is reported as a problem, and as over once it is: a healthy look of a gateway that
//    moves nothing is a fault.
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
import type { Destination, Network } from './network.js';
import type { SettingsSchema } from './settings.js';
import type { Purpose } from './shared/oauth/provider.js';

export type { Cancel, Clock, Random } from '../kit/clock.js';
export { sleep, yieldToEventLoop } from '../kit/clock.js';
export { type Deadline, deadline, raceSignal, readWhatHasArrived } from '../kit/deadline.js';
export { codeOf, GatepostError, messageOf } from '../kit/errors.js';
export type { Log } from '../kit/log.js';
export { semaphore } from '../kit/semaphore.js';
export type * from '../model/content.js';
export type * from '../model/outcome.js';
export type * from '../model/receipt.js';
export type { InboundState } from '../model/state.js';
export type { Destination, Network } from './network.js';
export type { SettingsSchema } from './settings.js';

export type DriverChannel = 'Email' | 'SMS' | 'Fax';

/** `In` and `Out` are what the channel carries: RawMail and ComposedMail, TextMessage and ComposedText, FaxDocument and ComposedFax. */
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
  /** The source of the settings' types, error sentences, documentation and redaction. */
  readonly settings: SettingsSchema<Settings>;
  /** Connects or binds. Throws a GatepostError with one clear sentence when it cannot; the pipeline tries again with back-off. */
  open(context: GatewayContext<Settings>): Promise<Session>;
  /** Ends everything that `open` and `receive` started. Idempotent. */
  close(session: Session): Promise<void>;
  /** Tests the connection step by step, with evidence, and changes nothing at the counterparty. Ends after the first failed step. */
  check(context: GatewayContext<Settings>, signal: AbortSignal): AsyncIterable<CheckStep>;
  /** Yields inbound messages until `signal` aborts. The pipeline asks for the next message only when the window has room
   *  (back-pressure). A throw means that the session is broken: the pipeline closes it and opens a new one. */
  receive?(session: Session, signal: AbortSignal): AsyncIterable<InboundMessage<In>>;
  /** Makes one attempt. The outcome is a value; rule 2 says what a throw means. */
  send?(session: Session, message: Out, attempt: Attempt): Promise<Outcome>;
  /** Asks the counterparty what became of an attempt whose outcome is unknown. `deferred`: the message surely did not go out,
   *  so it may be sent; `not found`: the counterparty cannot tell. */
  lookup?(session: Session, message: Out, attempt: Attempt): Promise<Outcome | 'not found'>;
  /**
   * Handles a request of the counterparty at `/webhooks/<gateway id>`: checks its authenticity and translates it; never stores.
   * The pipeline journals the result before it sends the reply; when the journal cannot write, the reply is 503 instead.
   */
  webhook?(session: Session, request: RawRequest): Promise<WebhookResult<In>>;
  /** The settings that the content rules of SMS need. */
  textRules?(settings: Settings): TextRules;
  /** The settings that the content rules of fax need. */
  faxRules?(settings: Settings): FaxRules;
  /** The sender of this gateway's messages; an absent member is taken from the send request. */
  sender?(settings: Settings): Sender;
  /** What an OAuth2 token of this driver is for, where its settings hold an account under `OAuth2`. */
  readonly oauthPurpose?: Purpose;
  /** Days for which links to attachments work; absent: as long as attachments are stored. */
  linkDays?(settings: Settings): number | undefined;
  /** How many sends may run at once. */
  concurrency?(settings: Settings): number;
  /** Id of the inbound gateway that receives a notice when the result of a fax is known only after its answer. */
  reportTo?(settings: Settings): string | undefined;
  /** Where this gateway connects to, and which of its secrets go there. Absent for a driver that connects to nothing. */
  destinations?(settings: Settings): readonly Destination[];
  /** The policy for an unknown outcome; when absent, the channel's default: Resend for e-mail, Hold for SMS and fax. */
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

/** Everything a driver sees of the platform it runs on. */
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
  /** Like `shared`, but for all drivers of one service: accounts at a provider that several devices sign in with. */
  readonly accounts: Shared;
  readonly secretStore: SecretStore;
  /** Every connection goes through it: it says which addresses may be reached. */
  readonly network: Network;
  /** Relative paths in settings are resolved against this folder. */
  readonly dataDir: string;
  /** True while a disk is below its reserve: nothing new can be stored. A counterparty that can wait is told so early. */
  diskFull(): Promise<boolean>;
  /** Public URL of `webhook`; null for a gateway without one. */
  readonly webhookUrl: string | null;
  /** Delivery receipts of messages that were sent. Journaled when the promise resolves; the journal handles repeated, late and
   *  out-of-order receipts. */
  reportReceipts(receipts: readonly DeliveryReceipt[]): Promise<void>;
  /**
   * Says what an operator should look at although the session goes on: the gateway is shown as degraded, with this sentence.
   * `about` is one fixed word of `a-z_` for what the problem concerns, so that one part of a driver does not clear the problem of
   * another; null means that it is over. Reporting the same again is harmless. Everything reported is forgotten with its session.
   */
  reportProblem(about: string, problem: string | null): void;
  /** Counts rejected input (a forged push, a broken PDU). `reason` is one fixed word of `a-z_`. */
  inputRejected(reason: string): void;
}

/** The value that the gateways of one driver share under `key`; the first one that asks makes it. It lives as long as the service. */
export type Shared = <T>(key: string, make: () => T) => T;

/** Durable secrets that a counterparty gives while the service runs, encrypted at rest and common to all gateways. */
export interface SecretStore {
  /** Undefined when none was put under this name. Throws a GatepostError when it cannot be decrypted. */
  get(name: string): Promise<string | undefined>;
  /** Durable when the promise resolves. */
  put(name: string, secret: string): Promise<void>;
}

/** What the journal knows about this one gateway. */
export interface DriverState {
  /** The states of those `keys` that the journal knows. Ask in batches. */
  statesOf(keys: readonly string[]): Promise<ReadonlyMap<string, InboundState>>;
  /** Records keys that are never to be received, with their fingerprints. A known key stays as it is. */
  skip(entries: readonly { key: string; fingerprint: string }[]): Promise<void>;
  /** The keys recorded under any of these fingerprints: for matching after the counterparty renumbered. */
  byFingerprint(
    fingerprints: readonly string[],
  ): Promise<readonly { fingerprint: string; key: string; state: InboundState }[]>;
  /** Gives a known inbound message its new key; its history stays. */
  rekey(changes: readonly { from: string; to: string }[]): Promise<void>;
  /** A small durable value (a cursor), JSON; undefined when it was never put. */
  getCheckpoint(name: string): Promise<unknown>;
  putCheckpoint(name: string, value: unknown): Promise<void>;
  /** Small durable records in collections, for example parts of a long message that wait for the others. A known key stays as it is. */
  putRecords(collection: string, records: readonly { key: string; value: unknown }[]): Promise<void>;
  /** The records whose key begins with `prefix`, by key, at most `limit`. */
  listRecords(
    collection: string,
    prefix: string,
    limit: number,
  ): Promise<readonly { key: string; value: unknown; at: number }[]>;
  deleteRecords(collection: string, keys: readonly string[]): Promise<void>;
  /** Whether the journal knows a message of this gateway that the counterparty took under this id. */
  isSentId(id: string): Promise<boolean>;
}

export interface CheckStep {
  /** `TCP connection to mail.example.com:993`. */
  readonly name: string;
  readonly ok: boolean;
  /** The evidence: the counterparty's answer, or why the step failed and what to do next. */
  readonly detail: string;
}

/** A message that a driver received and has not confirmed yet. */
export interface InboundMessage<In extends Content = RawMail> {
  /** The message's identity at the counterparty: folder+UIDVALIDITY+UID, provider id, file name. At most 500 characters. */
  readonly key: string;
  /** Identifies the message after the counterparty renumbered, from the content as the counterparty holds it; '' when keys never change. */
  readonly fingerprint: string;
  /** The content, untouched; null when `statesOf` reports the key as acknowledged and only the confirmation is missing. */
  readonly content: In | null;
  /** Bytes of memory that the message occupies, for back-pressure. */
  readonly bytes: number;
  /** Confirms the message to the counterparty. Called only after the acknowledgement is in the journal. Idempotent. */
  confirm(): Promise<void>;
  /** The message is in quarantine, whole: the driver moves it aside, or gives the channel's negative reply. Idempotent. */
  reject(reason: string): Promise<void>;
  /** Tells a counterparty that waits for the reply to try again later (SMTP 451, SMPP ESME_RX_T_APPN). */
  defer?(reason: string): Promise<void>;
}

/** An inbound message of any channel. */
export type AnyInboundMessage = InboundMessage<Content>;

/** An HTTP request with its body untouched, because signatures cover bytes. */
export interface RawRequest {
  readonly method: string;
  /** Path and query below the webhook's own address, `?a=b` or `/status?a=b`; '' without either. */
  readonly path: string;
  /** The whole public URL that the counterparty signed. */
  readonly url: string;
  /** Names in lower case; the values of a repeated header are joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Aborts when the counterparty stops waiting. */
  readonly signal: AbortSignal;
}

export interface WebhookReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface WebhookResult<In extends Content = TextMessage> {
  readonly reply: WebhookReply;
  /** Spooled to the journal before the reply; `confirm` and `reject` are not called for them. */
  readonly messages?: readonly Pick<InboundMessage<In>, 'key' | 'fingerprint' | 'content'>[];
  readonly receipts?: readonly DeliveryReceipt[];
  /** True when the push concerns the other direction of this gateway, which then handles it if it runs here. */
  readonly otherDirection?: boolean;
}

/** One attempt at a send request. */
export interface Attempt {
  /** The server's MessageId. */
  readonly messageId: string;
  /** 1 for the first. */
  readonly number: number;
  /** When the first attempt at this message started, ms since the epoch: a lookup searches from here. */
  readonly firstAttemptAt: number;
  /** When this attempt started, ms since the epoch; in a lookup, when the attempt started whose outcome is unknown. */
  readonly startedAt: number;
  /** Aborts when the outcome is due: the driver returns at once with what it knows. */
  readonly signal: AbortSignal;
  /** Ms until `signal` aborts. */
  remaining(): number;
  /** Writes a remark on the progress (a call, a page) into the delivery log. */
  note(detail: string): void;
}

/** The only error that a driver may throw from `send` to say that the message surely did not go out. */
export class NotSent extends Error {
  override readonly name = 'NotSent';
}
