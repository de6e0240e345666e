// A disk of a few MB that a test can fill: a tmpfs, which only root can mount.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MB = 1024 * 1024;

export interface SmallDisk {
  readonly path: string;
  /** Fills the disk until at most this many bytes are free. */
  fill(leave?: number): void;
  /** Removes what `fill` wrote. */
  free(): void;
  remove(): void;
}

/** Undefined where nothing can be mounted. */
export function smallDisk(megabytes: number): SmallDisk | undefined {
  const path = mkdtempSync(join(tmpdir(), 'gatepost-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    rmSync(path, { recursive: true, force: true });
    return undefined;
  }
  const filler = join(path, 'filler');
  return {
    path,
    fill(leave = 0) {
      // Never the disk of the machine, should the mount be gone.
      if (sizeOf(path) > 2 * megabytes * MB) throw new Error(`${path} is no small disk`);
      const file = openSync(filler, 'a');
      try {
        for (let left = freeOf(path) - leave; left > 0; left = freeOf(path) - leave)
          writeSync(file, Buffer.alloc(Math.min(left, 65_536), 'x'));
      } catch {
        // Full.
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler, { force: true }),
    remove() {
      // Lazily: SQLite's handles live until they are collected.
      execFileSync('umount', ['-l', path]);
      rmSync(path, { recursive: true, force: true });
    },
  };
}

export function canMount(): boolean {
  const disk = smallDisk(1);
  disk?.remove();
  return disk !== undefined;
}

function sizeOf(path: string): number {
  const { blocks, bsize } = statfsSync(path);
  return blocks * bsize;
}

function freeOf(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}
