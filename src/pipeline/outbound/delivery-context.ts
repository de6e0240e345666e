import type { OutboundRecord } from '../../journal/types/outbound.js';
import type { Deadline } from '../../kit/deadline.js';
import type { Semaphore } from '../../kit/semaphore.js';
import type { GatewayConfig } from '../gateways/config.js';
import type { OutboundDeps } from '../gateways/gateway.js';
import type { SessionSupervisor } from '../gateways/session-supervisor.js';
import type { LateResults } from './receipts.js';

/** Everything one delivery works with. */
export interface DeliveryContext extends OutboundDeps {
  config: GatewayConfig;
  supervisor: SessionSupervisor;
  /** The sends that may run at once. */
  slots: Semaphore;
  lateResults: LateResults;
  messageId: string;
  due: Deadline;
  /** The time that every attempt of the message is composed with, ms since the epoch. */
  composedAt: number;
  /** The message as the journal had it last. */
  message(): OutboundRecord;
  /** The number that a text goes to; undefined for other channels. */
  recipient(): string | undefined;
}

/** What receipts and operators have made of the message meanwhile; when the journal cannot be read, as it was. */
export async function latest({ journal, messageId, message }: DeliveryContext): Promise<OutboundRecord> {
  return (await journal.outboundMessage(messageId).catch(() => null)) ?? message();
}

/** The reason of a signal that ends deliveries because their gateway ends. */
export class Stopping extends Error {
  override readonly name = 'Stopping';
}

/** Why a delivery was cut short, as its answer; undefined when its own time ran out. */
export function stopReason({ signal }: Pick<Deadline, 'signal'>): string | undefined {
  return signal.reason instanceof Stopping ? `not sent: ${signal.reason.message}` : undefined;
}

export function behind(messages: number): string {
  return `not sent: timed out waiting behind ${messages} ${messages === 1 ? 'message' : 'messages'} on this gateway`;
}
