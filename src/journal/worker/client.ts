// The journal runs on a thread of its own, because a commit waits for the disk: meanwhile the event loop of the service runs, and
// the operations it asks for share the next commit.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Transferable, Worker } from 'node:worker_threads';
import { GatepostError } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import type { JournalOptions } from '../open.js';
import type { Journal } from '../types/journal.js';

/** One call of an operation. */
export interface Call {
  id: number;
  operation: Operation | 'close';
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

const OPERATIONS = [
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
  'settleAbsent',
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
  'requestedAgain',
  'beginAttempt',
  'recordOutcome',
  'recordNotSent',
  'recordLookup',
  'resolve',
  'unresolved',
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

export type Operation = (typeof OPERATIONS)[number];
/** `never`, and so a compile error below, when an operation is missing above. */
type Complete = Exclude<keyof Journal, Operation | 'close'> extends never ? typeof OPERATIONS : never;

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** As `openJournal`, but always with the system clock: a clock cannot be passed to a thread. */
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
  // After the opening only a programming error throws in the thread, and without a journal the process cannot go on.
  thread.once('error', (error) => {
    throw error;
  });
  const call = caller(thread, waiting);
  thread.once('exit', () => call.end());
  let closing: Promise<void> | undefined;
  const all: Complete = OPERATIONS;
  const operations = Object.fromEntries(all.map((name) => [name, (...args: unknown[]) => call.post(name, args)]));
  const close = async () => {
    await call.post('close', []);
    await thread.terminate();
  };
  return {
    // One message type serves every operation; arguments and results are typed at the caller and in the worker.
    ...(operations as unknown as Omit<Journal, 'close'>),
    close() {
      closing ??= close();
      return closing;
    },
  };
}

interface Caller {
  /** Rejects with `journal/closed` when the thread ends, or has ended, before it answers. */
  post(operation: Call['operation'], args: readonly unknown[]): Promise<unknown>;
  end(): void;
}

/** Calls of one turn of the event loop are posted together. `waiting` is bounded by the callers, as the journal's queue is. */
function caller(thread: Worker, waiting: Map<number, Waiting>): Caller {
  let next = 0;
  let ended = false;
  let calls: Call[] = [];
  let transfer: Transferable[] = [];
  const post = () => {
    thread.postMessage(calls, transfer);
    [calls, transfer] = [[], []];
  };
  return {
    post(operation, args) {
      if (ended) return Promise.reject(closed());
      return new Promise((resolve, reject) => {
        const id = next++;
        waiting.set(id, { resolve, reject });
        if (calls.length === 0) setImmediate(post);
        calls.push({ id, operation, args: copied(args, transfer) });
      });
    },
    end() {
      ended = true;
      for (const { reject } of waiting.values()) reject(closed());
      waiting.clear();
    },
  };
}

function closed(): GatepostError {
  return new GatepostError('journal/closed', 'the journal is closed');
}

/**
 * Bytes are copied once and transferred: the structured clone of a view would copy the whole buffer behind it.
 * They stand in the attachments of `open` and `spool`, and as an argument of `spool` and `quarantine`.
 */
function copied(args: readonly unknown[], transfer: Transferable[]): unknown[] {
  const copy = (value: unknown): unknown => {
    if (!(value instanceof Uint8Array)) return value;
    const bytes = Uint8Array.prototype.slice.call(value);
    transfer.push(bytes.buffer as ArrayBuffer);
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

/** A thread needs the compiled file, also when this file runs from the sources. */
function workerFile(): string {
  const beside = fileURLToPath(new URL('./host.js', import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL('../../../dist/src/journal/worker/host.js', import.meta.url));
}
