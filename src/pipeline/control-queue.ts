// Owns what people ask of a running connector from the command line: small files in a folder, one per request, so that
// asking works whether it runs or not, and nobody has to open a port for it.
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Journal } from '../journal/types/journal.js';
import type { Clock } from '../kit/clock.js';
import { messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { type Loop, loop } from '../kit/loop.js';
import type { GatewayRegistry } from './gateways/registry.js';

/** How often the folder is looked at, ms. */
const LOOK_MS = 1_000;
/** A request is one short JSON; anything longer was not written by us. */
const LONGEST_REQUEST = 64 * 1024;
const RELEASE = /^release-(\d+)$/;
/** With the time first, so that requests are done in the order of asking. */
const OPT_OUT = /^optout-\d{15}-[0-9a-f-]{36}\.json$/;

const optOutRequest = z.strictObject({
  wish: z.enum(['out', 'in']),
  group: z.string().min(1).max(200),
  address: z.string().min(1).max(200),
  /** When it was asked for, ms since the epoch. */
  at: z.number(),
});

/** `out`: no more messages to this address from this group of gateways; `in`: they are welcome again. */
export type OptOutRequest = z.output<typeof optOutRequest>;

export const controlFolder = (dataDir: string): string => join(dataDir, 'requests');

/** Asks for another try of a message in quarantine. */
export function requestRelease(dataDir: string, inboundId: number): void {
  const folder = controlFolder(dataDir);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `release-${inboundId}`), '');
}

/** Asks for a change of the opt-out registry. */
export function requestOptOut(dataDir: string, request: OptOutRequest): void {
  const folder = controlFolder(dataDir);
  mkdirSync(folder, { recursive: true });
  const name = `optout-${String(Math.floor(request.at)).padStart(15, '0')}-${randomUUID()}.json`;
  // Under its real name only once it is whole: a connector may be looking at this very moment.
  writeFileSync(join(folder, `new-${name}`), JSON.stringify(request));
  renameSync(join(folder, `new-${name}`), join(folder, name));
}

export interface ControlQueueDeps {
  dataDir: string;
  journal: Pick<Journal, 'requeue' | 'optOut' | 'optIn' | 'optedOut'>;
  gateways: Pick<GatewayRegistry, 'dispatchRequeued'>;
  clock: Clock;
  log: Log;
}

/** Looks for requests until it is stopped. A request is done before its file goes. */
export function controlQueue(deps: ControlQueueDeps): Loop {
  const { dataDir, gateways, clock, log } = deps;
  const folder = controlFolder(dataDir);
  mkdirSync(folder, { recursive: true });
  return loop({ clock, log, name: 'reading requests from the command line', failurePauseMs: LOOK_MS }, async () => {
    for (const name of readdirSync(folder).sort()) {
      const [, id] = RELEASE.exec(name) ?? [];
      if (id !== undefined) await release(Number(id), deps);
      else if (OPT_OUT.test(name)) await optOutOrIn(join(folder, name), deps);
      else continue;
      rmSync(join(folder, name), { force: true });
    }
    gateways.dispatchRequeued();
    return LOOK_MS;
  });
}

async function release(id: number, { journal, log }: ControlQueueDeps): Promise<void> {
  const record = await journal.requeue(id);
  if (record) log.info({ key: record.key, gateway: record.gatewayId }, 'a message in quarantine gets another try');
}

async function optOutOrIn(path: string, { journal, log }: ControlQueueDeps): Promise<void> {
  const request = read(path);
  if ('problem' in request) {
    log.error({ file: path, problem: request.problem }, 'a request that makes no sense is thrown away');
    return;
  }
  const { wish, group, address, at } = request;
  if (wish === 'out') {
    const changed = await journal.optOut({ group, address, at, source: 'operator', detail: null });
    if (changed) log.info({ address, group }, 'a recipient was opted out from the command line');
    return;
  }
  const entry = await journal.optedOut(group, address);
  // A recipient who wrote STOP after this was asked for has the last word.
  if (!entry || entry.at > at) return;
  await journal.optIn(group, address);
  log.info({ address, group }, 'a recipient was opted in again from the command line');
}

function read(path: string): OptOutRequest | { problem: string } {
  if (statSync(path).size > LONGEST_REQUEST) return { problem: `it is longer than ${LONGEST_REQUEST} bytes` };
  try {
    return optOutRequest.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    return { problem: messageOf(error) };
  }
}
