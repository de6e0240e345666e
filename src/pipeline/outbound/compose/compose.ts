import type { ComposedMessage } from '../../../driver/contract.js';
import type { Journal } from '../../../journal/types/journal.js';
import { messageOf } from '../../../kit/errors.js';
import type { MessageContentInfo } from '../../../model/message.js';
import type { GatewayConfig } from '../../gateways/config.js';
import type { OutboundDeps } from '../../gateways/gateway.js';
import { composeFax } from './fax.js';
import { composeMail } from './mail.js';
import { composeText } from './text.js';

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

/** `composedAt`: the same for all attempts, also after a restart: a mail that is sent again is the same mail, to the byte. */
export async function compose(
  request: SendRequest,
  composedAt: number,
  deps: ComposeDeps,
): Promise<Composed | ComposeFailure> {
  const { channel } = deps.config.driver;
  try {
    if (channel === 'SMS') return await composeText(request, deps);
    if (channel === 'Fax') return await composeFax(request, deps);
    return await composeMail(request, composedAt, deps);
  } catch (error) {
    return { problem: `not sent: the message could not be composed: ${messageOf(error)}`, temporary: true };
  }
}

/** The same message without the recipients that have it. */
export function withoutRecipients({ message, deliverySystemId }: Composed, accepted: readonly string[]): Composed {
  if (message.kind !== 'mail' || accepted.length === 0) return { message, deliverySystemId };
  const recipients = message.recipients.filter((recipient) => !accepted.includes(recipient.toLowerCase()));
  return { message: { ...message, recipients }, deliverySystemId };
}
