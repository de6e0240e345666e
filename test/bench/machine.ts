import { readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { z } from 'zod';
import { runToEnd } from '../servers/process.js';

/** Monotonic ms since the machine came up: comparable between processes, unlike performance.now(). */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Linux reports the times of ended children in ticks of 10 ms, everywhere that Node runs. */
const TICK_MS = 10;

/**
 * CPU that a process, its children and theirs have used so far, ms. Children that ended and were waited for are counted
 * by their parent, so nothing gets lost between two readings.
 */
export function treeCpuMs(pid: number): number {
  const children = new Map<number, number[]>();
  for (const other of readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    const parent = Number(statOf(other)?.[1]);
    children.set(parent, [...(children.get(parent) ?? []), other]);
  }
  const sum = (of: number): number =>
    ownCpuMs(of) + endedChildrenMs(of) + (children.get(of) ?? []).reduce((total, child) => total + sum(child), 0);
  return sum(pid);
}

/** Nanoseconds on the processor, exact; for processes of one thread, such as Dovecot's. */
function ownCpuMs(pid: number): number {
  return Number(textOf(`/proc/${pid}/schedstat`)?.split(' ')[0] ?? 0) / 1e6;
}

function endedChildrenMs(pid: number): number {
  const stat = statOf(pid);
  return (Number(stat?.[13] ?? 0) + Number(stat?.[14] ?? 0)) * TICK_MS;
}

/** The fields of /proc/PID/stat from the third (state) on: the second, the name, may contain anything. */
function statOf(pid: number): string[] | undefined {
  return textOf(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ');
}

/** Highest resident memory that a running process ever had, MB (10^6 bytes). */
export function peakMemoryMb(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB/m.exec(textOf(`/proc/${pid}/status`) ?? '')?.[1];
  return (Number(kib ?? 0) * 1024) / 1e6;
}

/** Undefined when there is no such process (any more). */
function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

export function load(): string {
  return loadavg()
    .map((value) => value.toFixed(1))
    .join(' ');
}

const LIBRARIES = ['imapflow', 'mailparser', 'nodemailer', 'sanitize-html', 'html-to-text', 'msgpackr', 'smpp'];
const manifest = z.object({ version: z.string() });

/** One line per fact about what this ran on. */
export async function description(): Promise<string[]> {
  const processors = cpus();
  const dovecot = await runToEnd('dovecot', ['--version']).catch(() => 'not installed');
  const libraries = LIBRARIES.map((name) => `${name} ${versionOf(name)}`).join(', ');
  return [
    `${processors.length} x ${processors[0]?.model.trim() ?? 'unknown processor'}, Node ${process.versions.node}`,
    `Dovecot ${dovecot.trim().split(' ')[0]}, ${libraries}`,
  ];
}

function versionOf(name: string): string {
  const path = new URL(`../../../node_modules/${name}/package.json`, import.meta.url);
  return manifest.parse(JSON.parse(readFileSync(path, 'utf8'))).version;
}
