// The statements of send-requests.ts, which describes the states.
import type { Sqlite } from '../kit/sqlite.js';
import { insertMessage } from './inbox.js';

export type SendRequestSql = ReturnType<typeof prepareSendRequestSql>;

export function prepareSendRequestSql(database: Sqlite) {
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
