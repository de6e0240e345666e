// Owns the answers: every SE_MESSAGE_SENDING gets exactly one ES_MESSAGE_SENT, also one that cannot be read, also one
// that an earlier run of the process left behind.
import type { Journal } from '../../journal/types/journal.js';
import type { OutboundRecord } from '../../journal/types/outbound.js';
import { type Clock, isoTime, sleep } from '../../kit/clock.js';
import { deadline } from '../../kit/deadline.js';
import { messageOf } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import type { CommandInfo } from '../../model/message.js';
import { guid, MSG, messageContentInfo, problemsOf, SEND_LIMIT_MS } from '../../simprot/messages.js';
import type { SendResult } from '../gateways/gateway.js';
import type { GatewayRegistry } from '../gateways/registry.js';
import type { Metrics } from '../metrics.js';
import type { ServerLink } from '../server/link.js';
import type { SendRequest } from './deliver.js';

export interface RepliesDeps {
  clock: Clock;
  log: Log;
  serverLink: ServerLink;
  gateways: Pick<GatewayRegistry, 'outbound'>;
  /** Ms after which a send request is answered at the latest. */
  answerMs: number;
  journal: Pick<Journal, 'answered' | 'reclaimAbandoned'>;
  metrics: Metrics;
  /** Aborts when the service ends and no answer can be written any more. */
  signal: AbortSignal;
}

export interface Replies {
  /** One SE_MESSAGE_SENDING. Resolves when its answer is written, or cannot be any more. */
  onSendRequest(content: unknown): Promise<void>;
  /** Once, at start: answers what a previous run left unanswered, as far as the server still waits for it. */
  answerLeftovers(): Promise<void>;
}

export function replies({
  clock,
  log,
  serverLink,
  gateways,
  journal,
  metrics,
  answerMs,
  signal,
}: RepliesDeps): Replies {
  async function onSendRequest(content: unknown): Promise<void> {
    const since = clock.monotonic();
    const result = messageContentInfo.safeParse(content);
    const messageId = idOf(content, 'MessageId');
    if (!result.success || !messageId)
      return unreadable(content, messageId, result.success ? 'MessageId is missing' : problemsOf(result.error));
    const sendRequest: SendRequest = { ...result.data, MessageId: messageId };
    const due = deadline(clock, answerMs, signal);
    const found = await gateways.outbound(sendRequest.GatewayId, due);
    due.dispose();
    const answer =
      found.is === 'running' ? await found.gateway.deliver(sendRequest, since) : noGateway(sendRequest, found);
    await reply(sendRequest, answer, since, found.is === 'running');
  }

  async function unreadable(content: unknown, messageId: string | null, problem: string): Promise<void> {
    metrics.unhandledMessage(MSG.sending);
    log.error(
      { messageId, problem },
      messageId
        ? 'an order cannot be read and is answered with an error'
        : 'an order without a usable MessageId cannot be answered',
    );
    if (!messageId) return;
    const sendRequest = { MessageId: messageId, GatewayId: idOf(content, 'GatewayId') };
    await reply(
      sendRequest,
      { error: `the order cannot be read: ${problem}`, deliverySystemId: null },
      clock.monotonic(),
      false,
    );
  }

  function noGateway({ GatewayId }: SendRequest, { reason }: { reason: string }): SendResult {
    return { error: `not sent: gateway ${GatewayId}: ${reason}`, deliverySystemId: null };
  }

  /** Writes the one answer; waits for the link, but not longer than the server does. */
  async function reply(
    sendRequest: { MessageId: string; GatewayId: string | null },
    answer: SendResult,
    since: number,
    journaled: boolean,
  ): Promise<void> {
    const due = deadline(clock, Math.max(0, SEND_LIMIT_MS - (clock.monotonic() - since)), signal);
    const command: CommandInfo = {
      Id: sendRequest.MessageId,
      RefId: sendRequest.GatewayId,
      Reference: answer.error === null ? answer.deliverySystemId : null,
      Data: answer.error,
      TimeStamp: isoTime(clock.now()),
    };
    try {
      await write(command, due.signal);
      if (journaled) await journal.answered(sendRequest.MessageId, answer.error);
    } catch (error) {
      log.error(
        { messageId: sendRequest.MessageId, error: messageOf(error) },
        'an answer could not be given in time; the server will repeat the order',
      );
    } finally {
      due.dispose();
    }
  }

  async function write(command: CommandInfo, signal: AbortSignal): Promise<void> {
    for (;;) {
      await serverLink.untilUp(signal);
      const failure = await serverLink.send(MSG.sent, command).then(
        () => null,
        (error: unknown) => error,
      );
      if (failure === null) return;
      log.debug(
        { messageId: command.Id, error: messageOf(failure) },
        'the link went down while answering; answering on the next one',
      );
      await sleep(clock, 100, signal);
    }
  }

  async function answerLeftovers(): Promise<void> {
    const owing = await journal.reclaimAbandoned(clock.now() - SEND_LIMIT_MS);
    await Promise.all(owing.map(answerLeftover));
  }

  function answerLeftover(sendRequest: OutboundRecord): Promise<void> {
    const sent = sendRequest.state === 'sent';
    const words =
      sendRequest.state === 'unknown'
        ? 'delivery uncertain: the connector was stopped while it was sending'
        : `not sent: ${sendRequest.detail ?? 'the connector was stopped before it could send'}`;
    const answer = { error: sent ? null : words, deliverySystemId: sent ? sendRequest.deliverySystemId : null };
    return reply(
      { MessageId: sendRequest.messageId, GatewayId: sendRequest.gatewayId },
      answer,
      clock.monotonic(),
      true,
    );
  }

  return { onSendRequest, answerLeftovers };
}

/** A GUID member of something that may be anything; null when it is not there or not one. */
function idOf(content: unknown, member: string): string | null {
  if (typeof content !== 'object' || content === null) return null;
  const result = guid.safeParse((content as Readonly<Record<string, unknown>>)[member]);
  return result.success ? result.data : null;
}
