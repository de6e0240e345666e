// Programs that tests start: their output is captured, and they are ended by their own pid. Also free ports for them.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { waitFor } from '../fixtures/wait-for.js';

export interface Running {
  readonly pid: number;
  /** Everything written to standard output and standard error so far. */
  output(): string;
  /** What was written to standard output so far. */
  bytes(): Buffer;
  /** Resolves with the exit code when it has ended; null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Sends `signal` (SIGTERM) and waits until it is gone; killed outright after 15 s. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Text for standard input; closed at once when absent. */
  input?: string | Uint8Array;
}

/** Longest that a program may take to end after being asked to. Dovecot needs up to 3 s. */
const STOP_MS = 15_000;

/** Should the test process end before its time, nothing it started is left behind. */
const children = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of children) child.kill();
});

export function run(program: string, args: readonly string[], options: RunOptions = {}): Running {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.cwd ? { cwd: options.cwd } : {}),
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  const [output, standard] = capture(child);
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      output.push(Buffer.from(String(error)));
      resolve(127);
    });
    child.once('close', (code) => resolve(code));
  });
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input);
  return {
    pid: child.pid ?? 0,
    output: () => Buffer.concat(output).toString(),
    bytes: () => Buffer.concat(standard),
    ended,
    stop: (signal = 'SIGTERM') => stop(child, ended, signal),
  };
}

/** Both streams together, and standard output alone. */
function capture(child: ChildProcess): [Buffer[], Buffer[]] {
  const [output, standard]: [Buffer[], Buffer[]] = [[], []];
  child.stdout?.on('data', (chunk: Buffer) => {
    output.push(chunk);
    standard.push(chunk);
  });
  child.stderr?.on('data', (chunk: Buffer) => output.push(chunk));
  return [output, standard];
}

async function stop(child: ChildProcess, ended: Promise<number | null>, signal: NodeJS.Signals): Promise<void> {
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(late);
}

/** Runs a program to its end; throws with its output when it fails. */
export async function runToEnd(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const running = run(program, args, options);
  const code = await running.ended;
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${running.output()}`);
  return running.output();
}

/** Where a program is, searched in PATH and the system folders; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  const folders = [
    ...(process.env.PATH ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/bin',
    '/sbin',
    '/usr/lib/postfix/sbin',
  ];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A port of 127.0.0.1 that is free right now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** Resolves once something accepts connections on the port. */
export async function untilPort(port: number): Promise<void> {
  await waitFor(`a listener on port ${port}`, () => accepts(port));
}

/** The same without a connection, for servers that take a knock for a peer. Linux only. */
export async function untilListening(port: number): Promise<void> {
  const entry = `:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A `;
  await waitFor(`a listener on port ${port}`, () => readFileSync('/proc/net/tcp', 'utf8').includes(entry));
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}
