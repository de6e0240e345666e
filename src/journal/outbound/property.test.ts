// Random operations in random order, beside a model of the attempts.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { outboundMessage, place } from '../../../test/fixtures/journal.js';
import type { Outcome } from '../../model/outcome.js';
import type { AttemptState, OutboundState } from '../../model/state.js';
import type { Journal } from '../types/journal.js';
import type { OutboundRecord } from '../types/outbound.js';

const outcomesOf = (id: string): Outcome[] => [
  { kind: 'sent', deliverySystemId: 'd', ids: [`${id}-1`] },
  { kind: 'deferred', detail: 'busy' },
  { kind: 'rejected', detail: 'no' },
  { kind: 'unknown', detail: 'cut' },
  { kind: 'unknown', detail: 'under way', ids: [`${id}-2`] },
  {
    kind: 'partial',
    deliverySystemId: 'd',
    accepted: ['a@x'],
    refused: [{ recipient: 'b@x', temporary: true, detail: 'no' }],
  },
];

const operation = fc.record({
  name: fc.constantFrom('accept', 'begin', 'outcome', 'not sent', 'lookup', 'receipt', 'resolve', 'joined', 'answered'),
  which: fc.nat(3),
  what: fc.nat(5),
});
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

const KNOWN: AttemptState[] = ['sent', 'partial', 'deferred', 'rejected'];

async function run(journal: Journal, id: string, { name, which, what }: Operation): Promise<void> {
  const outcome = outcomesOf(id)[what] ?? { kind: 'unknown', detail: 'cut' };
  const notSent = { kind: what % 2 ? 'deferred' : 'rejected', detail: 'opted out' } as const;
  const gatewayId = which % 2 ? 'other' : 'out';
  const state = what % 2 ? 'delivered' : 'undelivered';
  if (name === 'accept') await journal.accept(outboundMessage(id));
  if (name === 'begin') await journal.beginAttempt(id, 'd', { gatewayId });
  if (name === 'outcome') await journal.recordOutcome(id, which, outcome);
  if (name === 'not sent') await journal.recordNotSent(id, gatewayId, notSent);
  if (name === 'lookup') await journal.recordLookup(id, gatewayId, outcome);
  if (name === 'receipt') await journal.applyReceipts('out', [{ id: `${id}-${which}`, state, at: 1, detail: null }]);
  if (name === 'resolve') await journal.resolve(id, what % 2 ? 'sent' : 'not-sent', null, 1);
  if (name === 'joined') await journal.requestedAgain(outboundMessage(id));
  if (name === 'answered') await journal.answered(id, null, which);
}

/** What the state must be, written independently of the fold. */
function expected({ attempts }: OutboundRecord): OutboundState {
  const count = (state: AttemptState) => attempts.filter((attempt) => attempt.state === state).length;
  if (attempts.length === 0) return 'accepted';
  if (count('sent') > 0) return 'sent';
  if (count('sending') > 0) return 'sending';
  if (count('unknown') > 0) return 'unknown';
  return count('partial') > 0 ? 'partial' : 'failed';
}

function check(before: OutboundRecord | null, after: OutboundRecord): void {
  expect(after.state).toBe(expected(after));
  const sending = after.attempts.filter(({ state }) => state === 'sending').length;
  expect(sending, 'two runs at once').toBeLessThanOrEqual(1);
  for (const was of before?.attempts ?? []) {
    const is = after.attempts.find(({ number }) => number === was.number);
    if (KNOWN.includes(was.state)) expect(is?.state, `attempt ${was.number} stays ${was.state}`).toBe(was.state);
    if (was.state === 'unknown') expect(is?.state).not.toBe('sending');
  }
  if (before?.state === 'sent') expect(after.state).toBe('sent');
  if (before?.state === 'unknown' && after.state === 'failed')
    for (const { state } of after.attempts) expect(['deferred', 'rejected']).toContain(state);
}

const REFUSALS = /^journal\/(unknown-message|attempt-not-allowed|not-unknown)$/;

test('no sequence of operations hides an unknown attempt, runs two at once or takes "sent" back', async () => {
  const { open, rows } = place();
  const journal = await open();
  let message = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 4, maxLength: 16 }), async (operations) => {
      // A message of its own for each run, so that one journal serves all of them.
      const id = `m${message++}`;
      let before: OutboundRecord | null = null;
      for (const each of operations) {
        await run(journal, id, each).catch((error: unknown) => {
          expect(error).toMatchObject({ code: expect.stringMatching(REFUSALS) });
        });
        const after = await journal.outboundMessage(id);
        if (after) check(before, after);
        before = after;
      }
    }),
    { numRuns: 300 },
  );
  await journal.close();
  await (await open()).reclaimAbandoned(0);
  expect(rows("select 1 from outbound_messages where state = 'sending'")).toEqual([]);
  expect(rows('select 1 from outbound_messages where answered > asked')).toEqual([]);
}, 120_000);
