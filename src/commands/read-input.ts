import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finishMail } from '../content/mail/parse/read-mail.js';
import type { ReadAttachment, Reader, ReadMessage } from '../content/reader.js';
import { DEFAULT_BUDGETS, readOnMainThread, reduce } from '../content/small-mail.js';
import { type Clock, isoTime } from '../kit/clock.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import { silentLog } from '../kit/log.js';
import { once } from '../kit/once.js';
import type { FaxDocument } from '../model/content.js';
import type { MessageContentInfo } from '../model/message.js';

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

export interface InputReader {
  /** The message that `raw` becomes; its attachments go to `folder`. */
  read(raw: Buffer, folder: string | undefined): Promise<MessageContentInfo>;
  close(): Promise<void>;
}

/** The whole reader is opened by the first fax or large mail: loading it takes longer than reading a small mail. */
export function createInputReader(options: ParseOptions, clock: Clock): InputReader {
  let close = async (): Promise<void> => {};
  const wholeReader = once(async (): Promise<Reader> => {
    const { createReader } = await import('../content/create-reader.js');
    const reader = createReader({ clock, log: silentLog });
    close = () => reader.close();
    return reader;
  });
  return {
    async read(raw, folder) {
      const read = await readInput(wholeReader, raw, options, clock.now());
      if (folder !== undefined) await writeAll(folder, read.attachments);
      const times = { ReceivedSentTime: isoTime(clock.now()), ...read.message };
      return { ...times, RequestId: randomUUID(), GatewayId: options.gateway };
    },
    close: () => close(),
  };
}

async function readInput(
  wholeReader: () => Promise<Reader>,
  raw: Buffer,
  options: ParseOptions,
  receivedAt: number,
): Promise<ReadMessage> {
  const link = ({ name }: { name: string }) => `attachment:${encodeURIComponent(name)}`;
  const context = { gatewayId: options.gateway, link };
  if (options.fax) {
    const fax = { ...NO_CALL, raw, receivedAt, from: options.from ?? null };
    return (await wholeReader()).readFax(fax, { region: options.region?.toUpperCase() }, context);
  }
  const mail = { kind: 'mail' as const, raw, receivedAt };
  const small = await readOnMainThread(mail, options.gateway, DEFAULT_BUDGETS.inline, (damaged, gatewayId, reason) =>
    reduce(damaged, gatewayId, reason, silentLog),
  );
  return small ? finishMail(small, mail, context) : (await wholeReader()).readMail(mail, context);
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
