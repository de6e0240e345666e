import type { Log } from '../../kit/log.js';
import { listStatement, type Sql, statement } from '../db/sql.js';
import type { InboundJournal, NewAttachment } from '../types/inbound.js';
import type { Blobs } from './blobs.js';

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
  // A message that is read again has the same ids; the first bytes stay, because their link may have been sent.
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
  db
    .selectFrom('attachments')
    .innerJoin('inbound_messages', 'inbound_messages.id', 'attachments.inbound_id')
    .select(['name', 'type', 'size', 'sha256', 'received_at', 'acknowledged_at'])
    .where('attachments.id', '=', slot('id')),
);

const knownIds = listStatement<object, string>()((db, _slot, ids) =>
  db.selectFrom('attachments').select('id').where('id', 'in', ids),
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

/** True when the journal does not have all of them. */
export async function lacksAttachments(reads: Sql, attachments: readonly NewAttachment[]): Promise<boolean> {
  const ids = new Set(attachments.map(({ id }) => id));
  return (await reads.allOf(knownIds, {}, [...ids])).length < ids.size;
}

export function attachments(reads: Sql, blobs: Blobs, log: Log): Pick<InboundJournal, 'attachment'> {
  return {
    async attachment(id) {
      const row = await reads.first(byId, { id });
      if (!row) return null;
      const { name, type, size, sha256, received_at, acknowledged_at } = row;
      const waitedMs = (acknowledged_at ?? Number.POSITIVE_INFINITY) - received_at;
      if (await blobs.exists(sha256)) return { name, type, size, path: blobs.pathOf(sha256), waitedMs };
      log.error({ reason: 'journal/file-missing', attachment: id, sha256 }, 'file of an attachment is missing');
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
