// Random operations on inbound messages in random order, with restarts between them.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { inboundMessage, place } from '../../../test/fixtures/journal.js';
import type { InboundState } from '../../model/state.js';
import type { Journal } from '../types/journal.js';

const KEYS = ['k0', 'k1', 'k2'];

const TRANSITIONS: Record<InboundState, InboundState[]> = {
  pending: ['acknowledged', 'quarantined'],
  acknowledged: ['confirmed'],
  confirmed: [],
  quarantined: ['pending', 'acknowledged'],
  skipped: [],
};

const OPERATIONS = {
  open: (journal, { gatewayId, key, what }) =>
    journal.open(inboundMessage(key, { gatewayId, deliverySystemId: `d${what}`, serverFields: fields(what) })),
  spool: (journal, { gatewayId, key, what }) =>
    journal.spool(
      inboundMessage(key, { gatewayId, deliverySystemId: `d${what}`, serverFields: null }),
      Buffer.from(key),
    ),
  skip: (journal, { gatewayId, key }) => journal.skip(gatewayId, [{ key, fingerprint: key }]),
  rekey: (journal, { gatewayId, key, what }) => journal.rekey(gatewayId, [{ from: key, to: KEYS[what % 3] ?? key }]),
  acknowledge: (journal, { requestId, key }) => journal.acknowledge(requestId, { messageId: `m-${key}`, at: 1 }),
  defer: (journal, { id }) => journal.deferred(id),
  confirm: (journal, { id }) => journal.confirmed([id]),
  settle: (journal, { gatewayId, key }) => journal.settleAbsent(gatewayId, Number.MAX_SAFE_INTEGER, [key]),
  quarantine: (journal, { id, key }) => journal.quarantine(id, 'no', Buffer.from(key)),
  requeue: (journal, { id }) => journal.requeue(id),
  reject: (journal, { id }) => journal.rejected(id, 'no'),
} satisfies Record<string, (journal: Journal, target: Target) => Promise<unknown>>;

/** These need a row. */
const ON_ROWS = ['acknowledge', 'defer', 'confirm', 'quarantine', 'requeue', 'reject'];

interface Target {
  gatewayId: string;
  key: string;
  what: number;
  id: number;
  requestId: string;
}

const fields = (what: number) => ({ DeliverySystemId: `d${what}`, RemoteAddress: 'a', SubjectField: `s${what}` });

const step = fc.record({
  operation: fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom(...(Object.keys(OPERATIONS) as (keyof typeof OPERATIONS)[])) },
    { weight: 1, arbitrary: fc.constant('restart' as const) },
  ),
  which: fc.nat(2),
  what: fc.nat(4),
});

interface Seen {
  state: InboundState;
  requestId: string;
  deliverySystemId: string;
  serverFields: unknown;
}

/** By row id, which no operation changes. */
async function rowsOf(journal: Journal, gatewayId: string): Promise<Map<number, Seen>> {
  const records = await journal.recordsOf(gatewayId, KEYS);
  return new Map([...records.values()].map((record) => [record.id, record]));
}

function checkRows(before: Map<number, Seen>, after: Map<number, Seen>): void {
  for (const [id, was] of before) {
    const is = after.get(id);
    expect(is, `row ${id} is still there`).toBeDefined();
    if (!is) continue;
    if (is.state !== was.state) expect(TRANSITIONS[was.state], `${was.state} -> ${is.state}`).toContain(is.state);
    expect([is.requestId, is.deliverySystemId]).toEqual([was.requestId, was.deliverySystemId]);
    const mayBeSent = is.state === 'pending' || is.state === 'quarantined';
    if (mayBeSent && was.serverFields !== null) expect(is.serverFields).toEqual(was.serverFields);
  }
}

async function checkSums(journal: Journal, gatewayId: string): Promise<void> {
  const days = (await journal.reconciliation(0)).filter((day) => day.gatewayId === gatewayId);
  for (const day of days) expect(day.received).toBe(day.delivered + day.waiting + day.quarantined);
  const backlog = (await journal.backlog()).find((gateway) => gateway.gatewayId === gatewayId);
  const waiting = days.reduce((sum, day) => sum + day.waiting, 0);
  expect(waiting).toBe(backlog?.pending ?? 0);
}

async function checkStored(journal: Journal, gatewayId: string): Promise<void> {
  for (const { id } of await journal.requeued(gatewayId)) expect(await journal.quarantinedRaw(id)).not.toBeNull();
  for (const { inboundMessage: row } of await journal.quarantined(gatewayId))
    expect(await journal.quarantinedRaw(row.id)).not.toBeNull();
}

test('no row leaves the diagram or changes its identity, and the sums always add up', async () => {
  const { open } = place();
  let journal = await open();
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 20 }), async (steps) => {
      const gatewayId = `gateway-${++run}`;
      let before = await rowsOf(journal, gatewayId);
      for (const { operation, which, what } of steps) {
        const key = KEYS[which] ?? 'k0';
        const row = (await journal.recordsOf(gatewayId, [key])).get(key);
        if (operation === 'restart') {
          await journal.close();
          journal = await open();
        } else if (row || !ON_ROWS.includes(operation)) {
          const target = { gatewayId, key, what, id: row?.id ?? 0, requestId: row?.requestId ?? '' };
          await OPERATIONS[operation](journal, target);
        }
        const after = await rowsOf(journal, gatewayId);
        checkRows(before, after);
        before = after;
      }
      await checkSums(journal, gatewayId);
      await checkStored(journal, gatewayId);
    }),
    { numRuns: 300 },
  );
}, 120_000);
