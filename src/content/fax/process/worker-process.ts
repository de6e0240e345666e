// Owns a process of our own that does one kind of work with what strangers made: started with its first task, kept while there
// is work, ended when idle, killed when it takes too long.
//
// A process, not a worker thread: the libraries that do such work (libvips, libtiff) are native code, and what brings them down
// brings down all threads around them. It costs 0.3 s and 60 MB while there is work, and nothing otherwise.
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
import { type Environment, sparse } from './programs.js';

export interface WorkerProcess<Reply> {
  /**
   * Gives it a task, in its turn, and waits for the answer. Rejects with the signal's reason, with code `deadline` when it takes
   * longer than `ms`, with `content/closed`, and with `content/fax-failed` when the process fails; the next task gets a new one.
   */
  ask(task: object, ms: number, signal?: AbortSignal): Promise<Reply>;
  close(): Promise<void>;
}

export interface WorkerProcessOptions<Reply> {
  /** What it does, for sentences: `reading the pages of a fax`. */
  readonly work: string;
  readonly module: string;
  readonly reply: z.ZodType<Reply>;
  readonly clock: Clock;
  readonly env: Environment;
  /** MB of JavaScript heap; what native code holds is outside of it. */
  readonly heapMb: number;
  /** Ms without work after which it ends. */
  readonly idleMs: number;
  /** Ms to end what it has begun itself, once nobody talks to it any more; 0: it begins nothing, and is killed. */
  readonly graceMs: number;
}

interface Process {
  readonly child: ChildProcess;
  /** Its place for temporary files; removed with it. */
  readonly folder: string;
  readonly ended: Promise<void>;
}

export function createWorkerProcess<Reply>(options: WorkerProcessOptions<Reply>): WorkerProcess<Reply> {
  const { clock, idleMs, work } = options;
  const places = semaphore({ places: 1, weight: Number.POSITIVE_INFINITY });
  const closing = new AbortController();
  let running: Process | undefined;
  let rest: Cancel = () => {};

  const end = async () => {
    const ended = running;
    running = undefined;
    rest();
    if (ended) await endProcess(ended, options);
  };

  const endIdle = async () => {
    const leave = await places.enter(1);
    await end().finally(leave);
  };

  const ask = async (task: object, ms: number, signal: AbortSignal): Promise<Reply> => {
    rest();
    const limit = deadline(clock, ms, signal);
    try {
      if (running && !isRunning(running.child)) await end();
      running ??= await startProcess(options);
      const reply = await limit.race(exchange(running.child, task, options), work);
      rest = clock.schedule(idleMs, () => void endIdle());
      return reply;
    } finally {
      limit.dispose();
    }
  };

  return {
    async ask(task, ms, signal) {
      const stop = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
      const leave = await places.enter(1, stop);
      try {
        const reply = await ask(task, ms, stop);
        leave();
        return reply;
      } catch (error) {
        // Whoever asked hears it at once; the next one has its turn when the process is gone.
        void end().finally(leave);
        throw error;
      }
    },
    async close() {
      if (!closing.signal.aborted) closing.abort(new GatepostError('content/closed', `${work}: it is closed`));
      await places.empty();
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
    // Its own group, so that the programs it starts are killed with it; and Ctrl-C ends it only when its work is done.
    detached: true,
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [`--max-old-space-size=${heapMb}`],
    env: { ...sparse(env), TMPDIR: folder },
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
    const patience = new AbortController();
    if (child.connected) child.disconnect();
    await Promise.race([ended.finally(() => patience.abort()), sleep(clock, graceMs, patience.signal).catch(() => {})]);
  }
  if (isRunning(child) && child.pid !== undefined) killGroup(child, child.pid);
  await ended;
  // A program that it had started may be writing its last.
  await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

function killGroup(child: ChildProcess, pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // There are no groups on Windows.
    child.kill('SIGKILL');
  }
}

function exchange<Reply>(child: ChildProcess, task: object, options: WorkerProcessOptions<Reply>): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const fail = (how: string) => settle(() => reject(failed(options.work, how)));
    const settle = (then: () => void) => {
      child.removeListener('message', take);
      child.removeListener('exit', lost);
      child.removeListener('error', broken);
      then();
    };
    const take = (message: unknown) => {
      const reply = options.reply.safeParse(message);
      if (reply.success) settle(() => resolve(reply.data));
      else fail('its process gave no sensible answer');
    };
    const lost = (code: number | null, signal: string | null) =>
      fail(`its process ended (${signal ?? `code ${code}`})`);
    const broken = (error: Error) => fail(error.message);
    child.on('message', take);
    child.once('exit', lost);
    child.once('error', broken);
    child.send(task, (error) => error && broken(error));
  });
}

function failed(work: string, how: string): GatepostError {
  return new GatepostError('content/fax-failed', `${work}: ${how}`);
}
