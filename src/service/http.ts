import { createReadStream } from 'node:fs';
import type { PrometheusMetrics } from '../http/metrics.js';
import type { PublicUrl } from '../http/public-url.js';
import { type HttpPort, startHttp } from '../http/server.js';
import type { Journal } from '../journal/types/journal.js';
import type { Closers } from '../kit/closers.js';
import type { GatewayRegistry } from '../pipeline/gateways/registry.js';
import type { GatewaySync } from '../pipeline/gateways/sync.js';
import type { CrashRecord } from '../pipeline/inbound/crash-record.js';
import type { Client } from '../simprot/client.js';
import { type Common, STOP } from './platform.js';

interface Parts {
  client: Client;
  registry: GatewayRegistry;
  sync: GatewaySync;
  crashes: CrashRecord;
}

export async function openHttp(
  common: Common,
  { client, registry, sync, crashes }: Parts,
  stack: Closers,
): Promise<HttpPort> {
  const { config, platform, journal, metrics, address, signer } = common;
  const server = () => client.state;
  const gateways = () => registry.views();
  const http = await startHttp({
    host: config.http.host,
    port: config.http.port,
    log: platform.log,
    clock: platform.clock,
    metrics,
    probes: {
      server,
      listed: () => sync.listed,
      gateways,
      healthy: () => journal.healthy(),
      suspects: () => crashes.suspects().length,
      redact: (text) => platform.redactor.redact(text),
    },
    below: (target) => address.below(target),
    webhooks: webhookSources(registry, metrics, address),
    attachments: { find: (id) => findAttachment(journal, id), links: signer },
  });
  stack.add('HTTP port', () => http.close(), STOP.httpMs);
  address.bound(http.url);
  metrics.watch({ server, gateways, journal, suspects: () => crashes.suspects().length });
  return http;
}

function webhookSources(registry: GatewayRegistry, metrics: PrometheusMetrics, address: PublicUrl) {
  return {
    receivedUrl: (target: string) => address.received(target),
    handle: registry.webhook.bind(registry),
    // Only for gateways of this process: requests with made-up ids must not add label values.
    inputRejected(gatewayId: string, reason: string) {
      if (registry.views().some(({ id }) => id === gatewayId)) metrics.inputRejected(gatewayId, reason);
    },
  };
}

async function findAttachment(journal: Journal, id: string) {
  const found = await journal.attachment(id);
  return found && { ...found, open: () => createReadStream(found.path) };
}
