// The send requests in the store and their states:
//   Queued -> Sending -> Sent
//   Sending -> Queued      not answered in time, or answered with an error, and repeats are left
//   Sending -> Failed      the same, and none is left
//   Queued, Failed -> Sent a success that came late: what is sent is sent
// Each step is an UPDATE that names the state it leaves, so that of two hands only one takes it.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Sqlite } from '../kit/sqlite.js';
import { type Channel, LIMITS, type MessageContentInfo } from '../model/message.js';
import { messageContentInfo } from '../simprot/messages.js';
import { type Events, storable } from './events.js';
import { insertMessage } from './inbox.js';

export interface NewSendRequest {
  gatewayId: string;
  channel: Channel;
  remoteAddress: string;
  fromField: string | null;
  subject: string | null;
  bodyText: string | null;
  bodyHtml: string | null;
  /** The MessageId of the message that it answers. */
  answers: string | null;
}

export interface DueSendRequest {
  message: MessageContentInfo & { MessageId: string };
  tries: number;
}

/** How often and when a send request is repeated. */
export interface RetryRules {
  /** Ms an answer is waited for. */
  limitMs: number;
  /** Repeats after the first sending. */
  repeats: number;
  /** Ms between an error and the repeat. */
  pauseMs: number;
}

export interface Answer {
  messageId: string;
  gatewayId: string | null;
  /** Who answers: its Instance. */
  connector: string;
  /** The PeerAddresses it logged in with, lower case. */
  peers: readonly string[];
  error: string | null;
  /** The id under which it went out; null keeps the proposal. */
  deliverySystemId: string | null;
}

/** `unknown`: no such send request for this connector. `fault`: answered more often than asked. */
export type AnswerVerdict = 'sent' | 'failed' | 'late' | 'fault' | 'unknown';

export interface SendRequests {
  queue(sendRequest: NewSendRequest, at: number): string;
  /** Queued send requests whose time has come, oldest first. */
  due(at: number, limit: number): DueSendRequest[];
  /** Queued -> Sending, recording which connectors were asked; false when another process was quicker. Before any byte leaves. */
  begin(messageId: string, to: { connectors: readonly string[]; peerAddress: string }, at: number): boolean;
  /** Sending send requests not answered within the limit -> Queued or Failed. Returns how many. */
  lapse(at: number): number;
  answer(answer: Answer, at: number): AnswerVerdict;
  /** Notes once, as the newest line, why a due send request is not sent; it is looked at again after `pauseMs`. */
  defer(messageId: string, why: string, at: number, pauseMs: number): void;
}

const dueRow = messageContentInfo.extend({ MessageId: z.string(), tries: z.number() });
const stateRow = z
  .object({ state: z.string(), tries: z.number(), GatewayId: z.string(), peer_address: z.string().nullable() })
  .optional();
const lateRow = z.object({ MessageId: z.string(), tries: z.number() });
const askedRow = z.object({ all_asked: z.number(), all_answered: z.number(), asked: z.number(), answered: z.number() });

export function sendRequests(database: Sqlite, log: Events, rules: RetryRules): SendRequests {
  const sql = prepare(database);
  const total = rules.repeats + 1;

  /** After an attempt that failed: once more after `pauseMs`, or never. */
  const repeat = (messageId: string, tries: number, at: number, pauseMs: number) => {
    const again = tries < total;
    sql.leave.run({ messageId, at, state: again ? 'Queued' : 'Failed', due: again ? at + pauseMs : null });
    if (!again) log.add(messageId, at, `given up after ${tries} ${tries === 1 ? 'try' : 'tries'}`);
  };

  const succeed = (answer: Answer, at: number, state: string) => {
    const { messageId, deliverySystemId } = answer;
    const tooLong = deliverySystemId !== null && deliverySystemId.length > LIMITS.DeliverySystemId;
    if (tooLong)
      log.add(
        messageId,
        at,
        `protocol fault of ${answer.connector}: its DeliverySystemId is too long and was not stored`,
      );
    const stored = tooLong || deliverySystemId === null ? null : storable(deliverySystemId);
    sql.sent.run({ messageId, at, stored });
    log.add(
      messageId,
      at,
      `sent${stored ? ` as ${stored}` : ''}${state === 'Sending' ? '' : ' (the answer came late)'}`,
    );
  };

  const settle = (answer: Answer, at: number, sendRequest: { state: string; tries: number }): AnswerVerdict => {
    if (answer.error === null) {
      if (sendRequest.state === 'Sent') return 'late';
      succeed(answer, at, sendRequest.state);
      return 'sent';
    }
    const late = sendRequest.state !== 'Sending';
    log.add(answer.messageId, at, `not sent${late ? ' (the answer came late)' : ''}: ${answer.error}`);
    if (late) return 'late';
    repeat(answer.messageId, sendRequest.tries, at, rules.pauseMs);
    return 'failed';
  };

  return {
    queue: (sendRequest, at) => queueSendRequest(sql.insert, log, sendRequest, at),
    due: (at, limit) => sql.due.all(at, limit).map(toDue),
    begin(messageId, { connectors, peerAddress }, at) {
      const { changes } = sql.begin.run({ messageId, at, peerAddress, time: new Date(at).toISOString() });
      if (changes === 0) return false;
      for (const connector of connectors) sql.ask.run({ messageId, connector });
      const { tries } = stateRow.unwrap().parse(sql.state.get(messageId));
      log.add(messageId, at, `handed to ${connectors.join(', ')} (try ${tries} of ${total})`);
      return true;
    },
    lapse(at) {
      const late = sql.unanswered.all(at - rules.limitMs).map((row) => lateRow.parse(row));
      for (const { MessageId, tries } of late) {
        log.add(MessageId, at, `no answer within ${Math.round(rules.limitMs / 1000)} s`);
        repeat(MessageId, tries, at, 0);
      }
      return late.length;
    },
    answer(answer, at) {
      const sendRequest = stateRow.parse(sql.state.get(answer.messageId));
      if (!sendRequest?.peer_address || !answer.peers.includes(sendRequest.peer_address.toLowerCase()))
        return 'unknown';
      const { connector, messageId, gatewayId } = answer;
      const asked = askedRow.parse(sql.asked.get({ messageId, connector }));
      const ownFault = asked.asked > 0 && asked.answered >= asked.asked;
      if (ownFault || asked.all_answered >= asked.all_asked) {
        log.add(messageId, at, `protocol fault of ${connector}: answered more often than it was asked`);
        return 'fault';
      }
      sql.answered.run({ messageId, connector });
      if (gatewayId !== null && gatewayId !== sendRequest.GatewayId) {
        log.add(messageId, at, `protocol fault of ${connector}: its answer names gateway ${gatewayId}`);
      }
      return settle(answer, at, sendRequest);
    },
    defer(messageId, why, at, pauseMs) {
      sql.later.run({ messageId, due: at + pauseMs });
      if (log.of(messageId).at(-1)?.text !== why) log.add(messageId, at, why);
    },
  };
}

function prepare(database: Sqlite) {
  const own = ['state', 'channel', 'answers', 'created_at', 'changed_at', 'due_at'];
  return {
    insert: insertMessage(database, own),
    due: database.prepare(
      `SELECT * FROM message WHERE state = 'Queued' AND due_at <= ? ORDER BY due_at, created_at LIMIT ?`,
    ),
    begin: database.prepare(
      `UPDATE message SET state = 'Sending', tries = tries + 1, tried_at = :at, changed_at = :at, due_at = NULL,
         peer_address = :peerAddress, ReceivedSentTime = :time
       WHERE MessageId = :messageId AND state = 'Queued'`,
    ),
    ask: database.prepare(
      `INSERT INTO asking (message, connector, asked, answered) VALUES (:messageId, :connector, 1, 0)
       ON CONFLICT (message, connector) DO UPDATE SET asked = asked + 1`,
    ),
    asked: database.prepare(
      `SELECT coalesce(sum(asked), 0) AS all_asked, coalesce(sum(answered), 0) AS all_answered,
         coalesce(sum(asked) FILTER (WHERE connector = :connector), 0) AS asked,
         coalesce(sum(answered) FILTER (WHERE connector = :connector), 0) AS answered
       FROM asking WHERE message = :messageId`,
    ),
    // A connector that was started anew answers what its predecessor was asked: it gets a row of its own.
    answered: database.prepare(
      `INSERT INTO asking (message, connector, asked, answered) VALUES (:messageId, :connector, 0, 1)
       ON CONFLICT (message, connector) DO UPDATE SET answered = answered + 1`,
    ),
    state: database.prepare(
      `SELECT state, tries, GatewayId, peer_address FROM message WHERE MessageId = ? AND Direction = 'O'`,
    ),
    leave: database.prepare(
      `UPDATE message SET state = :state, due_at = :due, changed_at = :at WHERE MessageId = :messageId AND state = 'Sending'`,
    ),
    sent: database.prepare(
      `UPDATE message SET state = 'Sent', due_at = NULL, changed_at = :at, DeliverySystemId = coalesce(:stored, DeliverySystemId)
       WHERE MessageId = :messageId AND Direction = 'O'`,
    ),
    unanswered: database.prepare(`SELECT MessageId, tries FROM message WHERE state = 'Sending' AND tried_at <= ?`),
    later: database.prepare(`UPDATE message SET due_at = :due WHERE MessageId = :messageId AND state = 'Queued'`),
  };
}

function queueSendRequest(
  insert: (values: Record<string, unknown>) => void,
  log: Events,
  sendRequest: NewSendRequest,
  at: number,
): string {
  const MessageId = randomUUID();
  insert({
    MessageId,
    GatewayId: sendRequest.gatewayId,
    // A whole Message-ID without its brackets: 36 + 24 characters, so well below the limit.
    DeliverySystemId: `${MessageId}@frontdesk.gatepost.local`,
    Direction: 'O',
    FromField: sendRequest.fromField,
    RemoteAddress: sendRequest.remoteAddress,
    ToField: sendRequest.remoteAddress,
    DraftTime: new Date(at).toISOString(),
    SubjectField: sendRequest.subject,
    BodyHtml: sendRequest.bodyHtml,
    BodyText: sendRequest.bodyText,
    state: 'Queued',
    channel: sendRequest.channel,
    answers: sendRequest.answers,
    created_at: at,
    changed_at: at,
    due_at: at,
  });
  log.add(MessageId, at, 'queued');
  return MessageId;
}

function toDue(row: unknown): DueSendRequest {
  const { tries, ...message } = dueRow.parse(row);
  return { message, tries };
}
