import type { Config } from '../config.js';
import type { Journal } from '../journal/types/journal.js';
import type { Closers } from '../kit/closers.js';
import { type Loop, loop } from '../kit/loop.js';
import { controlQueue } from '../pipeline/control-queue.js';
import type { GatewayRegistry } from '../pipeline/gateways/registry.js';
import { type Common, type Platform, STOP } from './platform.js';

/** How often old entries are swept out, ms. */
const SWEEP_MS = 6 * 3_600_000;

export function startChores({ config, platform, journal }: Common, registry: GatewayRegistry, stack: Closers): void {
  const { clock, log } = platform;
  const commands = controlQueue({ dataDir: config.dataDir, journal, gateways: registry, clock, log });
  stack.add('control queue', () => commands.stop(), STOP.partMs);
  const sweeping = sweeper(config, journal, platform);
  stack.add('retention', () => sweeping.stop(), STOP.partMs);
}

function sweeper({ retention }: Config, journal: Journal, { clock, log }: Platform): Loop {
  return loop({ clock, log, name: 'removing old entries', failurePauseMs: SWEEP_MS / 64 }, async () => {
    const { removed } = await journal.sweep(retention);
    if (removed > 0) log.info({ removed }, 'old entries of the journal were removed');
    return SWEEP_MS;
  });
}
