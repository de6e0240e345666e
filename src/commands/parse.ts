import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createReader } from '../content/create-reader.js';
import type { ReadAttachment, Reader, ReadMessage } from '../content/reader.js';
import { type Clock, isoTime } from '../kit/clock.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import { silentLog } from '../kit/log.js';
import type { FaxDocument } from '../model/content.js';
import type { Output } from './output.js';
import { readStdin } from './stdin.js';

/** Larger than any mailbox accepts; the bound protects memory. */
const MAX_INPUT = 256 * 1024 * 1024;

export interface ParseOptions {
  /** GatewayId to write into the message. */
  gateway: string;
  /** Folder to write the attachments to. */
  attachments?: string;
  /** A fax instead of a mail. */
  fax?: boolean;
  /** Number of the caller, and of the country in which it is read (ISO 3166-1); fax only. */
  from?: string;
  region?: string;
}

export async function parseCommand(options: ParseOptions, clock: Clock, { out }: Output): Promise<number> {
  rejectMisfit(options);
  const raw = await readStdin(MAX_INPUT);
  const reader = createReader({ clock, log: silentLog });
  try {
    const read = await readInput(reader, raw, options, clock.now());
    if (options.attachments) await writeAll(options.attachments, read.attachments);
    const times = { ReceivedSentTime: isoTime(clock.now()), ...read.message };
    out(`${JSON.stringify({ ...times, RequestId: randomUUID(), GatewayId: options.gateway }, null, 2)}\n`);
    return 0;
  } finally {
    await reader.close();
  }
}

function rejectMisfit({ fax, from, region }: ParseOptions): void {
  if (!fax && (from !== undefined || region !== undefined)) {
    throw new GatepostError(
      'input/options',
      '--from and --region describe the caller of a fax, but the input is read as a mail',
      {
        advice: 'add --fax, or leave them out',
      },
    );
  }
  if (region !== undefined && !/^[A-Za-z]{2}$/.test(region)) {
    throw new GatepostError('input/options', `--region ${region} is not a country`, {
      advice: 'give two letters (ISO 3166-1), for example CZ',
    });
  }
}

function readInput(reader: Reader, raw: Buffer, options: ParseOptions, receivedAt: number): Promise<ReadMessage> {
  const link = ({ name }: { name: string }) => `attachment:${encodeURIComponent(name)}`;
  const context = { gatewayId: options.gateway, link };
  if (!options.fax) return reader.readMail({ kind: 'mail', raw, receivedAt }, context);
  return reader.readFax(
    { ...NO_CALL, raw, receivedAt, from: options.from ?? null },
    { region: options.region?.toUpperCase() },
    context,
  );
}

/** A file holds no details of the call. */
const NO_CALL: Omit<FaxDocument, 'raw' | 'receivedAt' | 'from'> = {
  kind: 'fax',
  to: null,
  station: null,
  callerName: null,
  providerId: null,
  pages: null,
  expectedPages: null,
  problem: null,
  facts: [],
  notes: [],
};

async function writeAll(folder: string, attachments: readonly ReadAttachment[]): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const [index, { name, bytes }] of attachments.entries()) {
      await writeFile(join(folder, `${index + 1}-${name.replace(/[/\\]/g, '_')}`), bytes);
    }
  } catch (error) {
    throw new GatepostError(
      'output/attachments',
      `the attachments cannot be written to ${folder}: ${messageOf(error)}`,
      {
        advice: 'name a folder that can be written',
        cause: error,
      },
    );
  }
}
