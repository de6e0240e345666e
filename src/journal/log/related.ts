// What belongs to a message. The server names no message that a send request answers, so an answer is recognized as the
// composer does it: by the customer's address and the subject without Re:.
import { sql } from 'kysely';
import { type Sql, statement } from '../db/sql.js';
import { senderOf, threadOf } from '../inbound/threading.js';
import type { RelatedMessage } from '../types/log.js';

/** Keys of notices about late results begin like this; what follows is the MessageId. */
const NOTICE = 'gatepost:report:';
/** Messages of one kind. */
const MOST_RELATED = 20;

const outboundTo = statement<{ address: string; since: number }>()((db, slot) =>
  db
    .selectFrom('outbound_messages')
    .select(['message_id', 'subject'])
    .where(sql<string>`lower(remote_address)`, '=', slot('address'))
    .where('asked_at', '>=', slot('since'))
    .orderBy('asked_at')
    .limit(500),
);

const answeredInbound = statement<{ sender: string; thread: string; before: number }>()((db, slot) =>
  db
    .selectFrom('inbound_messages')
    .select(['request_id', 'key'])
    .where('sender', '=', slot('sender'))
    .where('thread', '=', slot('thread'))
    .where('rfc_message_id', 'is not', null)
    .where('received_at', '<=', slot('before'))
    .orderBy('id', 'desc')
    .limit(1),
);

const byKey = statement<{ key: string }>()((db, slot) =>
  db.selectFrom('inbound_messages').select('request_id').where('key', '=', slot('key')).limit(MOST_RELATED),
);

interface InboundFound {
  key: string;
  sender: string;
  thread: string;
  received_at: number;
  rfc_message_id: string | null;
}

export async function relatedToInbound(reads: Sql, row: InboundFound): Promise<RelatedMessage[]> {
  if (row.key.startsWith(NOTICE)) return [{ kind: 'notice of', id: row.key.slice(NOTICE.length) }];
  if (row.rfc_message_id === null) return [];
  const sent = await reads.all(outboundTo, { address: row.sender, since: row.received_at });
  return sent
    .filter(({ subject }) => threadOf(subject) === row.thread)
    .slice(0, MOST_RELATED)
    .map(({ message_id }) => ({ kind: 'answer', id: message_id }));
}

interface OutboundFound {
  message_id: string;
  remote_address: string;
  subject: string;
  asked_at: number;
}

export async function relatedToOutbound(reads: Sql, row: OutboundFound): Promise<RelatedMessage[]> {
  const thread = { sender: senderOf(row.remote_address), thread: threadOf(row.subject), before: row.asked_at };
  const answered = await reads.all(answeredInbound, thread);
  const notices = await reads.all(byKey, { key: `${NOTICE}${row.message_id}` });
  return [...withId('answers', answered), ...withId('notice', notices)];
}

function withId(kind: RelatedMessage['kind'], rows: readonly { request_id: string | null }[]): RelatedMessage[] {
  return rows.flatMap(({ request_id: id }) => (id === null ? [] : [{ kind, id }]));
}
