// Owns the process that looks into faxes, from this side: started when the first fax comes, kept while there is work, ended
// when idle, killed when it takes too long.
//
// A process, not a worker thread: the decoders (libtiff, libvips) are native code that reads a stranger's file, and what brings
// them down brings down all threads around them. It costs 0.3 s and 60 MB while faxes come, and nothing otherwise.
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Cancel, Clock } from '../../kit/clock.js';
import { deadline } from '../../kit/deadline.js';
import { GatepostError } from '../../kit/errors.js';
import { window } from '../../kit/window.js';
import { sparse } from './programs.js';
import { type FaxReply, type FaxTask, faxReply, type PagesRead } from './task.js';

export interface PageReading {
  /** Rejects when the process fails or takes longer than `ms`; the next task gets a new one. */
  read(task: FaxTask, ms: number): Promise<PagesRead>;
  close(): Promise<void>;
}

export interface PageReadingOptions {
  readonly clock: Clock;
  /** Ms without work after which the process ends. */
  readonly idleMs: number;
  /** Module that the process runs. */
  readonly module?: string;
}

/** MB of JavaScript heap; pictures live outside of it, bounded by the limits of the task. */
const HEAP_MB = 256;

interface Process {
  readonly child: ChildProcess;
  /** For files that outside programs need; removed with the process. */
  readonly folder: string;
  readonly ended: Promise<void>;
}

export function createPageReading({ clock, idleMs, module }: PageReadingOptions): PageReading {
  const file = module ?? processFile();
  const places = window({ places: 1, weight: Number.POSITIVE_INFINITY });
  const closing = new AbortController();
  let running: Process | undefined;
  let rest: Cancel = () => {};

  const end = async () => {
    const ended = running;
    running = undefined;
    rest();
    if (ended) await endProcess(ended);
  };

  const ask = async (task: FaxTask, ms: number): Promise<PagesRead> => {
    rest();
    running ??= await startProcess(file);
    const limit = deadline(clock, ms, closing.signal);
    try {
      const reply = await limit.race(exchange(running.child, task), 'reading the pages of a fax');
      if ('failed' in reply) throw new GatepostError('content/fax-unread', reply.failed);
      rest = clock.schedule(idleMs, () => void end());
      return reply;
    } catch (error) {
      await end();
      throw error;
    } finally {
      limit.dispose();
    }
  };

  return {
    async read(task, ms) {
      const leave = await places.enter(1, closing.signal);
      try {
        return await ask(task, ms);
      } finally {
        leave();
      }
    },
    async close() {
      if (!closing.signal.aborted) closing.abort(new GatepostError('content/closed', 'the fax reader is closed'));
      await places.empty();
      await end();
    },
  };
}

async function startProcess(file: string): Promise<Process> {
  const folder = await mkdtemp(join(tmpdir(), 'gatepost-fax-'));
  const child = fork(file, [folder], {
    cwd: folder,
    // Its own group, so that the programs it starts are killed with it; and Ctrl-C ends it only when its work is done.
    detached: true,
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [`--max-old-space-size=${HEAP_MB}`],
    env: sparse(process.env),
  });
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  return { child, folder, ended };
}

async function endProcess({ child, folder, ended }: Process): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) killGroup(child, child.pid);
  await ended;
  await rm(folder, { recursive: true, force: true });
}

function killGroup(child: ChildProcess, pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // There are no groups on Windows.
    child.kill('SIGKILL');
  }
}

/** Gives the task and waits for its answer. */
function exchange(child: ChildProcess, task: FaxTask): Promise<FaxReply> {
  return new Promise((resolve, reject) => {
    const done = () => {
      child.removeListener('message', take);
      child.removeListener('exit', lost);
      child.removeListener('error', reject);
    };
    const take = (message: unknown) => {
      done();
      const reply = faxReply.safeParse(message);
      if (reply.success) resolve(reply.data);
      else reject(new GatepostError('content/fax-unread', 'the process that reads faxes gave no sensible answer'));
    };
    const lost = (code: number | null, signal: string | null) => {
      done();
      reject(
        new GatepostError('content/fax-unread', `the process that reads faxes ended (${signal ?? `code ${code}`})`),
      );
    };
    child.on('message', take);
    child.once('exit', lost);
    child.once('error', reject);
    child.send(task, (error) => error && reject(error));
  });
}

/** Beside this file when compiled; run from the sources, a process still needs the compiled one. */
function processFile(): string {
  const beside = fileURLToPath(new URL('./page-process.js', import.meta.url));
  if (existsSync(beside)) return beside;
  const compiled = fileURLToPath(new URL('../../../dist/src/content/fax/page-process.js', import.meta.url));
  if (existsSync(compiled)) return compiled;
  throw new GatepostError('content/worker-missing', `the compiled module ${compiled} is missing`, {
    advice: 'Run npm run build.',
  });
}
