import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import type { Journal } from '../journal/types/journal.js';
import type { Clock } from '../kit/clock.js';
import { codeOf, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { type Loop, loop } from '../kit/loop.js';
import {
  controlFolder,
  type OptOutRequest,
  optOutRequest,
  type ResolveRequest,
  resolveRequest,
} from './control-requests.js';
import type { GatewayRegistry } from './gateways/registry.js';

/** How often the folder is looked at, ms. */
const LOOK_MS = 1_000;
/** A request is one short JSON; anything longer was not written by the command line. */
const MAX_REQUEST_BYTES = 64 * 1024;

export interface ControlQueueDeps {
  dataDir: string;
  journal: Pick<Journal, 'requeue' | 'optOut' | 'optIn' | 'optedOut' | 'resolve'>;
  gateways: Pick<GatewayRegistry, 'dispatchRequeued'>;
  clock: Clock;
  log: Log;
}

/** One kind of request. */
interface Handler {
  /** Names of its files. */
  pattern: RegExp;
  run(path: string, match: RegExpExecArray, deps: ControlQueueDeps): Promise<void>;
}

const HANDLERS: Readonly<Record<'release' | 'optout' | 'resolve', Handler>> = {
  release: { pattern: /^release-(\d+)$/, run: (_path, [, id], deps) => release(Number(id), deps) },
  optout: {
    pattern: /^optout-\d{15}-[0-9a-f-]{36}\.json$/,
    run: (path, _match, deps) => withRequest(path, optOutRequest, deps, optOutOrIn),
  },
  resolve: {
    pattern: /^resolve-\d{15}-[0-9a-f-]{36}\.json$/,
    run: (path, _match, deps) => withRequest(path, resolveRequest, deps, resolve),
  },
};

/** Does what the command line asks for until it is stopped. It never waits for a gateway. */
export function controlQueue(deps: ControlQueueDeps): Loop {
  const { dataDir, clock, log } = deps;
  const folder = controlFolder(dataDir);
  mkdirSync(folder, { recursive: true });
  return loop({ clock, log, name: 'reading requests of the command line', failurePauseMs: LOOK_MS }, async () => {
    const names = readdirSync(folder).sort();
    for (const handler of Object.values(HANDLERS)) await runAll(handler, names, folder, deps);
    return LOOK_MS;
  });
}

/** In order; a request that fails is tried again in the next round, and keeps back only those of its own kind. */
async function runAll(handler: Handler, names: string[], folder: string, deps: ControlQueueDeps): Promise<void> {
  for (const name of names) {
    const match = handler.pattern.exec(name);
    if (!match) continue;
    const path = join(folder, name);
    try {
      await handler.run(path, match, deps);
    } catch (error) {
      deps.log.error({ file: path, err: messageOf(error), retry_in_ms: LOOK_MS }, 'request of an operator failed');
      return;
    }
    rmSync(path, { force: true });
  }
}

/** A file that holds no request is dropped. */
async function withRequest<T>(
  path: string,
  schema: z.ZodType<T>,
  deps: ControlQueueDeps,
  run: (request: T, deps: ControlQueueDeps) => Promise<void>,
): Promise<void> {
  const request = read(path, schema);
  if ('problem' in request)
    deps.log.error({ file: path, reason: request.problem }, 'request of an operator is invalid');
  else await run(request.value, deps);
}

function read<T>(path: string, schema: z.ZodType<T>): { value: T } | { problem: string } {
  if (statSync(path).size > MAX_REQUEST_BYTES) return { problem: `it is longer than ${MAX_REQUEST_BYTES} bytes` };
  try {
    return { value: schema.parse(JSON.parse(readFileSync(path, 'utf8'))) };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

async function release(id: number, { journal, gateways, log }: ControlQueueDeps): Promise<void> {
  const record = await journal.requeue(id);
  if (!record) return;
  log.info({ message_key: record.key, gateway_id: record.gatewayId }, 'message is requeued from quarantine');
  gateways.dispatchRequeued();
}

async function optOutOrIn(request: OptOutRequest, { journal, log }: ControlQueueDeps): Promise<void> {
  const { wish, group, address, at } = request;
  if (wish === 'out') {
    const changed = await journal.optOut({ group, address, at, source: 'operator', detail: null });
    if (changed) log.info({ address, group }, 'operator opted a recipient out');
    return;
  }
  const entry = await journal.optedOut(group, address);
  // A recipient who wrote STOP after the operator asked has the last word.
  if (!entry || entry.at > at) return;
  await journal.optIn(group, address);
  log.info({ address, group }, 'operator opted a recipient in again');
}

async function resolve(request: ResolveRequest, { journal, log }: ControlQueueDeps): Promise<void> {
  const { messageId, verdict, note, at } = request;
  const fields = { message_id: messageId, verdict, note };
  try {
    await journal.resolve(messageId, verdict, note, at);
    log.info(fields, 'operator resolved an unknown outcome');
  } catch (error) {
    // Decided by a receipt or a lookup meanwhile, or by another operator; or removed by retention. Trying again would change nothing
    // and would keep back the decisions behind this one.
    if (!['journal/not-unknown', 'journal/unknown-message'].includes(codeOf(error))) throw error;
    log.warn({ ...fields, err: messageOf(error) }, 'decision of an operator was not needed');
  }
}
