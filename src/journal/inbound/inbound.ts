// Every change of state is a conditional UPDATE, so that no transition can happen twice or backwards.
import { isoTime } from '../../kit/clock.js';
import { GatepostError } from '../../kit/errors.js';
import { type Committer, inSlices } from '../db/group-commit.js';
import { listStatement, type Sql, statement } from '../db/sql.js';
import { unsettled } from '../db/tables.js';
import type { InboundJournal } from '../types/inbound.js';
import { takeBackIn } from './deferred.js';
import type { InboundDeps } from './deps.js';
import { openMessage } from './opening.js';
import {
  INBOUND,
  type InboundRow,
  inboundByFingerprint,
  inboundById,
  inboundByRequest,
  inboundEvent,
  recordFrom,
} from './rows.js';

const insertSkipped = statement<{ gatewayId: string; key: string; fingerprint: string; at: number; day: string }>()(
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

// The stored raw message goes with the acknowledgement: the server has the message now.
const toAcknowledged = statement<{ requestId: string; messageId: string | null; at: number }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set({
      state: 'acknowledged',
      message_id: slot('messageId'),
      acknowledged_at: slot('at'),
      raw_sha256: null,
      server_fields: null,
    })
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

const countRejection = statement<{ id: number }>()((db, slot) =>
  db
    .updateTable('inbound_messages')
    .set(({ eb }) => ({ rejections: eb('rejections', '+', 1) }))
    .where('id', '=', slot('id'))
    .where('state', '=', 'pending')
    .returning(INBOUND),
);

const acknowledgedBefore = statement<{ gatewayId: string; before: number }>()((db, slot) =>
  db
    .selectFrom('inbound_messages')
    .select(['id', 'key'])
    .where('gateway_id', '=', slot('gatewayId'))
    .where('state', '=', 'acknowledged')
    .where(unsettled)
    .where('acknowledged_at', '<', slot('before')),
);

type Operations = Pick<
  InboundJournal,
  | 'skip'
  | 'byFingerprint'
  | 'rekey'
  | 'open'
  | 'spool'
  | 'dispatched'
  | 'acknowledge'
  | 'rejected'
  | 'confirmed'
  | 'settleAbsent'
>;

export function inbound(deps: InboundDeps): Operations {
  const { database, commits, clock } = deps;
  return {
    byFingerprint: (gatewayId, fingerprints) => database.reads.allOf(inboundByFingerprint, { gatewayId }, fingerprints),
    async skip(gatewayId, entries) {
      const at = clock.now();
      const day = isoTime(at).slice(0, 10);
      await inSlices(commits, entries, async (sql, { key, fingerprint }) => {
        await sql.run(insertSkipped, { gatewayId, key, fingerprint, at, day });
      });
    },
    rekey: (gatewayId, changes) =>
      inSlices(commits, changes, async (sql, { from, to }) => {
        const row = await sql.first(changeKey, { gatewayId, from, to });
        if (row && row.state !== 'skipped') await inboundEvent(sql, row, 'rekeyed', clock.now(), `was ${from}`);
      }),
    open: (message) => openMessage(deps, message, null),
    spool: (message, raw) => openMessage(deps, message, raw),
    dispatched: (inboundId, attempt) =>
      commits.run(async (sql) => {
        const row = await required(sql, inboundId);
        await inboundEvent(sql, row, 'dispatched', clock.now(), attempt === 1 ? null : `attempt ${attempt}`);
      }),
    acknowledge: (requestId, { messageId, at }) =>
      commits.run(async (sql) => {
        const params = { requestId: requestId.toLowerCase(), messageId: messageId?.toLowerCase() ?? null, at };
        const row = await sql.first(toAcknowledged, params);
        if (row) await takeBackIn(sql, row);
        if (row) await inboundEvent(sql, row, 'acknowledged', clock.now());
        const result = row ?? (await sql.first(inboundByRequest, params));
        return result ? recordFrom(result) : null;
      }),
    rejected: (inboundId, detail) =>
      commits.run(async (sql) => {
        const row = await sql.first(countRejection, { id: inboundId });
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
    settleAbsent: (gatewayId, before, except) => settleAbsent(deps, { gatewayId, before }, new Set(except)),
  };
}

/** Nothing was confirmed here, so the delivery log says what happened instead: a note. */
async function settleAbsent(
  { database, commits, clock }: InboundDeps,
  params: { gatewayId: string; before: number },
  except: ReadonlySet<string>,
): Promise<number> {
  const rows = await database.reads.all(acknowledgedBefore, params);
  const absent = rows.filter(({ key }) => !except.has(key)).map(({ id }) => id);
  let settled = 0;
  for (let start = 0; start < absent.length; start += SETTLE_SLICE)
    settled += await settle(commits, clock.now(), absent.slice(start, start + SETTLE_SLICE));
  return settled;
}

/** Rows of one transaction, so that other operations run in between. */
const SETTLE_SLICE = 500;

function settle(commits: Committer, at: number, ids: readonly number[]): Promise<number> {
  return commits.run(async (sql) => {
    const rows = await sql.allOf(toConfirmed, { at }, ids);
    for (const row of rows) await inboundEvent(sql, row, 'note', at, ABSENT);
    return rows.length;
  }, ids.length);
}

const ABSENT = 'settled without a confirmation: the counterparty no longer shows the message';

export async function required(sql: Sql, id: number): Promise<InboundRow> {
  const row = await sql.first(inboundById, { id });
  if (!row) throw new GatepostError('journal/unknown-inbound', `the journal holds no inbound message ${id}`);
  return row;
}
