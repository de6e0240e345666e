// What the command line asks of a running connector: one small file for each request in a folder of the data directory.
// The connector does a request before it removes the file. Files are named by prefix, time and a random id, so that the
// requests of one prefix are done in the order of asking.
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

export const optOutRequest = z.strictObject({
  /** `out`: no more messages to this address from this group of gateways; `in`: they are welcome again. */
  wish: z.enum(['out', 'in']),
  group: z.string().min(1).max(200),
  address: z.string().min(1).max(200),
  /** When it was asked for, ms since the epoch. */
  at: z.number(),
});

export const resolveRequest = z.strictObject({
  messageId: z.string().min(1).max(200),
  verdict: z.enum(['sent', 'not-sent']),
  note: z.string().max(1_000).nullable(),
  /** When it was decided, ms since the epoch. */
  at: z.number(),
});

export type OptOutRequest = z.output<typeof optOutRequest>;
export type ResolveRequest = z.output<typeof resolveRequest>;

export const controlFolder = (dataDir: string): string => join(dataDir, 'requests');

/** Asks for another try of a message in quarantine. */
export function requestRelease(dataDir: string, inboundId: number): void {
  writeFileSync(join(madeFolder(dataDir), `release-${inboundId}`), '');
}

/** Asks for a change of the opt-out registry. */
export function requestOptOut(dataDir: string, request: OptOutRequest): void {
  writeRequest(dataDir, 'optout', request);
}

/** Asks to record an operator's decision. */
export function requestResolve(dataDir: string, request: ResolveRequest): PendingRequest {
  return writeRequest(dataDir, 'resolve', request);
}

export interface PendingRequest {
  /** True once the connector has done the request, or rejected it. */
  done(): boolean;
}

function writeRequest(dataDir: string, prefix: string, request: { at: number }): PendingRequest {
  const folder = madeFolder(dataDir);
  const name = `${prefix}-${String(Math.floor(request.at)).padStart(15, '0')}-${randomUUID()}.json`;
  // Renamed once it is whole: the connector may be reading the folder at this moment.
  writeFileSync(join(folder, `new-${name}`), JSON.stringify(request));
  renameSync(join(folder, `new-${name}`), join(folder, name));
  return { done: () => !existsSync(join(folder, name)) };
}

function madeFolder(dataDir: string): string {
  const folder = controlFolder(dataDir);
  mkdirSync(folder, { recursive: true });
  return folder;
}
