// SE_MESSAGE_SENDING, from the request to its answer: read -> reserve the MessageId (or join the running delivery) -> journal.accept
// -> sent already: answer | wait for the gateway -> deliver -> answer.
import type { Journal } from '../../journal/types/journal.js';
import type { OutboundRecord, OwedAnswer } from '../../journal/types/outbound.js';
import type { Clock } from '../../kit/clock.js';
import { type Deadline, deadline } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { guid, MSG, messageContentInfo, problemsOf, SEND_LIMIT_MS } from '../../simprot/messages.js';
import type { SendResult } from '../gateways/gateway.js';
import type { GatewayRegistry } from '../gateways/registry.js';
import type { Metrics } from '../metrics.js';
import { done, failed, newestUnknown, notSent, uncertain } from './answers.js';
import type { SendRequest } from './compose/types.js';
import { runningDeliveries } from './idempotency.js';
import { createReplies, type Debt, type Replies, type RepliesDeps } from './replies.js';

export interface SendRequestsDeps extends RepliesDeps {
  gateways: Pick<GatewayRegistry, 'outbound'>;
  /** Ms after which a send request is answered at the latest. */
  answerMs: number;
  journal: Pick<Journal, 'accept' | 'requestedAgain' | 'answered' | 'outboundMessage' | 'reclaimAbandoned'>;
  metrics: Metrics;
}

export interface SendRequests {
  /** One SE_MESSAGE_SENDING. Resolves when its answer is written, or cannot be any more. */
  onSendRequest(content: unknown): Promise<void>;
  /** Call at every login, before the first MSG of the new connection. */
  connected(): void;
  /** Once, at start: answers what a previous run left unanswered, as far as the server still waits for it. */
  answerLeftovers(): Promise<void>;
  /** Resolves when no request is being answered any more, after `STOP_MS` at the latest. */
  settled(): Promise<void>;
}

/** A delivery ends a moment after its time, when its driver and the journal have had their grace; one that does not, for example
 *  because the journal hangs, is answered without its result after this time, ms. */
const LATE_MS = 4_000;
/** Of the server's patience, this is left for writing such an answer, ms. */
const WRITE_MS = 500;
/** An answer that can be written takes a moment; one that waits for the link will be given after the next start. Ms. */
const STOP_MS = 800;

export function sendRequests(deps: SendRequestsDeps): SendRequests {
  return new Requests(deps);
}

class Requests implements SendRequests {
  readonly #deps: SendRequestsDeps;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #replies: Replies;
  readonly #running = runningDeliveries();
  readonly #answering = new Set<Promise<void>>();

  constructor(deps: SendRequestsDeps) {
    this.#deps = deps;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#replies = createReplies(deps);
  }

  connected(): void {
    this.#replies.connected();
  }

  onSendRequest(content: unknown): Promise<void> {
    const since = this.#clock.monotonic();
    const result = messageContentInfo.safeParse(content);
    const messageId = idOf(content, 'MessageId');
    if (result.success && messageId) return this.#track(this.#request({ ...result.data, MessageId: messageId }, since));
    const problem = result.success ? 'MessageId is missing' : problemsOf(result.error);
    return this.#track(this.#unreadable(content, messageId, problem, since));
  }

  async #unreadable(content: unknown, messageId: string | null, problem: string, since: number): Promise<void> {
    this.#deps.metrics.unhandledMessage(MSG.sending);
    this.#log.error({ message_id: messageId, reason: problem }, 'send request cannot be read');
    if (!messageId) return;
    const debt = this.#replies.owe({ messageId, gatewayId: idOf(content, 'GatewayId'), since });
    await this.#replies.answer(debt, failed('rejected', `not sent: the send request cannot be read: ${problem}`));
  }

  async #request(request: SendRequest, since: number): Promise<void> {
    const { MessageId: messageId, GatewayId: gatewayId } = request;
    const debt = this.#replies.owe({ messageId, gatewayId, since });
    const due = deadline(this.#clock, this.#deps.answerMs);
    const { joined, result } = this.#running.run(messageId, () =>
      this.#first(request, debt, due).catch((error) => this.#unexpected(messageId, error)),
    );
    const answer = joined ? await this.#join(request, debt, result, due) : await this.#inTime(result);
    due.dispose();
    await this.#replies.answer(debt, answer);
  }

  async #inTime(result: Promise<SendResult>): Promise<SendResult> {
    const last = deadline(this.#clock, Math.min(this.#deps.answerMs + LATE_MS, SEND_LIMIT_MS - WRITE_MS));
    const answer = await last
      .race(result, 'the message is still being sent')
      .catch((error) => uncertain(messageOf(error)));
    last.dispose();
    return answer;
  }

  /** A repeat of a running delivery gets the same result, but inside its own time. */
  async #join(request: SendRequest, debt: Debt, result: Promise<SendResult>, due: Deadline): Promise<SendResult> {
    await due.race(this.#deps.journal.requestedAgain(intakeOf(request, this.#clock.now())), 'the journal').then(
      () => this.#replies.counted(debt),
      (error) => this.#log.error({ message_id: debt.messageId, err: messageOf(error) }, 'repeat could not be recorded'),
    );
    return due.race(result, 'the message is still being sent').catch((error) => uncertain(messageOf(error)));
  }

  async #first(request: SendRequest, debt: Debt, due: Deadline): Promise<SendResult> {
    const accepted = await this.#accept(request, due);
    if ('problem' in accepted) return failed('deferred', accepted.problem);
    this.#replies.counted(debt);
    const { outboundMessage: message } = accepted;
    if (accepted.kind !== 'already-sent') return this.#deliver(message, request, due);
    const seconds = (this.#clock.monotonic() - debt.since) / 1000;
    this.#deps.metrics.outboundMessage(message.gatewayId, 'repeated', seconds);
    return done(message.deliverySystemId);
  }

  async #accept(request: SendRequest, due: Deadline) {
    try {
      return await due.race(this.#deps.journal.accept(intakeOf(request, this.#clock.now())), 'the journal');
    } catch (error) {
      this.#log.error({ message_id: request.MessageId, err: messageOf(error) }, 'send request could not be recorded');
      return { problem: `not sent: the journal could not record the send request: ${messageOf(error)}` };
    }
  }

  /** An unknown attempt is a matter of the gateway that made it: only that one can say what became of it. */
  async #deliver(message: OutboundRecord, request: SendRequest | null, due: Deadline): Promise<SendResult> {
    const unknown = newestUnknown(message.attempts);
    const gatewayId = unknown?.gatewayId ?? request?.GatewayId ?? message.gatewayId;
    for (;;) {
      const found = await this.#deps.gateways.outbound(gatewayId, due);
      if (found.is !== 'running')
        return notSent(message.attempts, 'deferred', `not sent: gateway ${gatewayId}: ${found.reason}`);
      // A gateway that has begun to drain since is not asked; the registry now waits for the next one.
      if (found.gateway.accepts) return found.gateway.deliver({ message, request, due });
    }
  }

  async answerLeftovers(): Promise<void> {
    const owed = await this.#deps.journal.reclaimAbandoned(this.#clock.now() - SEND_LIMIT_MS);
    await Promise.all(owed.map((one) => this.#track(this.#answerLeftover(one))));
  }

  async #answerLeftover({ outboundMessage: message, owed, askedAt }: OwedAnswer): Promise<void> {
    const { messageId, gatewayId } = message;
    const passed = Math.max(0, this.#clock.now() - askedAt);
    const debt = this.#replies.oweFromBefore({ messageId, gatewayId, since: this.#clock.monotonic() - passed }, owed);
    const due = deadline(this.#clock, Math.max(0, this.#deps.answerMs - passed));
    // A server that repeats the request at its login sends the content again, and with that the message can be sent.
    const isDue = await this.#replies.untilTurn(debt);
    // A receipt may have settled it meanwhile.
    const read = due.race(this.#deps.journal.outboundMessage(messageId), 'the journal').catch(() => null);
    const current = (await read) ?? message;
    const answer = isDue && current.state === 'unknown' ? await this.#lookUp(current, due) : answerFromJournal(current);
    due.dispose();
    await this.#replies.answer(debt, answer);
  }

  /** Without the content nothing can be sent, but what became of the message can be found out. */
  #lookUp(message: OutboundRecord, due: Deadline): Promise<SendResult> {
    const { messageId } = message;
    const { result } = this.#running.run(messageId, () =>
      this.#deliver(message, null, due).catch((error) => this.#unexpected(messageId, error)),
    );
    return result;
  }

  #unexpected(messageId: string, error: unknown): SendResult {
    this.#log.error({ message_id: messageId, err: messageOf(error) }, 'send request failed unexpectedly');
    return uncertain(messageOf(error));
  }

  #track(work: Promise<void>): Promise<void> {
    const tracked = work.finally(() => this.#answering.delete(tracked));
    this.#answering.add(tracked);
    return tracked;
  }

  async settled(): Promise<void> {
    const due = deadline(this.#clock, STOP_MS);
    await due.race(Promise.allSettled(this.#answering), 'answers').catch(() => undefined);
    due.dispose();
  }
}

/** What a message of an earlier process is answered without its content. */
function answerFromJournal({ state, attempts, deliverySystemId, detail }: OutboundRecord): SendResult {
  if (state === 'sent') return done(deliverySystemId);
  return notSent(attempts, 'deferred', `not sent: ${detail ?? 'Gatepost was stopped before it could send'}`);
}

function intakeOf(request: SendRequest, at: number) {
  return {
    messageId: request.MessageId,
    gatewayId: request.GatewayId,
    remoteAddress: request.RemoteAddress ?? '',
    subject: request.SubjectField ?? '',
    bytes: (request.BodyHtml?.length ?? 0) + (request.BodyText?.length ?? 0),
    at,
  };
}

/** A GUID member of something that may be anything; null when it is not there or not one. */
function idOf(content: unknown, member: string): string | null {
  if (typeof content !== 'object' || content === null) return null;
  const result = guid.safeParse((content as Readonly<Record<string, unknown>>)[member]);
  return result.success ? result.data : null;
}
