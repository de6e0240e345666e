// Handing one message to the server, as a state machine.
//
// waitingForLink   attempt `attempt` is sent as soon as the server is connected. A sender that waits on the line is told to come
//                  again when the link does not come up in time.
// awaitingAck      the message was sent. "true" ends in acknowledged. "false" counts; silence counts as well while the server
//                  answers other messages. The last rejection that the limit allows ends in quarantined; before that a sender on
//                  the line is told to come again, and everything else is tried again after a pause. A lost connection needs no
//                  pause, because the server recognizes the RequestId.
// recordingAck     "true" has arrived and is on its way into the journal, however long that takes. Neither a timer nor a lost connection
//                  counts any more, and nothing is sent.
// backingOff       the pause before the next attempt. A late "true" for an earlier attempt still ends in acknowledged.
// acknowledged     final: the journal has the acknowledgement; the counterparty is to be confirmed.
// quarantined      final: an operator decides.
// deferred         final: the sender was told to come again; until it does nothing is pending here.
// stopped          final: the gateway stops; the next start goes on from the journal.

export type Delivery = (
  | { is: 'waitingForLink' | 'awaitingAck' | 'recordingAck' | 'backingOff'; attempt: number }
  | { is: 'acknowledged' | 'quarantined' | 'deferred' | 'stopped' }
) & { rejections: number };

export type DeliveryEvent =
  /** `recording`: the server accepted the message; `accepted`: the journal has it, too. */
  | { is: 'linkUp' | 'linkTimeout' | 'recording' | 'accepted' | 'disconnected' | 'elapsed' | 'stopped' }
  | { is: 'rejected'; detail: string }
  | { is: 'timeout'; othersAnswered: boolean };

export type DeliveryEffect =
  | { do: 'waitForLink' }
  | { do: 'waitForJournal' }
  | { do: 'send'; attempt: number }
  /** `rejection`: what counts in the journal first; null when nothing does. */
  | { do: 'backOff'; attempt: number; rejection: string | null }
  | { do: 'defer'; reason: string; rejection: string | null }
  | { do: 'quarantine'; reason: string; rejection: string }
  | { do: 'finish' };

export interface DeliveryPolicy {
  /** Rejections after which a message goes to quarantine. */
  rejections: number;
  /** The sender waits on the line and can be told to come again later. */
  canDefer: boolean;
}

type Transition = [Delivery, DeliveryEffect];

export function begin(rejections: number): Transition {
  return [{ is: 'waitingForLink', attempt: 1, rejections }, { do: 'waitForLink' }];
}

export function isFinal({ is }: Delivery): boolean {
  return is === 'acknowledged' || is === 'quarantined' || is === 'deferred' || is === 'stopped';
}

/** Null: the event does not concern this state. */
export function next(state: Delivery, event: DeliveryEvent, policy: DeliveryPolicy): Transition | null {
  if (!('attempt' in state)) return null;
  const { rejections } = state;
  if (event.is === 'accepted') return [{ is: 'acknowledged', rejections }, { do: 'finish' }];
  if (event.is === 'stopped') {
    if (policy.canDefer) return deferred(rejections, 'Gatepost is stopping');
    return [{ is: 'stopped', rejections }, { do: 'finish' }];
  }
  if (state.is === 'recordingAck') return null;
  if (event.is === 'recording') return [{ ...state, is: 'recordingAck' }, { do: 'waitForJournal' }];
  if (state.is === 'waitingForLink') return whileWaiting(state, event);
  if (state.is === 'awaitingAck') return answered(state, event, policy);
  return event.is === 'elapsed' ? again(state) : null;
}

type Pending = Extract<Delivery, { attempt: number }>;

function whileWaiting({ attempt, rejections }: Pending, event: DeliveryEvent): Transition | null {
  if (event.is === 'linkUp')
    return [
      { is: 'awaitingAck', attempt, rejections },
      { do: 'send', attempt },
    ];
  return event.is === 'linkTimeout' ? deferred(rejections, 'the contact center is not connected') : null;
}

function answered(state: Pending, event: DeliveryEvent, policy: DeliveryPolicy): Transition | null {
  switch (event.is) {
    case 'rejected':
      return failed(state, policy, 'the contact center rejected the message', event.detail);
    case 'timeout':
      return failed(state, policy, SILENT, event.othersAnswered ? SILENT : null);
    case 'disconnected':
      if (policy.canDefer) return deferred(state.rejections, 'the connection to the contact center was lost');
      return again(state);
    default:
      return null;
  }
}

const SILENT = 'the contact center did not answer in time';

function failed(state: Pending, policy: DeliveryPolicy, reason: string, rejection: string | null): Transition {
  const rejections = state.rejections + (rejection === null ? 0 : 1);
  if (rejection !== null && rejections >= policy.rejections) {
    const why = `not accepted by the contact center after ${rejections} attempts`;
    return [
      { is: 'quarantined', rejections },
      { do: 'quarantine', reason: why, rejection },
    ];
  }
  if (policy.canDefer) return deferred(rejections, reason, rejection);
  const { attempt } = state;
  return [
    { is: 'backingOff', attempt, rejections },
    { do: 'backOff', attempt, rejection },
  ];
}

function again({ attempt, rejections }: Pending): Transition {
  return [{ is: 'waitingForLink', attempt: attempt + 1, rejections }, { do: 'waitForLink' }];
}

function deferred(rejections: number, reason: string, rejection: string | null = null): Transition {
  return [
    { is: 'deferred', rejections },
    { do: 'defer', reason, rejection },
  ];
}
