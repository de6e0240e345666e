// Owns the attachments of inbound messages: which id stands for which file.
import type { Log } from '../../kit/log.js';
import { listStatement, type Sql, statement } from '../db/sql.js';
import type { InboundJournal, NewAttachment } from '../types/inbound.js';
import type { Files } from './blobs.js';

interface AttachmentValues {
  id: string;
  inboundId: number;
  sha256: string;
  name: string;
  type: string;
  size: number;
  at: number;
}

const insert = statement<AttachmentValues>()((db, slot) =>
  // The very same mail may come under two keys; its attachments have the same ids then.
  db
    .insertInto('attachments')
    .onConflict((conflict) => conflict.column('id').doNothing())
    .values({
      id: slot('id'),
      inbound_id: slot('inboundId'),
      sha256: slot('sha256'),
      name: slot('name'),
      type: slot('type'),
      size: slot('size'),
      stored_at: slot('at'),
    }),
);

const byId = statement<{ id: string }>()((db, slot) =>
  db.selectFrom('attachments').select(['name', 'type', 'size', 'sha256']).where('id', '=', slot('id')),
);

const filesOfAttachments = listStatement<object, string>()((db, _slot, hashes) =>
  db.selectFrom('attachments').select('sha256').distinct().where('sha256', 'in', hashes),
);

const filesOfInboundMessages = listStatement<object, string>()((db, _slot, hashes) =>
  db.selectFrom('inbound_messages').select('raw_sha256').where('raw_sha256', 'in', hashes),
);

export async function insertAttachment(
  sql: Sql,
  { inboundId, attachment, sha256, at }: { inboundId: number; attachment: NewAttachment; sha256: string; at: number },
): Promise<void> {
  const { id, name, type, bytes } = attachment;
  await sql.run(insert, { id, inboundId, sha256, name, type, size: bytes.length, at });
}

export function attachments(reads: Sql, files: Files, log: Log): Pick<InboundJournal, 'attachment'> {
  return {
    async attachment(id) {
      const row = await reads.first(byId, { id });
      if (!row) return null;
      const { name, type, size, sha256 } = row;
      if (await files.exists(sha256)) return { name, type, size, path: files.pathOf(sha256) };
      log.error({ code: 'journal/file-missing', attachment: id, sha256 }, 'the file of an attachment is gone');
      return null;
    },
  };
}

/** Those of the files that a row refers to. */
export async function referredFiles(reads: Sql, hashes: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set((await reads.allOf(filesOfAttachments, {}, hashes)).map(({ sha256 }) => sha256));
  for (const { raw_sha256 } of await reads.allOf(filesOfInboundMessages, {}, hashes))
    if (raw_sha256) found.add(raw_sha256);
  return found;
}
