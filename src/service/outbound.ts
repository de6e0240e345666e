import type { GatewayRegistry } from '../pipeline/gateways/registry.js';
import { type SendRequests, sendRequests } from '../pipeline/outbound/send-requests.js';
import type { Common } from './platform.js';

export function createSendRequests(common: Common, gateways: GatewayRegistry): SendRequests {
  const { config, platform, journal, metrics, serverLink, life } = common;
  return sendRequests({
    ...platform,
    serverLink,
    gateways,
    journal,
    metrics,
    answerMs: config.outbound.answerSeconds * 1000,
    signal: life.signal,
  });
}

/** An answer that can be written still is; the others are given after the next start. */
export async function endAnswers(requests: SendRequests, life: AbortController): Promise<void> {
  await requests.settled();
  life.abort(new Error('the connector is stopping'));
}
