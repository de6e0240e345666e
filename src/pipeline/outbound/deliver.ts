// Carries one message to its end: `decide` says what to do, this loop does it, and each result is the next decision's input.
import type { Outcome } from '../../driver/contract.js';
import type { OutboundRecord } from '../../journal/types/outbound.js';
import { equalJitter } from '../../kit/backoff.js';
import { sleep } from '../../kit/clock.js';
import type { End } from './answers.js';
import { newestUnknown } from './answers.js';
import { makeAttempt } from './attempt.js';
import { compose } from './compose/compose.js';
import { messageFrom } from './compose/outline.js';
import type { Composed, ComposeFailure, SendRequest } from './compose/types.js';
import { type Decision, decide, type Last } from './decide.js';
import { type DeliveryContext, latest } from './delivery-context.js';
import { defaultPolicy } from './outcome.js';
import { lookUp } from './resolve-unknown.js';

/** Pause before a deferred message is tried again inside its window. */
const AGAIN = { first: 2_000, longest: 20_000 };

/** A delivery's own state. `message` is replaced by every journal operation; `last` is what the next decision starts from. */
interface State {
  message: OutboundRecord;
  last: Last;
  resends: number;
  lookedAgain: boolean;
  /** Pauses so far. */
  waits: number;
  composed?: Composed | ComposeFailure;
}

type Deps = Omit<DeliveryContext, 'messageId' | 'composedAt' | 'message' | 'recipient'>;

/** `request` is null after a restart: then nothing can be sent, but what became of it can be found out. */
export async function deliver(message: OutboundRecord, request: SendRequest | null, deps: Deps): Promise<End> {
  const state: State = { message, last: { is: 'start' }, resends: 0, lookedAgain: false, waits: 0 };
  const context: DeliveryContext = {
    ...deps,
    messageId: message.messageId,
    composedAt: message.firstAttemptAt ?? deps.clock.now(),
    message: () => state.message,
    recipient: () => recipientOf(state),
  };
  for (;;) {
    const decision = decide(situation(state, request, context));
    if (decision.do === 'finish') return decision.end;
    state.last = await act(decision, state, request, context);
  }
}

function situation(state: State, request: SendRequest | null, context: DeliveryContext) {
  const { config, due, random } = context;
  const { driver, settings, info } = config;
  const unknown = newestUnknown(state.message.attempts);
  const known = request !== null || (unknown && unknown.outline !== null);
  return {
    attempts: state.message.attempts,
    last: state.last,
    policy: driver.whenUncertain?.(settings) ?? defaultPolicy(driver.channel),
    remaining: due.signal.aborted ? 0 : due.remaining(),
    resends: state.resends,
    lookedAgain: state.lookedAgain,
    pause: equalJitter(AGAIN, state.waits + 1, random),
    canSend: request !== null,
    canLookUp: Boolean(driver.lookup && known && unknown?.gatewayId === info.Id),
  };
}

function act(
  decision: Exclude<Decision, { do: 'finish' }>,
  state: State,
  request: SendRequest | null,
  context: DeliveryContext,
): Promise<Last> {
  switch (decision.do) {
    case 'send':
      if (decision.resend) state.resends += 1;
      return send(state, request, context);
    case 'look up':
      return find(state, decision.after, request, context);
    case 'wait':
      return pause(state, decision, context);
    case 'assume sent':
      return assumeSent(state, decision, context);
  }
}

async function send(state: State, request: SendRequest | null, context: DeliveryContext): Promise<Last> {
  const composed = await composedOnce(state, request, context);
  if ('problem' in composed)
    return refuse(state, composed.temporary ? 'deferred' : 'rejected', composed.problem, context);
  const result = await makeAttempt(context, composed);
  if (result.is === 'outcome') {
    state.message = result.record;
    return { is: 'outcome', outcome: result.outcome };
  }
  if (!result.record) return refuse(state, result.kind, result.detail, context);
  state.message = result.record;
  return { is: 'not-sent', kind: result.kind, detail: result.detail };
}

/** Nothing was sent. A journal that cannot record even that changes nothing about the answer. */
async function refuse(
  state: State,
  kind: 'deferred' | 'rejected',
  detail: string,
  { journal, messageId, config }: DeliveryContext,
): Promise<Last> {
  state.message = await journal.recordNotSent(messageId, config.info.Id, { kind, detail }).catch(() => state.message);
  return { is: 'not-sent', kind, detail };
}

/** Composed once: all attempts of a delivery send the same bytes. */
async function composedOnce(
  state: State,
  request: SendRequest | null,
  context: DeliveryContext,
): Promise<Composed | ComposeFailure> {
  if (!request)
    return { problem: 'not sent: the content of the message is not known after a restart', temporary: true };
  state.composed ??= await compose(request, context.composedAt, { ...context, signal: context.due.signal });
  return state.composed;
}

async function find(state: State, after: number, request: SendRequest | null, context: DeliveryContext): Promise<Last> {
  const unknown = newestUnknown(state.message.attempts);
  if (!unknown) return { is: 'lookup', outcome: null };
  if (after > 0) {
    state.lookedAgain = true;
    await sleep(context.clock, after, context.due.signal).catch(() => undefined);
    state.message = await latest(context);
    const settled = recordedOutcome(state.message, unknown.number);
    if (settled || context.due.signal.aborted) return { is: 'lookup', outcome: settled };
  }
  const composed = request ? await composedOnce(state, request, context) : undefined;
  const sent = composed && 'message' in composed ? composed.message : messageFrom(unknown.outline);
  if (!sent) return { is: 'lookup', outcome: null };
  const { outcome, record } = await lookUp(context, unknown, sent);
  state.message = record;
  const recorded = recordedOutcome(record, unknown.number);
  return { is: 'lookup', outcome: recorded && recorded.kind !== outcome?.kind ? recorded : outcome };
}

/** A receipt, or an operator, may have settled the attempt while the counterparty was asked. Null: it is unknown still. */
function recordedOutcome({ attempts, messageId }: OutboundRecord, attempt: number): Outcome | null {
  const found = attempts.find(({ number }) => number === attempt);
  const detail = found?.detail ?? 'the journal has its end';
  if (found?.state === 'deferred' || found?.state === 'rejected') return { kind: found.state, detail };
  if (found?.state === 'sent') return { kind: 'sent', deliverySystemId: found.deliverySystemId ?? messageId };
  return null;
}

async function pause(
  state: State,
  { ms, detail }: Extract<Decision, { do: 'wait' }>,
  { clock, due }: DeliveryContext,
): Promise<Last> {
  state.waits += 1;
  await sleep(clock, ms, due.signal).catch(() => undefined);
  return { is: 'waited', detail };
}

async function assumeSent(
  state: State,
  { attempt, detail }: Extract<Decision, { do: 'assume sent' }>,
  { journal, messageId }: DeliveryContext,
): Promise<Last> {
  const assumed = state.message.attempts.find(({ number }) => number === attempt);
  const deliverySystemId = assumed?.deliverySystemId ?? messageId;
  const outcome = { kind: 'sent', deliverySystemId, detail: `assumed: ${detail}` } as const;
  state.message = await journal.recordOutcome(messageId, attempt, outcome);
  return { is: 'outcome', outcome };
}

function recipientOf({ composed, message }: State): string | undefined {
  const sent =
    composed && 'message' in composed
      ? composed.message
      : messageFrom(newestUnknown(message.attempts)?.outline ?? null);
  return sent?.kind === 'text' ? sent.to : undefined;
}
