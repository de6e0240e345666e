import { composeText as composeTextContent } from '../../../content/sms/compose.js';
import { isoTime } from '../../../kit/clock.js';
import type { GatewayConfig } from '../../gateways/config.js';
import { rulesOf } from '../../gateways/text-rules.js';
import type { ComposeDeps, Composed, ComposeFailure, SendRequest } from './types.js';

/** The opt-outs that count for a gateway: those of its group, or its own. */
export function optOutGroupOf(config: GatewayConfig): string {
  return rulesOf(config).optOutGroup ?? config.info.Id;
}

export async function composeText(
  request: SendRequest,
  { config, journal }: ComposeDeps,
): Promise<Composed | ComposeFailure> {
  const result = composeTextContent(request, rulesOf(config));
  if (!result.ok) return { problem: result.problem };
  const { message } = result;
  const optOut = await journal.optedOut(optOutGroupOf(config), message.to);
  if (optOut) return { problem: `${message.to} has opted out (${optOut.source}, ${isoTime(optOut.at)}): not sent` };
  return { message, deliverySystemId: message.reference };
}
