// Every row of the decision: what is known, what a delivery does next.
import { describe, expect, test } from 'vitest';
import type { Outcome, WhenUncertain } from '../../driver/contract.js';
import type { AttemptRecord } from '../../journal/types/outbound.js';
import type { AttemptState } from '../../model/state.js';
import { type Decision, decide, type Last, LEAST_MS, RESENDS, type Situation } from './decide.js';

const attempts = (...states: AttemptState[]): AttemptRecord[] =>
  states.map((state, index) => ({
    number: index + 1,
    gatewayId: 'out',
    deliverySystemId: `id-${index + 1}`,
    state,
    acceptedRecipients: state === 'partial' ? ['ann@example.com'] : [],
    detail: `${state} ${index + 1}`,
    outline: null,
    startedAt: 0,
    endedAt: 1,
  }));

const START: Last = { is: 'start' };
const WAITED: Last = { is: 'waited', detail: '451 later' };
const outcome = (value: Outcome): Last => ({ is: 'outcome', outcome: value });
const lookup = (value: Outcome | null): Last => ({ is: 'lookup', outcome: value });
const DEFERRED: Outcome = { kind: 'deferred', detail: '451 later' };
const REJECTED: Outcome = { kind: 'rejected', detail: '550 no' };
const UNKNOWN: Outcome = { kind: 'unknown', detail: 'cut off' };
const SENT: Outcome = { kind: 'sent', deliverySystemId: 'id-1' };
const partial = (temporary: boolean): Outcome => ({
  kind: 'partial',
  deliverySystemId: 'id-1',
  accepted: ['ann@example.com'],
  refused: [{ recipient: 'bob@example.com', temporary, detail: '450 busy' }],
});

const situation = (states: AttemptState[], last: Last, more: Partial<Situation> = {}): Situation => ({
  attempts: attempts(...states),
  last,
  policy: 'Resend',
  remaining: 60_000,
  resends: 0,
  lookedAgain: false,
  pause: 2_000,
  canSend: true,
  canLookUp: false,
  ...more,
});

const shown = (decision: Decision): string => {
  if (decision.do === 'send') return decision.resend ? 'send again' : 'send';
  if (decision.do === 'wait') return `wait ${decision.ms}`;
  if (decision.do === 'look up') return decision.after > 0 ? `look up after ${decision.after}` : 'look up';
  if (decision.do !== 'finish') return decision.do;
  const { result, error, deliverySystemId } = decision.end;
  return error === null ? `success ${deliverySystemId}` : `${result}: ${error}`;
};

const OUT_OF_TIME = { remaining: LEAST_MS - 1 };
const NO_MORE = { resends: RESENDS };
const AFTER_RESTART = { canSend: false };
const HOLD = { policy: 'Hold' as WhenUncertain };
const LOOKUP = { canLookUp: true };

const KNOWN: [string, Situation, string][] = [
  ['a new message', situation([], START), 'send'],
  ['a retry of a failed one', situation(['rejected'], START), 'send'],
  ['a retry of a partial one', situation(['partial'], START), 'send'],
  ['one that was sent', situation(['unknown', 'sent'], START), 'success id-2'],
  [
    'no time left at the start',
    situation([], START, OUT_OF_TIME),
    'deferred: not sent: the time for the answer was over before an attempt could start',
  ],
  [
    'after a restart, never tried',
    situation([], START, AFTER_RESTART),
    'deferred: not sent: Gatepost was stopped before it could send',
  ],
  ['after a restart, failed', situation(['rejected'], START, AFTER_RESTART), 'deferred: not sent: rejected 1'],
  [
    'after a restart, partial',
    situation(['partial'], START, AFTER_RESTART),
    'partial: accepted for ann@example.com; not sent to the others: partial 1',
  ],
  ['sent', situation(['sent'], outcome(SENT)), 'success id-1'],
  ['rejected', situation(['rejected'], outcome(REJECTED)), 'rejected: 550 no'],
  ['deferred', situation(['deferred'], outcome(DEFERRED)), 'wait 2000'],
  ['deferred for a time', situation(['deferred'], outcome({ ...DEFERRED, retryAfterMs: 9_000 })), 'wait 9000'],
  [
    'deferred, too late to wait',
    situation(['deferred'], outcome(DEFERRED), { remaining: 4_999 }),
    'deferred: 451 later',
  ],
  ['the pause is over', situation(['deferred'], WAITED), 'send'],
  ['the pause was cut short', situation(['deferred'], WAITED, { remaining: 0 }), 'deferred: 451 later'],
  ['partial, the others deferred', situation(['partial'], outcome(partial(true))), 'wait 2000'],
  [
    'partial, the others rejected',
    situation(['partial'], outcome(partial(false))),
    'partial: accepted for ann@example.com; rejected: bob@example.com: 450 busy',
  ],
  [
    'the others rejected at a repeat',
    situation(['partial', 'rejected'], outcome(REJECTED)),
    'partial: accepted for ann@example.com; not sent to the others: 550 no',
  ],
  [
    'nothing could be sent',
    situation([], { is: 'not-sent', kind: 'rejected', detail: 'opted out' }),
    'rejected: opted out',
  ],
  ['unknown, but a receipt says undelivered', situation(['rejected'], outcome(UNKNOWN)), 'rejected: rejected 1'],
  ['sent, but a receipt says undelivered', situation(['rejected'], outcome(SENT)), 'rejected: rejected 1'],
  ['the lookup says surely not sent', situation(['deferred'], lookup(DEFERRED)), 'send again'],
  ['the same once too often', situation(['deferred'], lookup(DEFERRED), NO_MORE), 'deferred: not sent: 451 later'],
  [
    'the same after a restart',
    situation(['deferred'], lookup(DEFERRED), AFTER_RESTART),
    'deferred: not sent: 451 later',
  ],
  ['the lookup says rejected', situation(['rejected'], lookup(REJECTED)), 'rejected: 550 no'],
  ['the lookup says sent', situation(['sent'], lookup(SENT)), 'success id-1'],
];

const UNCERTAIN: [string, Situation, string][] = [
  ['at the start, with a lookup', situation(['unknown'], START, LOOKUP), 'look up'],
  ['at the end of an attempt, with a lookup', situation(['unknown'], outcome(UNKNOWN), LOOKUP), 'look up'],
  [
    'without time for the lookup',
    situation(['unknown'], START, { ...LOOKUP, ...OUT_OF_TIME }),
    'unknown: delivery uncertain: unknown 1',
  ],
  ['the lookup found nothing: Resend', situation(['unknown'], lookup(null), LOOKUP), 'send again'],
  [
    'the lookup found nothing: Hold',
    situation(['unknown'], lookup(null), { ...LOOKUP, ...HOLD, lookedAgain: true }),
    'unknown: delivery uncertain, held until an operator resolves it: unknown 1',
  ],
  [
    'the lookup knows more, but no end: Hold',
    situation(['unknown'], lookup({ kind: 'unknown', detail: 'still dialling' }), {
      ...LOOKUP,
      ...HOLD,
      lookedAgain: true,
    }),
    'unknown: delivery uncertain, held until an operator resolves it: still dialling',
  ],
  [
    'the first lookup found nothing: Hold',
    situation(['unknown'], lookup(null), { ...LOOKUP, ...HOLD }),
    'look up after 15000',
  ],
  [
    'the same after a restart, with less time',
    situation(['unknown'], lookup(null), { ...LOOKUP, ...HOLD, ...AFTER_RESTART, remaining: 10_000 }),
    'look up after 7000',
  ],
  [
    'the same with too little time',
    situation(['unknown'], lookup(null), { ...LOOKUP, ...HOLD, remaining: 2 * LEAST_MS - 1 }),
    'unknown: delivery uncertain, held until an operator resolves it: unknown 1',
  ],
  ['AssumeSent', situation(['unknown'], START, { policy: 'AssumeSent' }), 'assume sent'],
  ['the lookup settled the newer of two', situation(['unknown', 'rejected'], lookup(REJECTED), LOOKUP), 'look up'],
  ['Resend without a lookup', situation(['unknown'], START), 'send again'],
  [
    'Resend, once too often',
    situation(['unknown'], outcome(UNKNOWN), NO_MORE),
    'unknown: delivery uncertain: unknown 1',
  ],
  ['Resend after a restart', situation(['unknown'], START, AFTER_RESTART), 'unknown: delivery uncertain: unknown 1'],
  [
    'the repeat was rejected',
    situation(['unknown', 'rejected'], outcome(REJECTED)),
    'unknown: delivery uncertain: unknown 1; a repeat was not accepted: 550 no',
  ],
  ['the repeat was deferred', situation(['unknown', 'deferred'], outcome(DEFERRED), { resends: 1 }), 'wait 2000'],
  [
    'the repeat was deferred for the last time',
    situation(['unknown', 'deferred'], outcome(DEFERRED), NO_MORE),
    'unknown: delivery uncertain: unknown 1; a repeat was not accepted: 451 later',
  ],
  ['the pause after a repeat is over', situation(['unknown', 'deferred'], WAITED, { resends: 1 }), 'send again'],
  [
    'opted out meanwhile',
    situation(['unknown', 'rejected'], { is: 'not-sent', kind: 'rejected', detail: 'opted out' }),
    'unknown: delivery uncertain: unknown 1; not sent again: opted out',
  ],
  [
    'the queue took all the time',
    situation(['unknown', 'deferred'], { is: 'not-sent', kind: 'deferred', detail: 'not sent: timed out' }),
    'unknown: delivery uncertain: unknown 1; not sent again: timed out',
  ],
];

describe('a message of which every attempt is known', () => {
  test.each(KNOWN)('%s', (_name, given, decision) => expect(shown(decide(given))).toBe(decision));
});

describe('a message with an unknown attempt', () => {
  test.each(UNCERTAIN)('%s', (_name, given, decision) => expect(shown(decide(given))).toBe(decision));

  test('is never answered "not sent", whatever else happened', () => {
    const lasts = [
      START,
      WAITED,
      ...[DEFERRED, REJECTED, UNKNOWN, partial(true)].flatMap((o) => [outcome(o), lookup(o)]),
    ];
    for (const policy of ['Resend', 'Hold', 'AssumeSent'] as const)
      for (const last of lasts)
        for (const remaining of [0, LEAST_MS - 1, 60_000])
          for (const canSend of [true, false]) {
            const decision = decide(situation(['unknown', 'rejected'], last, { policy, remaining, canSend }));
            if (decision.do === 'finish') expect(decision.end).toMatchObject({ result: 'unknown' });
          }
  });
});
