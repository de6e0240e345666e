// Owns `gatepost parse`: a mail on standard input becomes the MessageContentInfo that the server would be sent.
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createReader } from '../content/read.js';
import type { ReadAttachment } from '../content/reader.js';
import { type Clock, isoTime } from '../kit/clock.js';
import { silentLog } from '../kit/log.js';
import type { Output } from './output.js';
import { readStdin } from './stdin.js';

/** Larger than any mailbox lets through; a bound on memory, not on mail. */
const MAX_INPUT = 256 * 1024 * 1024;

export interface ParseOptions {
  /** GatewayId to write into the message. */
  gateway: string;
  /** Folder to write the attachments to. */
  attachments?: string;
}

export async function parseCommand(options: ParseOptions, clock: Clock, { out }: Output): Promise<number> {
  const raw = await readStdin(MAX_INPUT);
  const reader = createReader({ clock, log: silentLog });
  try {
    const link = ({ name }: { name: string }) => `attachment:${encodeURIComponent(name)}`;
    const read = await reader.readMail(
      { kind: 'mail', raw, receivedAt: clock.now() },
      { gatewayId: options.gateway, link },
    );
    const times = { ReceivedSentTime: isoTime(clock.now()), ...read.message };
    out(`${JSON.stringify({ ...times, RequestId: randomUUID(), GatewayId: options.gateway }, null, 2)}\n`);
    if (options.attachments) await writeAll(options.attachments, read.attachments);
    return 0;
  } finally {
    await reader.close();
  }
}

async function writeAll(folder: string, attachments: readonly ReadAttachment[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [index, { name, bytes }] of attachments.entries()) {
    await writeFile(join(folder, `${index + 1}-${name.replace(/[/\\]/g, '_')}`), bytes);
  }
}
