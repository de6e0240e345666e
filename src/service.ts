// The composition root. `start` is the order in which the subsystems start, one builder of ./service each; everything closes
// in reverse, each part and all of them together in bounded time, the journal last.
import type { Config } from './config.js';
import type { EmbeddedServer } from './embedded-server/server.js';
import { createMetrics } from './http/metrics.js';
import { publicUrl } from './http/public-url.js';
import { type Closers, closers } from './kit/closers.js';
import { messageOf } from './kit/errors.js';
import type { Log } from './kit/log.js';
import { once } from './kit/once.js';
import { stopper } from './kit/stopper.js';
import type { GatewayView } from './model/gateway-view.js';
import type { GatewayRegistry } from './pipeline/gateways/registry.js';
import type { GatewaySync } from './pipeline/gateways/sync.js';
import { openCrashRecord } from './pipeline/inbound/crash-record.js';
import type { SendRequests } from './pipeline/outbound/send-requests.js';
import { type AckTracker, ackTracker } from './pipeline/server/ack-tracker.js';
import { dispatch } from './pipeline/server/dispatch.js';
import { plaintextWarning, serverPassword } from './server-settings.js';
import { startChores } from './service/chores.js';
import { createSigner, faxComposer, startReader } from './service/content.js';
import { createRegistry, createSync } from './service/gateways.js';
import { type HttpPorts, openHttp } from './service/http.js';
import { createSendRequests, endAnswers } from './service/outbound.js';
import { type Common, type Platform, STOP } from './service/platform.js';
import { assertSecretsPrivate } from './service/private-files.js';
import { createServerClient, linkOf, startEmbedded } from './service/server.js';
import { openStorage } from './service/storage.js';
import type { Client, ClientHandlers, ClientState } from './simprot/client.js';

export type { Platform } from './service/platform.js';

export interface Service {
  readonly http: { port: number; url: string };
  /** Address of probes and metrics; the same as that of `http` when they share a port. */
  readonly adminUrl: string;
  /** Port of the embedded server; null when the server is a remote one. */
  readonly serverPort: number | null;
  state(): ClientState;
  views(): GatewayView[];
  listed(): boolean;
  /** Drains the gateways, answers what can be answered, closes everything. Never takes longer than 10 s. */
  stop(): Promise<void>;
}

export async function startService(config: Config, platform: Platform): Promise<Service> {
  const stack = closers({ clock: platform.clock, totalMs: STOP.totalMs });
  const close = once(() => closeAll(stack, platform.log));
  try {
    return await start(config, platform, stack, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(config: Config, platform: Platform, stack: Closers, stop: () => Promise<void>): Promise<Service> {
  assertSecretsPrivate(config);
  const password = serverPassword(config);
  const unprotected = plaintextWarning(config);
  if (unprotected !== null) platform.log.warn({ reason: unprotected }, 'connection to the server is not protected');
  platform.redactor.add(password);
  const { journal, diskFull } = await openStorage(config, platform, stack);
  const embedded = await startEmbedded(config, password, platform, stack);
  const client = createServerClient(config, { password, port: embedded?.port }, platform);
  stack.add('connection to the server', () => client.stop(), STOP.partMs);
  const address = publicUrl(config.http.publicUrl);
  const common: Common = {
    config,
    platform,
    journal,
    diskFull,
    metrics: createMetrics(platform),
    address,
    signer: await createSigner(config, address, platform),
    serverLink: linkOf(client),
    life: stopper(),
  };
  const fax = faxComposer(config, platform);
  stack.add('fax composer', () => fax.close(), STOP.partMs);
  const reader = startReader(config, platform);
  const acks = ackTracker({ ...platform, journal, signal: common.life.signal });
  const crashes = openCrashRecord(config.dataDir, platform.log);
  stack.add('record of crashes', async () => crashes.close(), STOP.partMs);
  const registry = createRegistry(common, { reader, fax, acks, crashes });
  const sync = createSync(common, registry);
  const ports = await openHttp(common, { client, registry, sync, crashes, embedded }, stack);
  const requests = createSendRequests(common, registry);
  stack.add('pending answers', () => endAnswers(requests, common.life), STOP.partMs);
  // The reader ends with the gateways: a message that is still being read comes again after the restart.
  const stopGateways = () => Promise.all([registry.stop(STOP.graceMs), reader.close()]);
  stack.add('gateways', async () => void (await stopGateways()), STOP.gatewaysMs);
  startChores(common, registry, stack);
  // First of all to stop: no list starts a gateway any more.
  stack.add('list of gateways', () => sync.stop(), STOP.partMs);
  client.start(handlers(common, { requests, sync, acks }));
  return serviceOf({ ports, embedded, client, registry, sync, stop });
}

async function closeAll(stack: Closers, log: Log): Promise<void> {
  await stack.close().catch((failure: AggregateError) => {
    for (const error of failure.errors) log.warn({ err: messageOf(error) }, 'a part did not stop cleanly');
  });
}

function serviceOf(parts: {
  ports: HttpPorts;
  embedded: EmbeddedServer | null;
  client: Client;
  registry: GatewayRegistry;
  sync: GatewaySync;
  stop: () => Promise<void>;
}): Service {
  const { ports, embedded, client, registry, sync, stop } = parts;
  const { http, admin } = ports;
  return {
    http: { port: http.port, url: http.url },
    adminUrl: admin.url,
    serverPort: embedded?.port ?? null,
    state: () => client.state,
    views: () => registry.views(),
    listed: () => sync.listed,
    stop,
  };
}

function handlers(
  { platform, metrics }: Common,
  { requests, sync, acks }: { requests: SendRequests; sync: GatewaySync; acks: AckTracker },
): ClientHandlers {
  requests
    .answerLeftovers()
    .catch((error) => platform.log.error({ err: messageOf(error) }, 'unanswered send requests could not be read'));
  return {
    onFrame: dispatch({ log: platform.log, acks, sync, sendRequests: requests, metrics }),
    onState(state) {
      if (state.is === 'up') {
        requests.connected();
        sync.connected();
        return;
      }
      acks.disconnected();
      sync.disconnected();
    },
  };
}
