import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { peakMemoryMb } from './machine.js';

export interface Child {
  readonly pid: number;
  /** CPU used since the start of the process, ms. */
  cpuMs(): Promise<number>;
  memory(): Promise<MemoryUsed>;
  /** MB. */
  peakMemoryMb(): number;
  tell(message: object): void;
  /** The next message that is of this shape; throws as `during` does. */
  receive<T>(shape: z.ZodType<T>): Promise<T>;
  /** `work`, or an error with the end of the output as soon as the process ends before that. */
  during<T>(work: Promise<T>): Promise<T>;
  stop(): Promise<void>;
}

const METER = fileURLToPath(new URL('meter.js', import.meta.url));
/** Characters of output that are stored, the last ones. */
const MAX_OUTPUT = 16_384;
const SHOWN_OUTPUT = 2_000;
/** A process that was asked to end and did not by then is killed, ms. */
const STOP_MS = 20_000;
const usage = z.object({ cpuMs: z.number() });
const memoryUsed = z.object({
  /** What the main thread holds after a collection of garbage, its buffers included. */
  heldMb: z.number(),
  /** Of the whole process; a process gives back late, if ever, what it does not hold any more. */
  residentMb: z.number(),
});
/** MB (10^6 bytes). */
export type MemoryUsed = z.infer<typeof memoryUsed>;

/** `node`: further options of Node. */
export function startChild(script: string, args: readonly string[], node: readonly string[] = []): Child {
  const child = spawn(process.execPath, [...node, '--import', METER, script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  // A message to a process that has just ended; 'close' tells the rest.
  child.on('error', () => {});
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk).slice(-MAX_OUTPUT);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const ended = new Promise<never>((_, reject) => {
    child.once('close', (code) =>
      reject(new Error(`${basename(script)} ended with ${code}: ${output.slice(-SHOWN_OUTPUT)}`)),
    );
  });
  ended.catch(() => {}); // the end that was asked for is no error
  const during = <T>(work: Promise<T>) => {
    const first = Promise.race([work, ended]);
    first.catch(() => {}); // whoever waits hears of it; nobody may be waiting any more
    return first;
  };
  const receive = <T>(shape: z.ZodType<T>) => during(receivedFrom(child, shape));
  const pid = child.pid ?? 0;
  return {
    pid,
    cpuMs() {
      child.send('usage');
      return receive(usage).then(({ cpuMs }) => cpuMs);
    },
    memory() {
      child.send('memory');
      return receive(memoryUsed);
    },
    peakMemoryMb: () => peakMemoryMb(pid),
    tell: (message) => void child.send(message),
    receive,
    during,
    stop: () => stop(child),
  };
}

function receivedFrom<T>(child: ChildProcess, shape: z.ZodType<T>): Promise<T> {
  return new Promise((resolve) => {
    const look = (message: unknown) => {
      const result = shape.safeParse(message);
      if (!result.success) return;
      child.off('message', look);
      resolve(result.data);
    };
    child.on('message', look);
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'close');
  child.kill();
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await gone;
  clearTimeout(late);
}
