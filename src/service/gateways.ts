import type { FaxComposer } from '../content/fax/process/compose-task.js';
import type { Reader } from '../content/reader.js';
import { type GatewayRegistry, gatewayRegistry } from '../pipeline/gateways/registry.js';
import { secretStore } from '../pipeline/gateways/secret-store.js';
import { secretsFrom } from '../pipeline/gateways/secrets.js';
import { type GatewaySync, gatewaySync } from '../pipeline/gateways/sync.js';
import type { CrashRecord } from '../pipeline/inbound/crash-record.js';
import type { AckTracker } from '../pipeline/server/ack-tracker.js';
import { policyOf } from '../policy-settings.js';
import { channelsOf } from '../server-settings.js';
import { type Common, MB } from './platform.js';

/** A removed or changed gateway may finish what is under way for this long, ms. */
const DRAIN_MS = 15_000;

export function createRegistry(
  { config, platform, journal, diskFull, metrics, address, signer, serverLink }: Common,
  content: { reader: Reader; fax: FaxComposer; acks: AckTracker; crashes: CrashRecord },
): GatewayRegistry {
  const { inbound } = config;
  return gatewayRegistry({
    ...platform,
    ...content,
    journal,
    metrics,
    policy: policyOf(config, { remembers: true }),
    dataDir: config.dataDir,
    diskFull,
    secrets: secretsFrom({ env: platform.env, folder: config.secretsDir }),
    secretStore: secretStore({ journal, folder: config.secretsDir, redactor: platform.redactor }),
    serverLink,
    webhookUrl: (gatewayId) => address.webhook(gatewayId),
    link: signer.link,
    limits: {
      window: inbound.window,
      windowBytes: inbound.windowMB * MB,
      ackMs: inbound.ackSeconds * 1000,
      backoff: { first: inbound.retryFirstSeconds * 1000, longest: inbound.retryLongestSeconds * 1000 },
      rejections: inbound.refusals,
    },
    drainMs: DRAIN_MS,
  });
}

export function createSync({ config, platform, serverLink }: Common, gateways: GatewayRegistry): GatewaySync {
  return gatewaySync({
    clock: platform.clock,
    log: platform.log,
    serverLink,
    gateways,
    channels: channelsOf(config),
    peerAddresses: config.server.peerAddresses,
    refreshMs: config.server.refreshSeconds * 1000,
  });
}
