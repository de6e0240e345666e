import { isoTime } from '../../kit/clock.js';
import { trimReferencesHeader } from '../../kit/references.js';
import { type Sql, statement } from '../db/sql.js';
import { insertAttachment, lacksAttachments } from '../storage/attachments.js';
import type { InboundRecord, NewInboundMessage } from '../types/inbound.js';
import { takeBackIn } from './deferred.js';
import type { InboundDeps } from './deps.js';
import { countDuplicate, countReceived } from './reconciliation.js';
import { INBOUND, type InboundRow, inboundByKey, inboundEvent, recordFrom } from './rows.js';
import { senderOf, threadOf } from './threading.js';

const insertPending = statement<{
  gatewayId: string;
  key: string;
  fingerprint: string;
  requestId: string;
  deliverySystemId: string;
  rfcMessageId: string | null;
  references: string | null;
  remoteAddress: string;
  sender: string;
  subject: string;
  thread: string;
  bytes: number;
  notes: string;
  at: number;
  day: string;
  sha256: string | null;
  serverFields: string | null;
  spooled: number;
}>()((db, slot) =>
  db
    .insertInto('inbound_messages')
    .values({
      gateway_id: slot('gatewayId'),
      key: slot('key'),
      fingerprint: slot('fingerprint'),
      state: 'pending',
      request_id: slot('requestId'),
      delivery_system_id: slot('deliverySystemId'),
      rfc_message_id: slot('rfcMessageId'),
      reply_references: slot('references'),
      remote_address: slot('remoteAddress'),
      sender: slot('sender'),
      subject: slot('subject'),
      thread: slot('thread'),
      bytes: slot('bytes'),
      notes: slot('notes'),
      rejections: 0,
      received_at: slot('at'),
      day: slot('day'),
      raw_sha256: slot('sha256'),
      server_fields: slot('serverFields'),
      spooled: slot('spooled'),
    })
    .onConflict((conflict) => conflict.columns(['key', 'gateway_id']).doNothing())
    .returning(INBOUND),
);

const storeRaw = statement<{ id: number; sha256: string }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({ raw_sha256: slot('sha256'), spooled: 1 })
    .where('id', '=', slot('id'))
    .where('state', '=', 'pending')
    .where('raw_sha256', 'is', null)
    .returning(INBOUND),
);

const fixServerFields = statement<{ id: number; serverFields: string }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({ server_fields: slot('serverFields') })
    .where('id', '=', slot('id'))
    .where('state', '=', 'pending')
    .where('server_fields', 'is', null)
    .returning(INBOUND),
);

/** Opens or spools a message; `raw`: the whole message, when it is to be stored with the row. */
export async function openMessage(
  deps: InboundDeps,
  message: NewInboundMessage,
  raw: Uint8Array | null,
): Promise<InboundRecord> {
  const { database, commits, blobs } = deps;
  const contents = message.attachments.map(({ bytes }) => bytes);
  if (raw) contents.push(raw);
  const needed = contents.length > 0 && (await needsFiles(database.reads, message, raw)) ? contents : [];
  return blobs.store(needed, (hashes) => commits.run((sql) => openRow(sql, deps, { message, hashes, raw })));
}

/** Asking first saves writing the files of a message that is known. */
async function needsFiles(reads: Sql, message: NewInboundMessage, raw: Uint8Array | null): Promise<boolean> {
  const row = await reads.first(inboundByKey, message);
  if (!row) return true;
  if (row.state !== 'pending') return false;
  if (raw && row.raw_sha256 === null) return true;
  return sameIdentity(row, message) && lacksAttachments(reads, message.attachments);
}

/** Attachment ids that were made from another identity than the row's lead nowhere: their links are never sent. */
function sameIdentity(row: InboundRow, { proposed }: NewInboundMessage): boolean {
  return proposed === undefined || proposed.requestId === row.request_id;
}

interface Opening {
  message: NewInboundMessage;
  /** Of the attachments, then of `raw`; empty when nothing needs storing. */
  hashes: readonly string[];
  raw: Uint8Array | null;
}

async function openRow(sql: Sql, deps: InboundDeps, opening: Opening): Promise<InboundRecord> {
  const { message, hashes, raw } = opening;
  const sha256 = raw ? (hashes[message.attachments.length] ?? null) : null;
  const values = valuesOf(message, deps);
  const row = await sql.first(insertPending, { ...values, sha256, spooled: raw ? 1 : 0 });
  if (!row) return reopenRow(sql, opening, sha256, deps.clock.now());
  // Retention removed the row after `needsFiles` saw it; opening the message again stores the files.
  if (hashes.length < message.attachments.length + (raw ? 1 : 0))
    throw new Error(`the files of inbound message ${message.key} are not stored`);
  await insertAttachments(sql, row.id, opening, values.at);
  await countReceived(sql, row);
  await inboundEvent(sql, row, 'received', values.at, message.notes.join(' ') || null);
  return recordFrom(row);
}

/** The key is known: a duplicate when the server has accepted the message already, else another attempt after an interruption. */
async function reopenRow(sql: Sql, opening: Opening, sha256: string | null, at: number): Promise<InboundRecord> {
  const { message } = opening;
  const row = await sql.first(inboundByKey, message);
  if (!row) throw new Error(`inbound message ${message.key} of ${message.gatewayId} is neither new nor known`);
  if (row.state === 'acknowledged' || row.state === 'confirmed') await countDuplicate(sql, row);
  await takeBackIn(sql, row);
  const spooled = sha256 === null ? undefined : await sql.first(storeRaw, { id: row.id, sha256 });
  const serverFields = textOf(message);
  const fixed = serverFields === null ? undefined : await sql.first(fixServerFields, { id: row.id, serverFields });
  if (row.state === 'pending' && sameIdentity(row, message)) await insertAttachments(sql, row.id, opening, at);
  return recordFrom(fixed ?? spooled ?? row);
}

async function insertAttachments(sql: Sql, inboundId: number, opening: Opening, at: number): Promise<void> {
  const { message, hashes } = opening;
  if (hashes.length === 0) return;
  for (const [index, attachment] of message.attachments.entries()) {
    const sha256 = hashes[index];
    if (sha256 === undefined) throw new Error(`no file for attachment ${attachment.id}`);
    await insertAttachment(sql, { inboundId, attachment, sha256, at });
  }
}

const textOf = ({ serverFields }: NewInboundMessage) => (serverFields ? JSON.stringify(serverFields) : null);

function valuesOf(message: NewInboundMessage, { clock, guid }: InboundDeps) {
  const { requestId, receivedAt } = message.proposed ?? { requestId: guid(), receivedAt: clock.now() };
  const references = message.references === null ? '' : trimReferencesHeader(message.references);
  return {
    gatewayId: message.gatewayId,
    key: message.key,
    fingerprint: message.fingerprint,
    requestId: requestId.toLowerCase(),
    deliverySystemId: message.deliverySystemId,
    rfcMessageId: message.rfcMessageId,
    references: references === '' ? null : references,
    remoteAddress: message.remoteAddress,
    sender: senderOf(message.remoteAddress),
    subject: message.subject,
    thread: threadOf(message.subject),
    bytes: message.bytes,
    notes: JSON.stringify(message.notes),
    serverFields: textOf(message),
    at: receivedAt,
    day: isoTime(receivedAt).slice(0, 10),
  };
}
