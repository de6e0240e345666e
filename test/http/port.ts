// The HTTP port on a real socket, in front of a connector that the test sets up as it likes.
import { Readable } from 'node:stream';
import type { StoredAttachment } from '../../src/http/attachments.js';
import { linkSigner } from '../../src/http/links.js';
import { createMeters } from '../../src/http/metrics.js';
import { startHttp } from '../../src/http/server.js';
import type { GatewayView, ServerView } from '../../src/http/views.js';
import type { GatewayWaiting, LedgerRow } from '../../src/journal/journal.js';
import type { Log } from '../../src/kit/log.js';
import { silentLog } from '../../src/kit/log.js';
import { manualClock } from '../kit/manual-clock.js';

export const LIFETIME_MS = 30 * 86_400_000;

export interface World {
  server: ServerView;
  listed: boolean;
  gateways: GatewayView[];
  healthy: () => Promise<void>;
  waiting: () => Promise<GatewayWaiting[]>;
  ledger: (since: number) => Promise<LedgerRow[]>;
  attachments: Map<string, StoredAttachment>;
}

export function calmWorld(since: number): World {
  return {
    server: { is: 'up', since },
    listed: true,
    gateways: [
      gateway({ since }),
      gateway({ id: 'out', direction: 'O', device: 'SmtpHost', displayName: 'Relay', since }),
    ],
    healthy: async () => {},
    waiting: async () => [],
    ledger: async () => [],
    attachments: new Map(),
  };
}

export function gateway(changes: Partial<GatewayView>): GatewayView {
  const calm = { state: 'running', problem: null, since: 0, inFlight: 0, window: 64, parked: 0, oldestMs: 0 };
  return { id: 'in', direction: 'I', displayName: 'Support', device: 'ImapHost', ...calm, ...changes };
}

export function stored(bytes: Uint8Array, changes: Partial<StoredAttachment> = {}): StoredAttachment {
  const open = () => Readable.from([Buffer.from(bytes)], { objectMode: false });
  return { name: 'report.pdf', type: 'application/pdf', size: bytes.length, open, ...changes };
}

/** A log that keeps its lines, for tests about what is said and what is not. */
export function keptLog(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const keep = (fields: object, message: string) => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log: Log = { ...silentLog, debug: keep, info: keep, warn: keep, error: keep, child: () => log };
  return { log, lines };
}

export async function openPort(changes: Partial<World> = {}, redact = (text: string) => text) {
  const clock = manualClock();
  const world: World = { ...calmWorld(clock.now()), ...changes };
  const { log, lines } = keptLog();
  const meters = createMeters({ clock, log });
  meters.watch({
    server: () => world.server,
    gateways: () => world.gateways,
    journal: { waiting: () => world.waiting(), ledger: (since) => world.ledger(since) },
  });
  const links = linkSigner({
    key: Buffer.alloc(32, 7),
    baseUrl: 'http://gatepost.test',
    clock,
    lifetimeMs: LIFETIME_MS,
  });
  const http = await startHttp({
    host: '127.0.0.1',
    port: 0,
    log,
    clock,
    meters,
    probes: {
      server: () => world.server,
      listed: () => world.listed,
      gateways: () => world.gateways,
      healthy: () => world.healthy(),
      redact,
    },
    attachments: { find: async (id) => world.attachments.get(id) ?? null, links },
  });
  /** Fetches a path of this port, or a link of ours as if its host were this port. */
  const get = (pathOrLink: string, init: RequestInit = {}) => {
    const { pathname, search } = new URL(pathOrLink, http.url);
    return fetch(`${http.url}${pathname}${search}`, init);
  };
  return { clock, world, lines, meters, links, http, get };
}
