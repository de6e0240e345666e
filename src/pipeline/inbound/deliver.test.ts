import { describe, expect, it } from 'vitest';
import { begin, type Delivery, type DeliveryEffect, type DeliveryEvent, type DeliveryPolicy, next } from './deliver.js';

const patient: DeliveryPolicy = { rejections: 3, canDefer: false };
const onTheLine: DeliveryPolicy = { rejections: 3, canDefer: true };

const waiting: Delivery = { is: 'waitingForLink', attempt: 2, rejections: 1 };
const awaiting: Delivery = { is: 'awaitingAck', attempt: 2, rejections: 1 };
const last: Delivery = { is: 'awaitingAck', attempt: 2, rejections: 2 };
const recording: Delivery = { is: 'recordingAck', attempt: 2, rejections: 1 };
const pausing: Delivery = { is: 'backingOff', attempt: 2, rejections: 1 };
const no: DeliveryEvent = { is: 'rejected', detail: 'no queue' };
const silence: DeliveryEvent = { is: 'timeout', othersAnswered: false };
const ignored: DeliveryEvent = { is: 'timeout', othersAnswered: true };
const SILENT = 'the contact center did not answer in time';

type Row = [string, Delivery, DeliveryEvent, DeliveryPolicy, Delivery, DeliveryEffect];

const rows: Row[] = [
  ['the link comes up', waiting, { is: 'linkUp' }, patient, awaiting, { do: 'send', attempt: 2 }],
  [
    'the link stays down for a sender on the line',
    waiting,
    { is: 'linkTimeout' },
    onTheLine,
    { is: 'deferred', rejections: 1 },
    { do: 'defer', reason: 'the contact center is not connected', rejection: null },
  ],
  ['accepted', awaiting, { is: 'accepted' }, patient, { is: 'acknowledged', rejections: 1 }, { do: 'finish' }],
  [
    'accepted late, in the pause',
    pausing,
    { is: 'accepted' },
    patient,
    { is: 'acknowledged', rejections: 1 },
    { do: 'finish' },
  ],
  [
    'accepted late, without a link',
    waiting,
    { is: 'accepted' },
    patient,
    { is: 'acknowledged', rejections: 1 },
    { do: 'finish' },
  ],
  ['accepted, not recorded yet', awaiting, { is: 'recording' }, patient, recording, { do: 'waitForJournal' }],
  ['accepted late, not recorded yet', pausing, { is: 'recording' }, patient, recording, { do: 'waitForJournal' }],
  ['accepted late, without a link', waiting, { is: 'recording' }, patient, recording, { do: 'waitForJournal' }],
  ['recorded', recording, { is: 'accepted' }, patient, { is: 'acknowledged', rejections: 1 }, { do: 'finish' }],
  [
    'rejected',
    awaiting,
    no,
    patient,
    { is: 'backingOff', attempt: 2, rejections: 2 },
    { do: 'backOff', attempt: 2, rejection: 'no queue' },
  ],
  [
    'rejected as often as allowed',
    last,
    no,
    patient,
    { is: 'quarantined', rejections: 3 },
    { do: 'quarantine', reason: 'not accepted by the contact center after 3 attempts', rejection: 'no queue' },
  ],
  [
    'rejected while the sender is on the line',
    awaiting,
    no,
    onTheLine,
    { is: 'deferred', rejections: 2 },
    { do: 'defer', reason: 'the contact center rejected the message', rejection: 'no queue' },
  ],
  [
    'no answer to any message',
    awaiting,
    silence,
    patient,
    { is: 'backingOff', attempt: 2, rejections: 1 },
    { do: 'backOff', attempt: 2, rejection: null },
  ],
  [
    'no answer to this one, while others are answered',
    awaiting,
    ignored,
    patient,
    { is: 'backingOff', attempt: 2, rejections: 2 },
    { do: 'backOff', attempt: 2, rejection: SILENT },
  ],
  [
    'no answer to this one as often as allowed',
    last,
    ignored,
    patient,
    { is: 'quarantined', rejections: 3 },
    { do: 'quarantine', reason: 'not accepted by the contact center after 3 attempts', rejection: SILENT },
  ],
  [
    'no answer to any message, however often',
    last,
    silence,
    patient,
    { ...last, is: 'backingOff' } as Delivery,
    { do: 'backOff', attempt: 2, rejection: null },
  ],
  [
    'the connection is lost',
    awaiting,
    { is: 'disconnected' },
    patient,
    { is: 'waitingForLink', attempt: 3, rejections: 1 },
    { do: 'waitForLink' },
  ],
  [
    'the connection is lost while the sender is on the line',
    awaiting,
    { is: 'disconnected' },
    onTheLine,
    { is: 'deferred', rejections: 1 },
    { do: 'defer', reason: 'the connection to the contact center was lost', rejection: null },
  ],
  [
    'the pause is over',
    pausing,
    { is: 'elapsed' },
    patient,
    { is: 'waitingForLink', attempt: 3, rejections: 1 },
    { do: 'waitForLink' },
  ],
  ['the gateway stops', awaiting, { is: 'stopped' }, patient, { is: 'stopped', rejections: 1 }, { do: 'finish' }],
  [
    'the gateway stops while the sender is on the line',
    waiting,
    { is: 'stopped' },
    onTheLine,
    { is: 'deferred', rejections: 1 },
    { do: 'defer', reason: 'Gatepost is stopping', rejection: null },
  ],
];

describe('the delivery of an inbound message', () => {
  it('begins by waiting for the link, with the rejections that the journal has counted', () => {
    expect(begin(2)).toEqual([{ is: 'waitingForLink', attempt: 1, rejections: 2 }, { do: 'waitForLink' }]);
  });

  it.each(rows)('%s', (_title, state, event, policy, to, effect) => {
    expect(next(state, event, policy)).toEqual([to, effect]);
  });

  const events: DeliveryEvent[] = [
    ...(['linkUp', 'linkTimeout', 'recording', 'accepted', 'disconnected', 'elapsed', 'stopped'] as const).map(
      (is) => ({ is }),
    ),
    no,
    silence,
    ignored,
  ];
  const concerning: Record<string, string[]> = {
    waitingForLink: ['linkUp', 'linkTimeout', 'recording', 'accepted', 'stopped'],
    awaitingAck: ['recording', 'accepted', 'rejected', 'timeout', 'disconnected', 'stopped'],
    recordingAck: ['accepted', 'stopped'],
    backingOff: ['elapsed', 'recording', 'accepted', 'stopped'],
  };
  it.each([waiting, awaiting, recording, pausing])('in $is: every other event changes nothing', (state) => {
    for (const event of events)
      expect([event.is, next(state, event, patient) !== null]).toEqual([
        event.is,
        concerning[state.is]?.includes(event.is),
      ]);
  });

  it.each(['acknowledged', 'quarantined', 'deferred', 'stopped'] as const)('%s is final', (is) => {
    for (const event of events) expect(next({ is, rejections: 0 }, event, patient)).toBeNull();
  });
});
