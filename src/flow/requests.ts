// Owns what people ask of a running connector from the command line: small files in a folder, one per request, so that
// asking works whether it runs or not, and nobody has to open a port for it.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Journal } from '../journal/journal.js';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { type Loop, loop } from '../kit/loop.js';
import type { Gateways } from './gateways.js';

/** How often the folder is looked at, ms. */
const LOOK_MS = 1_000;
const RELEASE = /^release-(\d+)$/;

export const requestFolder = (dataDir: string): string => join(dataDir, 'requests');

/** Asks for another try of a message in quarantine. */
export function requestRelease(dataDir: string, arrivalId: number): void {
  const folder = requestFolder(dataDir);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `release-${arrivalId}`), '');
}

export interface RequestTools {
  dataDir: string;
  journal: Pick<Journal, 'release'>;
  gateways: Pick<Gateways, 'handReleased'>;
  clock: Clock;
  log: Log;
}

/** Looks for requests until it is stopped. A request is done before its file goes. */
export function requests({ dataDir, journal, gateways, clock, log }: RequestTools): Loop {
  const folder = requestFolder(dataDir);
  mkdirSync(folder, { recursive: true });
  return loop({ clock, log, name: 'reading requests from the command line', failurePauseMs: LOOK_MS }, async () => {
    for (const name of readdirSync(folder)) {
      const [, id] = RELEASE.exec(name) ?? [];
      if (id === undefined) continue;
      const record = await journal.release(Number(id));
      if (record) log.info({ key: record.key, gateway: record.gatewayId }, 'a message in quarantine gets another try');
      rmSync(join(folder, name), { force: true });
    }
    await gateways.handReleased();
    return LOOK_MS;
  });
}
