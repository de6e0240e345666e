// Owns the journal on a thread of its own: the same verbs, asked for by message. A commit waits for the disk, and while it
// does the event loop of the service turns; what is asked for meanwhile shares the next commit.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Transferable, Worker } from 'node:worker_threads';
import { GatepostError } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import type { JournalOptions } from '../open.js';
import type { Journal } from '../types/journal.js';

/** One verb asked for. */
export interface Call {
  id: number;
  verb: Verb | 'close';
  args: readonly unknown[];
}

export interface Fault {
  code: string;
  message: string;
  advice: string | undefined;
}

export type Reply =
  | { is: 'opened' }
  | { is: 'failed'; fault: Fault }
  | { is: 'results'; results: readonly Result[] }
  | { is: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; fields: object; message: string };

export type Result = { id: number; value: unknown } | { id: number; fault: Fault };

const VERBS = [
  'recordsOf',
  'skip',
  'byFingerprint',
  'rekey',
  'open',
  'spool',
  'deferred',
  'dispatched',
  'acknowledge',
  'rejected',
  'confirmed',
  'quarantine',
  'quarantined',
  'quarantinedRaw',
  'requeue',
  'requeued',
  'threadFor',
  'attachment',
  'backlog',
  'reconciliation',
  'accept',
  'beginAttempt',
  'recordOutcome',
  'answered',
  'reclaimAbandoned',
  'outboundMessage',
  'applyReceipts',
  'delivery',
  'noteProgress',
  'optOut',
  'optIn',
  'optedOut',
  'optOuts',
  'putRecords',
  'listRecords',
  'deleteRecords',
  'entries',
  'traces',
  'note',
  'getCheckpoint',
  'putCheckpoint',
  'healthy',
  'sweep',
] as const satisfies readonly (keyof Journal)[];

export type Verb = (typeof VERBS)[number];
/** A verb that is missing above makes this type one that nothing fits. */
type Complete = Exclude<keyof Journal, Verb | 'close'> extends never ? typeof VERBS : never;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** As `openJournal`, with the clock of the system: a thread cannot be handed another one. */
export async function openJournalThread(
  url: string,
  { log, directory, maxBytes, instance }: JournalOptions,
): Promise<Journal> {
  const thread = new Worker(workerFile(), { workerData: { url, options: { directory, maxBytes, instance } } });
  const waiting = new Map<number, Waiting>();
  const opened = new Promise<void>((resolve, reject) => {
    thread.on('message', (reply: Reply) => {
      if (reply.is === 'opened') resolve();
      else if (reply.is === 'failed') reject(thrown(reply.fault));
      else if (reply.is === 'log') passOn(log, reply);
      else for (const result of reply.results) settle(waiting, result);
    });
    thread.once('error', reject);
  });
  await opened.catch(async (error) => {
    await thread.terminate();
    throw error;
  });
  // From here on nothing in the thread throws but mistakes of ours. Without a journal there is nothing left to do.
  thread.once('error', (error) => {
    throw error;
  });
  const ask = caller(thread, waiting);
  let closing: Promise<void> | undefined;
  const all: Complete = VERBS;
  const verbs = Object.fromEntries(all.map((verb) => [verb, (...args: unknown[]) => ask(verb, args)]));
  const close = async () => {
    await ask('close', []);
    await thread.terminate();
  };
  return {
    // One message shape serves every verb; what each takes and gives is checked where it is called and where it is done.
    ...(verbs as unknown as Omit<Journal, 'close'>),
    close() {
      closing ??= close();
      return closing;
    },
  };
}

/** Calls of one turn of the event loop travel together. */
function caller(
  thread: Worker,
  waiting: Map<number, Waiting>,
): (verb: Call['verb'], args: readonly unknown[]) => Promise<unknown> {
  let next = 0;
  let calls: Call[] = [];
  let memory: Transferable[] = [];
  const post = () => {
    thread.postMessage(calls, memory);
    [calls, memory] = [[], []];
  };
  return (verb, args) =>
    new Promise((resolve, reject) => {
      const id = next++;
      waiting.set(id, { resolve, reject });
      if (calls.length === 0) setImmediate(post);
      calls.push({ id, verb, args: owned(args, memory) });
    });
}

/**
 * Bytes are copied once and handed over; cloning a view would take the whole memory behind it along.
 * Only two verbs carry bytes: `open` in its attachments and `quarantine` as it is.
 */
function owned(args: readonly unknown[], memory: Transferable[]): unknown[] {
  const copy = (value: unknown): unknown => {
    if (!(value instanceof Uint8Array)) return value;
    const bytes = Uint8Array.prototype.slice.call(value);
    memory.push(bytes.buffer as ArrayBuffer);
    return bytes;
  };
  return args.map((value) => {
    if (typeof value !== 'object' || value === null || !('attachments' in value) || !Array.isArray(value.attachments))
      return copy(value);
    const attachments = value.attachments.map((attachment) => ({ ...attachment, bytes: copy(attachment.bytes) }));
    return { ...value, attachments };
  });
}

function settle(waiting: Map<number, Waiting>, result: Result): void {
  const asker = waiting.get(result.id);
  waiting.delete(result.id);
  if ('fault' in result) asker?.reject(thrown(result.fault));
  else asker?.resolve(result.value);
}

function thrown({ code, message, advice }: Fault): GatepostError {
  return new GatepostError(code, message, advice === undefined ? {} : { advice });
}

function passOn(log: Log, { level, fields, message }: Extract<Reply, { is: 'log' }>): void {
  log[level](fields, message);
}

/** Beside this file when compiled; run from the sources, a thread still needs the compiled one. */
function workerFile(): string {
  const beside = fileURLToPath(new URL('./host.js', import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL('../../../dist/src/journal/worker/host.js', import.meta.url));
}
