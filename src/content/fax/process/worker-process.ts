// A worker process runs one kind of work on files of strangers. It is
//   absent     until the first task, and after it ended -> started by the next task
//   working    on one task; the other tasks wait for their turn
//   idle       since the last task -> ended after idleMs
//   ending     after a failure, a timeout, an abort or `close`: disconnected, killed after graceMs; the next task waits for it
// A process instead of a worker thread: the libraries that do such work (libvips, libtiff) are native code, and their crash ends
// all threads of a process. It costs 0.3 s and 60 MB while there is work.
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { type Cancel, type Clock, sleep } from '../../../kit/clock.js';
import { deadline } from '../../../kit/deadline.js';
import { GatepostError } from '../../../kit/errors.js';
import { semaphore } from '../../../kit/semaphore.js';
import { type Environment, minimalEnvironment } from './programs.js';

export interface WorkerProcess<Reply> {
  /**
   * Runs a task in its turn. Rejects with the signal's reason, with code `deadline` after `ms`, with `content/closed`, and with
   * `content/fax-failed` when the process fails. After a rejection the next task gets a new process.
   */
  ask(task: object, ms: number, signal?: AbortSignal): Promise<Reply>;
  close(): Promise<void>;
}

export interface WorkerProcessOptions<Reply> {
  /** The work, for error messages: `reading the pages of a fax`. */
  readonly work: string;
  readonly module: string;
  readonly reply: z.ZodType<Reply>;
  readonly clock: Clock;
  readonly env: Environment;
  /** MB of JavaScript heap; what native code holds is outside of it. */
  readonly heapMb: number;
  /** Idle time after which the process ends, ms. */
  readonly idleMs: number;
  /** Time for the process to end the programs that it started, ms; 0: it starts none, and is killed at once. */
  readonly graceMs: number;
}

interface Process {
  readonly child: ChildProcess;
  /** For temporary files; removed after the process. */
  readonly folder: string;
  readonly ended: Promise<void>;
}

export function createWorkerProcess<Reply>(options: WorkerProcessOptions<Reply>): WorkerProcess<Reply> {
  const { clock, idleMs, work } = options;
  const turn = semaphore({ slots: 1, weight: Number.POSITIVE_INFINITY });
  const closing = new AbortController();
  let running: Process | undefined;
  let cancelIdle: Cancel = () => {};

  const end = async () => {
    const ended = running;
    running = undefined;
    cancelIdle();
    if (ended) await endProcess(ended, options);
  };

  const endIdle = async () => {
    const release = await turn.enter(1);
    await end().finally(release);
  };

  const run = async (task: object, ms: number, signal: AbortSignal): Promise<Reply> => {
    cancelIdle();
    const limit = deadline(clock, ms, signal);
    try {
      if (running && !isRunning(running.child)) await end();
      running ??= await startProcess(options);
      const reply = await limit.race(exchange(running.child, task, options), work);
      cancelIdle = clock.schedule(idleMs, () => void endIdle());
      return reply;
    } finally {
      limit.dispose();
    }
  };

  return {
    async ask(task, ms, signal) {
      const stop = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
      const release = await turn.enter(1, stop);
      try {
        const reply = await run(task, ms, stop);
        release();
        return reply;
      } catch (error) {
        // The caller does not wait for the end of the process; the next task does.
        void end().finally(release);
        throw error;
      }
    },
    async close() {
      if (!closing.signal.aborted) closing.abort(new GatepostError('content/closed', `${work}: the reader is closed`));
      await turn.empty();
      await end();
    },
  };
}

/** The compiled entry module `name` of this folder: beside this file, or in `dist` when this file runs from the sources. */
export function processModule(name: string): string {
  const beside = fileURLToPath(new URL(`./${name}.js`, import.meta.url));
  if (existsSync(beside)) return beside;
  const compiled = fileURLToPath(new URL(`../../../../dist/src/content/fax/process/${name}.js`, import.meta.url));
  if (existsSync(compiled)) return compiled;
  throw new GatepostError('content/worker-missing', `the compiled module ${compiled} is missing`, {
    advice: 'Run npm run build.',
  });
}

async function startProcess({ module, env, heapMb }: WorkerProcessOptions<unknown>): Promise<Process> {
  const folder = await mkdtemp(join(tmpdir(), 'gatepost-fax-'));
  const child = fork(module, [folder], {
    cwd: folder,
    // A process group of its own: the programs it starts are killed with it, and Ctrl-C does not interrupt its work.
    detached: true,
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [`--max-old-space-size=${heapMb}`],
    env: { ...minimalEnvironment(env), TMPDIR: folder },
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  return { child, folder, ended };
}

async function endProcess(
  { child, folder, ended }: Process,
  { clock, graceMs }: Pick<WorkerProcessOptions<unknown>, 'clock' | 'graceMs'>,
): Promise<void> {
  if (isRunning(child) && graceMs > 0) {
    if (child.connected) child.disconnect();
    await within(ended, graceMs, clock);
  }
  if (isRunning(child) && child.pid !== undefined) killGroup(child, child.pid);
  await within(ended, KILLED_MS, clock);
  // A program that the process had started may still be writing.
  await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
}

/** Time from SIGKILL to the end of the process, ms. A process that hangs in the kernel must not block `close`. */
const KILLED_MS = 5_000;

/** Resolves with `work`, or after `ms`. */
async function within(work: Promise<void>, ms: number, clock: Clock): Promise<void> {
  const done = new AbortController();
  await Promise.race([work.finally(() => done.abort()), sleep(clock, ms, done.signal).catch(() => {})]);
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

function killGroup(child: ChildProcess, pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Windows has no process groups.
    child.kill('SIGKILL');
  }
}

function exchange<Reply>(child: ChildProcess, task: object, options: WorkerProcessOptions<Reply>): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const fail = (how: string) => settle(() => reject(failed(options.work, how)));
    const settle = (then: () => void) => {
      child.removeListener('message', onMessage);
      child.removeListener('exit', onExit);
      child.removeListener('error', onError);
      then();
    };
    const onMessage = (message: unknown) => {
      const reply = options.reply.safeParse(message);
      if (reply.success) settle(() => resolve(reply.data));
      else fail('its process gave an invalid reply');
    };
    const onExit = (code: number | null, signal: string | null) =>
      fail(`its process ended (${signal ?? `code ${code}`})`);
    const onError = (error: Error) => fail(error.message);
    child.on('message', onMessage);
    child.once('exit', onExit);
    child.once('error', onError);
    child.send(task, (error) => error && onError(error));
  });
}

function failed(work: string, how: string): GatepostError {
  return new GatepostError('content/fax-failed', `${work}: ${how}`);
}
