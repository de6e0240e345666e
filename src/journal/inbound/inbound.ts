// Owns the straight way of an inbound message: open -> acknowledged -> confirmed, and the finding of what is known already.
// Quarantine has its own file. Every change of state is a conditional UPDATE, so no step can be taken twice or backwards.
import { type Clock, isoTime } from '../../kit/clock.js';
import { GatepostError } from '../../kit/errors.js';
import { trimReferencesHeader } from '../../kit/references.js';
import { type Committer, inSlices } from '../db/group-commit.js';
import { type Database, listStatement, type Sql, statement } from '../db/sql.js';
import { insertAttachment } from '../storage/attachments.js';
import type { Files } from '../storage/blobs.js';
import type { InboundJournal, InboundRecord, NewInboundMessage } from '../types/inbound.js';
import { comeBack } from './deferred.js';
import { countDuplicate, countSeen } from './reconciliation.js';
import {
  INBOUND,
  type InboundRow,
  inboundByFingerprint,
  inboundById,
  inboundByKey,
  inboundByRequest,
  inboundEvent,
  recordFrom,
} from './rows.js';
import { senderOf, threadOf } from './threading.js';

export interface InboundDeps {
  database: Database;
  commits: Committer;
  files: Files;
  clock: Clock;
  /** Makes a GUID in lower case. */
  guid: () => string;
}

const insertOpen = statement<{
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
    })
    .onConflict((conflict) => conflict.columns(['key', 'gateway_id']).doNothing())
    .returning(INBOUND),
);

const keepRaw = statement<{ id: number; sha256: string }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({ raw_sha256: slot('sha256') })
    .where('id', '=', slot('id'))
    .where('state', '=', 'pending')
    .where('raw_sha256', 'is', null),
);

const insertIgnored = statement<{ gatewayId: string; key: string; fingerprint: string; at: number; day: string }>()(
  (db, slot) =>
    db
      .insertInto('inbound_messages')
      .values({
        gateway_id: slot('gatewayId'),
        key: slot('key'),
        fingerprint: slot('fingerprint'),
        state: 'skipped',
        delivery_system_id: '',
        remote_address: '',
        sender: '',
        subject: '',
        thread: '',
        bytes: 0,
        notes: '[]',
        rejections: 0,
        received_at: slot('at'),
        day: slot('day'),
      })
      .onConflict((conflict) => conflict.columns(['key', 'gateway_id']).doNothing()),
);

const changeKey = statement<{ gatewayId: string; from: string; to: string }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({ key: slot('to') })
    .where('gateway_id', '=', slot('gatewayId'))
    .where('key', '=', slot('from'))
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('inbound_messages as other')
            .select('other.id')
            .where('other.key', '=', slot('to'))
            .where('other.gateway_id', '=', slot('gatewayId')),
        ),
      ),
    )
    .returning(INBOUND),
);

// The raw message of a quarantined inbound message is let go with the ack: the server has the message now.
const toAcknowledged = statement<{ requestId: string; messageId: string | null; at: number }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({ state: 'acknowledged', message_id: slot('messageId'), acknowledged_at: slot('at'), raw_sha256: null })
    .where('request_id', '=', slot('requestId'))
    .where('state', 'in', ['pending', 'quarantined'])
    .returning(INBOUND),
);

const toConfirmed = listStatement<{ at: number }, number>()((db, slot, ids) =>
  db
    .updateTable('inbound_messages')
    .set({ state: 'confirmed', confirmed_at: slot('at') })
    .where('id', 'in', ids)
    .where('state', '=', 'acknowledged')
    .returning(INBOUND),
);

const countRefusal = statement<{ id: number }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set(({ eb }) => ({ rejections: eb('rejections', '+', 1) }))
    .where('id', '=', slot('id'))
    .where('state', '=', 'pending')
    .returning(INBOUND),
);

type Verbs = Pick<
  InboundJournal,
  'skip' | 'byFingerprint' | 'rekey' | 'open' | 'spool' | 'dispatched' | 'acknowledge' | 'rejected' | 'confirmed'
>;

export function inbound(deps: InboundDeps): Verbs {
  const { database, commits, clock } = deps;
  return {
    byFingerprint: (gatewayId, fingerprints) => database.reads.allOf(inboundByFingerprint, { gatewayId }, fingerprints),
    async skip(gatewayId, entries) {
      const at = clock.now();
      const day = isoTime(at).slice(0, 10);
      await inSlices(commits, entries, async (sql, { key, fingerprint }) => {
        await sql.run(insertIgnored, { gatewayId, key, fingerprint, at, day });
      });
    },
    rekey: (gatewayId, changes) =>
      inSlices(commits, changes, async (sql, { from, to }) => {
        const row = await sql.first(changeKey, { gatewayId, from, to });
        if (row && row.state !== 'skipped') await inboundEvent(sql, row, 'rekeyed', clock.now(), `was ${from}`);
      }),
    open: (inboundMessage) => put(deps, inboundMessage, null),
    spool: (inboundMessage, raw) => put(deps, inboundMessage, raw),
    dispatched: (inboundId, attempt) =>
      commits.run(async (sql) => {
        const row = await required(sql, inboundId);
        await inboundEvent(sql, row, 'dispatched', clock.now(), attempt === 1 ? null : `attempt ${attempt}`);
      }),
    acknowledge: (requestId, { messageId, at }) =>
      commits.run(async (sql) => {
        const params = { requestId: requestId.toLowerCase(), messageId: messageId?.toLowerCase() ?? null, at };
        const row = await sql.first(toAcknowledged, params);
        if (row) await comeBack(sql, row);
        if (row) await inboundEvent(sql, row, 'acknowledged', clock.now());
        const result = row ?? (await sql.first(inboundByRequest, params));
        return result ? recordFrom(result) : null;
      }),
    rejected: (inboundId, detail) =>
      commits.run(async (sql) => {
        const row = await sql.first(countRefusal, { id: inboundId });
        if (!row) return (await required(sql, inboundId)).rejections;
        await inboundEvent(sql, row, 'rejected', clock.now(), detail);
        return row.rejections;
      }),
    confirmed: (inboundIds) =>
      commits.run(async (sql) => {
        const at = clock.now();
        for (const row of await sql.allOf(toConfirmed, { at }, inboundIds))
          await inboundEvent(sql, row, 'confirmed', at);
      }, inboundIds.length),
  };
}

/** `raw`: the whole message, when it is to be kept with the row. */
async function put(
  deps: InboundDeps,
  inboundMessage: NewInboundMessage,
  raw: Uint8Array | null,
): Promise<InboundRecord> {
  const { database, commits, files } = deps;
  const { gatewayId, key } = inboundMessage;
  const contents = inboundMessage.attachments.map(({ bytes }) => bytes);
  if (raw) contents.push(raw);
  // One that is known needs no files, unless its message is to be kept now, or was kept before its attachments were made;
  // asking first saves writing them.
  const row = contents.length > 0 && (await database.reads.first(inboundByKey, { gatewayId, key }));
  const needed = !row || (raw ? lacksRaw(row) : isSpooled(row)) ? contents : [];
  return files.store(needed, (hashes) => commits.run((sql) => openRow(sql, deps, { inboundMessage, hashes, raw })));
}

const lacksRaw = ({ state, raw_sha256 }: InboundRow) => state === 'pending' && raw_sha256 === null;
const isSpooled = ({ state, raw_sha256 }: InboundRow) => state === 'pending' && raw_sha256 !== null;

interface Opening {
  inboundMessage: NewInboundMessage;
  /** Of the attachments, then of `raw`. */
  hashes: readonly string[];
  raw: Uint8Array | null;
}

async function openRow(sql: Sql, { clock, guid }: InboundDeps, opening: Opening): Promise<InboundRecord> {
  const { inboundMessage, hashes, raw } = opening;
  const at = clock.now();
  const sha256 = raw ? (hashes[inboundMessage.attachments.length] ?? null) : null;
  const row = await sql.first(insertOpen, { ...valuesOf(inboundMessage, guid(), at), sha256 });
  if (!row) return openAgain(sql, { ...opening, sha256, at });
  if (raw && sha256 === null) throw new Error(`no file for the message ${inboundMessage.key}`);
  await insertAttachments(sql, row.id, { ...opening, at });
  await countSeen(sql, row);
  const notes = inboundMessage.notes.join(' ');
  await inboundEvent(sql, row, 'received', at, notes === '' ? null : notes);
  return recordFrom(row);
}

/** The key is known. Its second coming is a duplicate only when the server has the message already; before that it is
 *  another try after an interruption. */
async function openAgain(
  sql: Sql,
  { inboundMessage, hashes, raw, sha256, at }: Opening & { sha256: string | null; at: number },
): Promise<InboundRecord> {
  const { gatewayId, key } = inboundMessage;
  const row = await sql.first(inboundByKey, { gatewayId, key });
  if (!row) throw new Error(`inbound message ${key} of ${gatewayId} is neither new nor known`);
  if (row.state === 'acknowledged' || row.state === 'confirmed') await countDuplicate(sql, row);
  await comeBack(sql, row);
  if (sha256 !== null) await sql.run(keepRaw, { id: row.id, sha256 });
  if (!raw && hashes.length > 0 && isSpooled(row)) await insertAttachments(sql, row.id, { inboundMessage, hashes, at });
  return recordFrom(row);
}

async function insertAttachments(
  sql: Sql,
  inboundId: number,
  { inboundMessage, hashes, at }: Pick<Opening, 'inboundMessage' | 'hashes'> & { at: number },
): Promise<void> {
  for (const [index, attachment] of inboundMessage.attachments.entries()) {
    const sha256 = hashes[index];
    if (sha256 === undefined) throw new Error(`no file for attachment ${attachment.id}`);
    await insertAttachment(sql, { inboundId, attachment, sha256, at });
  }
}

function valuesOf(inboundMessage: NewInboundMessage, requestId: string, at: number) {
  const references = inboundMessage.references === null ? '' : trimReferencesHeader(inboundMessage.references);
  return {
    gatewayId: inboundMessage.gatewayId,
    key: inboundMessage.key,
    fingerprint: inboundMessage.fingerprint,
    requestId: requestId.toLowerCase(),
    deliverySystemId: inboundMessage.deliverySystemId,
    rfcMessageId: inboundMessage.rfcMessageId,
    references: references === '' ? null : references,
    remoteAddress: inboundMessage.remoteAddress,
    sender: senderOf(inboundMessage.remoteAddress),
    subject: inboundMessage.subject,
    thread: threadOf(inboundMessage.subject),
    bytes: inboundMessage.bytes,
    notes: JSON.stringify(inboundMessage.notes),
    at,
    day: isoTime(at).slice(0, 10),
  };
}

async function required(sql: Sql, id: number): Promise<InboundRow> {
  const row = await sql.first(inboundById, { id });
  if (!row) throw new GatepostError('journal/unknown-inbound', `the journal holds no inbound message ${id}`);
  return row;
}
