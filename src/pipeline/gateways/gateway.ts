import type { FaxComposer } from '../../content/fax/render/compose.js';
import type { Reader } from '../../content/reader.js';
import type { RawRequest, SecretStore, WebhookReply } from '../../driver/contract.js';
import type { SharedByDevice } from '../../driver/shared-state.js';
import type { Journal } from '../../journal/types/journal.js';
import type { OutboundRecord } from '../../journal/types/outbound.js';
import type { Backoff } from '../../kit/backoff.js';
import type { Clock, Random } from '../../kit/clock.js';
import type { Deadline } from '../../kit/deadline.js';
import type { Log } from '../../kit/log.js';
import type { Redactor } from '../../kit/redact.js';
import type { Notice } from '../../model/content.js';
import type { GatewayView } from '../../model/gateway-view.js';
import type { MessageContentInfo } from '../../model/message.js';
import type { CrashRecord } from '../inbound/crash-record.js';
import type { LinkIssuer } from '../links.js';
import type { Metrics } from '../metrics.js';
import type { AckTracker } from '../server/ack-tracker.js';
import type { ServerLink } from '../server/link.js';
import type { GatewayConfig } from './config.js';
import type { GatewayPolicy } from './policy/policy.js';

/** What a half of a gateway made of a push. */
export interface Pushed {
  reply: WebhookReply;
  /** It concerns the other direction. */
  otherDirection?: boolean;
}

export interface RunningGateway {
  readonly config: GatewayConfig;
  /** A request at the gateway's webhook. Rejects when it could not be put into the journal. */
  webhook(request: RawRequest): Promise<Pushed>;
  view(): GatewayView;
  /** Takes nothing new, lets what is under way finish until `cut` aborts, then closes the session. Called once. */
  drain(cut: AbortSignal): Promise<void>;
}

export interface InboundGateway extends RunningGateway {
  /** Wakes the loop that hands over requeued and spooled messages. Returns at once. */
  dispatchRequeued(): void;
  /** Hands over a notice of ours. Rejects when the journal cannot take it. */
  notify(notice: Notice): Promise<void>;
}

export interface SendResult {
  /** Data of ES_MESSAGE_SENT: null for success, else the sentence that agents read. */
  error: string | null;
  /** Reference of ES_MESSAGE_SENT. */
  deliverySystemId: string | null;
}

/** One message for a gateway to carry to its answer. */
export interface Delivery {
  /** As the journal accepted it. */
  message: OutboundRecord;
  /** Null after a restart: nothing can be sent, but what became of earlier attempts can be found out. */
  request: (MessageContentInfo & { MessageId: string }) | null;
  /** When the answer is due. */
  due: Pick<Deadline, 'remaining'>;
}

export interface OutboundGateway extends RunningGateway {
  /** False from the drain on. Checked in the same turn as `deliver` is called: a drain may begin in every await. */
  readonly accepts: boolean;
  /** Never rejects, and ends a moment after `due` at the latest. The caller sees to it that a message is delivered once at a time. */
  deliver(delivery: Delivery): Promise<SendResult>;
}

export interface GatewayDeps {
  journal: Journal;
  clock: Clock;
  random: Random;
  log: Log;
  redactor: Redactor;
  metrics: Metrics;
  policy: GatewayPolicy;
  dataDir: string;
  /** Whether a disk is below its reserve; never, when absent. */
  diskFull?: () => Promise<boolean>;
  /** What the gateways of one driver share in memory. */
  shared: SharedByDevice;
  secretStore: SecretStore;
  /** Where the counterparty of a gateway reaches its webhook. */
  webhookUrl(gatewayId: string): string;
}

export interface InboundDeps extends GatewayDeps {
  serverLink: ServerLink;
  acks: AckTracker;
  reader: Reader;
  crashes: CrashRecord;
  /** Makes the signed link of an attachment; its lifetime counts from `issuedAt`. */
  link: LinkIssuer;
  limits: InboundLimits;
  /** What the outbound gateway of the same Id is, when one runs here. */
  otherDirection(): GatewayConfig | undefined;
  /** Hands a notice to an inbound gateway; false when none with this Id runs here. */
  notify(gatewayId: string, notice: Notice): Promise<boolean>;
}

export interface InboundLimits {
  window: number;
  windowBytes: number;
  ackMs: number;
  backoff: Backoff;
  rejections: number;
}

export interface OutboundDeps extends GatewayDeps {
  fax: FaxComposer;
  /** Hands a notice to an inbound gateway; false when none with this Id runs here. */
  notify(gatewayId: string, notice: Notice): Promise<boolean>;
}
