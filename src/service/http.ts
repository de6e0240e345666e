import { createReadStream } from 'node:fs';
import type { EmbeddedServer } from '../embedded-server/server.js';
import type { PrometheusMetrics } from '../http/metrics.js';
import type { PublicUrl } from '../http/public-url.js';
import { type HttpOptions, type HttpPort, isOpen, startHttp } from '../http/server.js';
import type { Journal } from '../journal/types/journal.js';
import type { Closers } from '../kit/closers.js';
import { messageOf } from '../kit/errors.js';
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
  embedded: EmbeddedServer | null;
}

export async function openHttp(common: Common, parts: Parts, stack: Closers): Promise<HttpPorts> {
  const { client, registry, sync, crashes, embedded } = parts;
  const { config, platform, journal, metrics, address, signer } = common;
  const { http: settings } = config;
  const server = () => client.state;
  const gateways = () => registry.views();
  const probes = {
    server,
    listed: () => sync.listed,
    gateways,
    healthy: () => journal.healthy(),
    suspects: () => crashes.suspects().length,
    redact: (text: string) => platform.redactor.redact(text),
  };
  const both = { log: platform.log, clock: platform.clock, names: namesOf(settings.publicUrl) };
  const isSplit = hasAdminPort(settings);
  const isWatched = !isSplit || settings.probes === 'both';
  const http = await startHttp({
    ...both,
    host: settings.host,
    port: settings.port,
    ...(isWatched && { probes, metrics }),
    below: (target) => address.below(target),
    webhooks: webhookSources(registry, metrics, address),
    attachments: { find: (id) => findAttachment(journal, id), links: signer },
  });
  stack.add('HTTP port', () => http.close(), STOP.httpMs);
  address.bound(http.url);
  const admin = isSplit
    ? await openAdmin({ ...both, host: settings.adminHost, probes, metrics }, settings.adminPort)
    : http;
  if (isSplit) stack.add('admin port', () => admin.close(), STOP.httpMs);
  const strangers = embedded ? { strangers: () => embedded.admissions } : {};
  metrics.watch({ server, gateways, journal, suspects: () => crashes.suspects().length, ...strangers });
  return { http, admin };
}

/** Two ports, or one that is both. */
export interface HttpPorts {
  readonly http: HttpPort;
  /** Of probes and metrics. */
  readonly admin: HttpPort;
}

type HttpSettings = Common['config']['http'];

/** A port that only this machine reaches, and that no address leads to from outside, may answer probes as well. */
export function hasAdminPort({ adminPort, host, publicUrl }: HttpSettings): boolean {
  return adminPort !== '' || publicUrl !== '' || isOpen(host);
}

/** The port that is chosen when none is configured. */
const ADMIN_PORT = 18_381;

/** Without a configured port, a second connector on this machine takes any free one. */
async function openAdmin(options: Omit<HttpOptions, 'port'>, wanted: number | ''): Promise<HttpPort> {
  if (wanted !== '') return startHttp({ ...options, port: wanted });
  try {
    return await startHttp({ ...options, port: ADMIN_PORT });
  } catch (error) {
    options.log.warn({ reason: messageOf(error) }, 'admin port is taken, any free one is used');
    return startHttp({ ...options, port: 0 });
  }
}

function namesOf(publicUrl: string): string[] {
  return publicUrl === '' ? [] : [new URL(publicUrl).hostname];
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
