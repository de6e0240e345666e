// The send requests in the store and their states:
//   Queued -> Sending -> Sent
//   Sending -> Queued      not answered in time, or answered with an error, and repeats are left
//   Sending -> Failed      the same, and none is left
//   Queued, Failed -> Sent a success that came late: what is sent is sent
// Each transition is an UPDATE that names the state it leaves, so that of two processes only one makes it.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Sqlite } from '../kit/sqlite.js';
import { type Channel, LIMITS, type MessageContentInfo } from '../model/message.js';
import { messageContentInfo } from '../simprot/messages.js';
import { type Events, storable } from './events.js';
import { prepareSendRequestSql, type SendRequestSql } from './send-request-sql.js';

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

/** What the functions below need. */
interface Deps {
  readonly sql: SendRequestSql;
  readonly log: Events;
  readonly rules: RetryRules;
}

export function sendRequests(database: Sqlite, log: Events, rules: RetryRules): SendRequests {
  const sql = prepareSendRequestSql(database);
  const deps: Deps = { sql, log, rules };
  return {
    queue: (sendRequest, at) => queueSendRequest(sql.insert, log, sendRequest, at),
    due: (at, limit) => sql.due.all(at, limit).map(toDue),
    begin: (messageId, to, at) => begin(deps, messageId, to, at),
    lapse: (at) => lapse(deps, at),
    answer: (answer, at) => applyAnswer(deps, answer, at),
    defer(messageId, why, at, pauseMs) {
      sql.later.run({ messageId, due: at + pauseMs });
      if (log.of(messageId).at(-1)?.text !== why) log.add(messageId, at, why);
    },
  };
}

function begin(
  { sql, log, rules }: Deps,
  messageId: string,
  { connectors, peerAddress }: { connectors: readonly string[]; peerAddress: string },
  at: number,
): boolean {
  const { changes } = sql.begin.run({ messageId, at, peerAddress, time: new Date(at).toISOString() });
  if (changes === 0) return false;
  for (const connector of connectors) sql.ask.run({ messageId, connector });
  const { tries } = stateRow.unwrap().parse(sql.state.get(messageId));
  log.add(messageId, at, `handed to ${connectors.join(', ')} (try ${tries} of ${rules.repeats + 1})`);
  return true;
}

function lapse(deps: Deps, at: number): number {
  const { sql, log, rules } = deps;
  const late = sql.unanswered.all(at - rules.limitMs).map((row) => lateRow.parse(row));
  for (const { MessageId, tries } of late) {
    log.add(MessageId, at, `no answer within ${Math.round(rules.limitMs / 1000)} s`);
    repeat(deps, MessageId, tries, at, 0);
  }
  return late.length;
}

/** After an attempt that failed: once more after `pauseMs`, or never. */
function repeat({ sql, log, rules }: Deps, messageId: string, tries: number, at: number, pauseMs: number): void {
  const again = tries <= rules.repeats;
  sql.leave.run({ messageId, at, state: again ? 'Queued' : 'Failed', due: again ? at + pauseMs : null });
  if (!again) log.add(messageId, at, `given up after ${tries} ${tries === 1 ? 'try' : 'tries'}`);
}

function applyAnswer(deps: Deps, answer: Answer, at: number): AnswerVerdict {
  const { sql, log } = deps;
  const { connector, messageId, gatewayId } = answer;
  const sendRequest = stateRow.parse(sql.state.get(messageId));
  if (!sendRequest?.peer_address || !answer.peers.includes(sendRequest.peer_address.toLowerCase())) return 'unknown';
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
  return answer.error === null
    ? succeed(deps, answer, at, sendRequest.state)
    : fail(deps, { ...answer, error: answer.error }, at, sendRequest);
}

function succeed({ sql, log }: Deps, answer: Answer, at: number, state: string): AnswerVerdict {
  if (state === 'Sent') return 'late';
  const { messageId, connector, deliverySystemId } = answer;
  const tooLong = deliverySystemId !== null && deliverySystemId.length > LIMITS.DeliverySystemId;
  if (tooLong)
    log.add(messageId, at, `protocol fault of ${connector}: its DeliverySystemId is too long and was not stored`);
  const stored = tooLong || deliverySystemId === null ? null : storable(deliverySystemId);
  sql.sent.run({ messageId, at, stored });
  const suffix = state === 'Sending' ? '' : ' (the answer came late)';
  log.add(messageId, at, `sent${stored ? ` as ${stored}` : ''}${suffix}`);
  return 'sent';
}

function fail(
  deps: Deps,
  { messageId, error }: { messageId: string; error: string },
  at: number,
  { state, tries }: { state: string; tries: number },
): AnswerVerdict {
  const late = state !== 'Sending';
  deps.log.add(messageId, at, `not sent${late ? ' (the answer came late)' : ''}: ${error}`);
  if (late) return 'late';
  repeat(deps, messageId, tries, at, deps.rules.pauseMs);
  return 'failed';
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
