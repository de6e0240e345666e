// Random verbs in random order, with restarts between them: no state outside the diagrams, and the reconciliation always adds up.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { inboundMessage, outboundMessage, place } from '../../test/fixtures/journal.js';
import type { InboundState, OutboundState } from '../model/state.js';
import type { Journal } from './types/journal.js';

const KEYS = ['k0', 'k1', 'k2'];
const IDS = ['o0', 'o1'];

const INBOUND_TRANSITIONS: Record<InboundState, InboundState[]> = {
  pending: ['acknowledged', 'quarantined'],
  acknowledged: ['confirmed'],
  confirmed: [],
  quarantined: ['pending', 'acknowledged'],
  skipped: [],
};

const OUTBOUND_TRANSITIONS: Record<OutboundState, OutboundState[]> = {
  accepted: ['sending'],
  sending: ['sent', 'partial', 'failed', 'unknown'],
  sent: [],
  partial: ['sending'],
  failed: ['sending'],
  unknown: ['sending', 'sent', 'partial', 'failed'],
};

type Step = { verb: string; which: number; what: number };

const step: fc.Arbitrary<Step> = fc.record({
  verb: fc.constantFrom(
    'open',
    'spool',
    'defer',
    'acknowledge',
    'confirm',
    'quarantine',
    'release',
    'refuse',
    'ignore',
    'rekey',
    'accept',
    'begin',
    'settle',
    'answered',
    'restart',
  ),
  which: fc.nat(2),
  what: fc.nat(4),
});

const OUTCOMES = [
  { kind: 'sent', deliverySystemId: 'd' },
  { kind: 'deferred', detail: 'busy' },
  { kind: 'rejected', detail: 'no' },
  { kind: 'unknown', detail: 'cut' },
  {
    kind: 'partial',
    deliverySystemId: 'd',
    accepted: ['a@x'],
    refused: [{ recipient: 'b@x', temporary: false, detail: 'no' }],
  },
] as const;

async function inboundOperation(journal: Journal, { verb, which, what }: Step): Promise<void> {
  const key = KEYS[which] ?? 'k0';
  const record = (await journal.recordsOf('in', [key])).get(key);
  if (verb === 'open') await journal.open(inboundMessage(key));
  if (verb === 'spool') await journal.spool(inboundMessage(key), Buffer.from(key));
  if (verb === 'ignore') await journal.skip('in', [{ key, fingerprint: key }]);
  if (verb === 'rekey') await journal.rekey('in', [{ from: key, to: KEYS[what % 3] ?? key }]);
  if (!record) return;
  if (verb === 'acknowledge') await journal.acknowledge(record.requestId, { messageId: `m-${key}`, at: 1 });
  if (verb === 'defer') await journal.deferred(record.id);
  if (verb === 'confirm') await journal.confirmed([record.id]);
  if (verb === 'quarantine') await journal.quarantine(record.id, 'no', Buffer.from(key));
  if (verb === 'release') await journal.requeue(record.id);
  if (verb === 'refuse') await journal.rejected(record.id, 'no');
}

async function outboundOperation(journal: Journal, { verb, which, what }: Step): Promise<void> {
  const id = IDS[which % 2] ?? 'o0';
  if (verb === 'accept') await journal.accept(outboundMessage(id));
  if (verb === 'answered') await journal.answered(id, null);
  const record = await journal.outboundMessage(id);
  // Beginning what may not begin is refused; that the state did not move is checked below.
  if (verb === 'begin')
    await journal.beginAttempt(id, `${id}@x`).catch((error: unknown) =>
      expect(error).toMatchObject({
        code: expect.stringMatching(/^journal\/(unknown-message|attempt-not-allowed)$/),
      }),
    );
  const outcome = OUTCOMES[what];
  if (verb === 'settle' && record && outcome) await journal.recordOutcome(id, record.attempts.length, outcome);
}

/** States by what never changes: the requestId of an inbound message, the MessageId of an outbound message. */
async function statesOf(journal: Journal, rows: (sql: string) => Record<string, unknown>[]) {
  const inboundMessages = new Map<string, InboundState>();
  for (const { key, state, id } of (await journal.recordsOf('in', KEYS)).values()) {
    inboundMessages.set(String(id), state);
    const raw = await journal.quarantinedRaw(id);
    if (state === 'quarantined') expect(raw, key).not.toBeNull();
  }
  const outboundMessages = new Map<string, OutboundState>();
  for (const id of IDS) {
    const record = await journal.outboundMessage(id);
    if (record) outboundMessages.set(id, record.state);
  }
  for (const { asked, answered } of rows('select asked, answered from outbound_messages')) {
    expect(Number(answered)).toBeLessThanOrEqual(Number(asked));
  }
  return { inboundMessages, outboundMessages };
}

function allowed<State extends string>(
  before: Map<string, State>,
  after: Map<string, State>,
  steps: Record<State, State[]>,
) {
  for (const [id, was] of before) {
    const is = after.get(id);
    expect(is, `${id} is still there`).toBeDefined();
    if (is !== undefined && is !== was) expect(steps[was], `${id}: ${was} -> ${is}`).toContain(is);
  }
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

test('no sequence of verbs leaves the diagrams, and the reconciliation always adds up', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
      const { open: reopen, rows } = place();
      let journal = await reopen();
      let before = await statesOf(journal, rows);
      for (const each of steps) {
        if (each.verb === 'restart') {
          await journal.close();
          journal = await reopen();
          await journal.reclaimAbandoned(0);
        } else {
          await inboundOperation(journal, each);
          await outboundOperation(journal, each);
        }
        const after = await statesOf(journal, rows);
        allowed(before.inboundMessages, after.inboundMessages, INBOUND_TRANSITIONS);
        allowed(before.outboundMessages, after.outboundMessages, OUTBOUND_TRANSITIONS);
        const days = await journal.reconciliation(0);
        for (const day of days) expect(day.received).toBe(day.delivered + day.waiting + day.quarantined);
        const [{ away } = { away: 0 }] = rows(
          'select count(*) as away from inbound_messages where deferred_at is not null',
        );
        const unsettled = await journal.backlog();
        expect(sum(days.map(({ waiting }) => waiting))).toBe(sum(unsettled.map(({ pending }) => pending)));
        const open = [...after.inboundMessages.values()].filter((state) => state === 'pending').length;
        expect(sum(unsettled.map((gateway) => gateway.pending)) + Number(away)).toBe(open);
        before = after;
      }
      await journal.close();
    }),
    { numRuns: 15 },
  );
});
