// The shipped command as a process of its own, so that it can be killed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openJournalReader } from '../../src/journal/open.js';
import type { GatewayInfo } from '../../src/model/message.js';
import { waitFor } from '../fixtures/wait-for.js';
import { type Running, run } from '../servers/process.js';

export const CLI = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url));
export const IN = '11111111-1111-4111-8111-111111111111';
export const OUT = '22222222-2222-4222-8222-222222222222';

export function gateway(
  id: string,
  direction: 'I' | 'O',
  type: string,
  settings: object,
  channel: GatewayInfo['Channel'] = 'Email',
): GatewayInfo {
  return {
    Id: id,
    DisplayName: `${type} ${direction}`,
    PeerAddress: '@gatepost',
    Channel: channel,
    Direction: direction,
    Device: `${type} ${JSON.stringify(settings)}`,
  };
}

export interface Folder {
  readonly path: string;
  /** Writes the configuration and returns its path. */
  configure(text: string): string;
  remove(): void;
}

export function folder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'gatepost-e2e-'));
  return {
    path,
    configure(text) {
      const file = join(path, 'gatepost.yaml');
      writeFileSync(file, text);
      return file;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** The configuration of a connector that talks to a server of the test. */
export const remote = (port: number, more = '') =>
  `server: { mode: remote, host: 127.0.0.1, port: ${port}, password: server-password }\ndataDir: data\nhttp: { port: 0 }\nlog: { level: debug, format: json }\n${more}`;

export function gatepost(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; input?: string | Uint8Array } = {},
): Running {
  return run(process.execPath, [CLI, ...args], options);
}

/** Runs a command to its end. */
export async function command(
  args: readonly string[],
  options: Parameters<typeof gatepost>[1] = {},
): Promise<{ code: number | null; output: string }> {
  const running = gatepost(args, options);
  const code = await running.ended;
  return { code, output: running.output() };
}

/** kill -9: nothing is finished, nothing is written any more. */
export async function kill(connector: Running): Promise<void> {
  process.kill(connector.pid, 'SIGKILL');
  await connector.ended;
}

/** Waits until the delivery log in `dataDir` holds such a step; there may be no journal at all yet. */
export async function untilStep(dataDir: string, step: string, count = 1): Promise<void> {
  const path = join(dataDir, 'journal.db');
  await waitFor(`${count} steps "${step}" in the delivery log`, async () => {
    const journal = await openJournalReader(`sqlite:${path}`).catch(() => null);
    if (!journal) return false;
    try {
      return (await journal.entries({ event: step, limit: 1000 })).length >= count;
    } finally {
      await journal.close();
    }
  });
}
