import type { ComposedMessage } from '../../../driver/contract.js';
import type { Journal } from '../../../journal/types/journal.js';
import type { MessageContentInfo } from '../../../model/message.js';
import type { GatewayConfig } from '../../gateways/config.js';
import type { OutboundDeps } from '../../gateways/gateway.js';

export type SendRequest = MessageContentInfo & { MessageId: string };

export interface Composed {
  message: ComposedMessage;
  /** Under what id the counterparty will know the message. */
  deliverySystemId: string;
}

/** Why there is nothing to send. */
export interface ComposeFailure {
  problem: string;
  /** True when a repeat may be composed. */
  temporary?: boolean;
}

export interface ComposeDeps {
  config: GatewayConfig;
  journal: Pick<Journal, 'threadFor' | 'optedOut'>;
  fax: OutboundDeps['fax'];
  signal: AbortSignal;
}
