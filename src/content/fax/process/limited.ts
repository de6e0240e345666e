// Programs that read files of strangers get limits of their own, and no network where the machine can give them none.

export interface ProgramLimits {
  /** KB of memory: of address space, or of data for a program that reserves far more addresses than it uses. */
  readonly memoryKb: number;
  readonly memory: 'addresses' | 'data';
  /** Seconds of processor time. */
  readonly cpuSeconds: number;
  /** KB of the largest file that it may write. */
  readonly fileKb: number;
}

/** A page of a fax, whatever its file demands. */
export const DRAWING: ProgramLimits = { memoryKb: 640_000, memory: 'addresses', cpuSeconds: 60, fileKb: 256_000 };
/** Each process of the browser, which lays out many faxes one after the other. */
export const BROWSING: ProgramLimits = { memoryKb: 2_000_000, memory: 'data', cpuSeconds: 600, fileKb: 256_000 };

/** `ulimit -f` counts blocks of 512 bytes (POSIX, ulimit). */
const BLOCKS_PER_KB = 2;

/**
 * Command line of a shell, because only it can limit a program that Node starts; a limit that the machine does not know is left
 * out. Ends with 127 when the program is missing. The program takes the place of the shell, so that a signal ends it.
 */
export function limited(file: string, args: readonly string[], limits: ProgramLimits): [string, string[]] {
  // Windows has neither, and a service there reads faxes without Ghostscript.
  if (process.platform === 'win32') return [file, [...args]];
  return ['sh', ['-c', scriptOf(limits), file, ...args]];
}

/** Shell script that runs its `$0` with its arguments. */
export function scriptOf({ memoryKb, memory, cpuSeconds, fileKb }: ProgramLimits): string {
  const bounds = [
    'ulimit -c 0',
    `ulimit -t ${cpuSeconds}`,
    `ulimit -f ${fileKb * BLOCKS_PER_KB}`,
    `ulimit ${memory === 'addresses' ? '-v' : '-d'} ${memoryKb}`,
  ];
  return [
    'command -v "$0" >/dev/null 2>&1 || exit 127',
    ...bounds.map((bound) => `${bound} 2>/dev/null`),
    // A network namespace without interfaces: for users by a user namespace (-c keeps the user), for root also without one.
    'for as in -cn -n; do unshare "$as" true 2>/dev/null && exec unshare "$as" "$0" "$@"; done',
    'exec "$0" "$@"',
  ].join('; ');
}
