// An answer belongs to the newest message from that address, by subject and else by time: the MSG of an outbound message carries
// neither In-Reply-To nor References.
import { type Sql, statement } from '../db/sql.js';

/** An answer with a subject of its own belongs to the customer's last message, unless that one is older than this. */
const ANOTHER_SUBJECT_WITHIN_MS = 30 * 24 * 60 * 60 * 1000;
const LONGEST_SUBJECT = 500;

// Re and Fwd as mail programs write them: English, German, Dutch, Swedish/Norwegian/Danish, Finnish, French, Italian,
// Spanish/Portuguese, Polish, Turkish, Hungarian, Czech, Greek, Chinese. With a count: "Re[2]:", "AW (3):".
const PREFIX =
  /^(?:re|fwd?|aw|antw|antwort|wg|sv|vs|vb|vl|tr|rv|rif|i|r|res|enc|odp|pd|ynt|ilt|továbbítás|vá|předán|απ|πρθ|σχετ|回复|回覆|答复|转发|轉寄)\s?(?:\[\d{1,4}\]|\(\d{1,4}\))?\s?[:\uFF1A]\s?/iu;

/** What the subjects of one thread have in common: the subject without Re:, Fwd: and the like, white space folded, lower case, 500 characters at most. */
export function threadOf(subject: string): string {
  let rest = subject
    .slice(0, 4 * LONGEST_SUBJECT)
    .replace(/\s+/g, ' ')
    .trim();
  for (let match = PREFIX.exec(rest); match; match = PREFIX.exec(rest)) rest = rest.slice(match[0].length);
  return rest.toLowerCase().slice(0, LONGEST_SUBJECT);
}

interface Asked {
  sender: string;
  thread: string;
  since: number;
  until: number;
}

const bySubject = statement<Asked>()((db, slot) =>
  db
    .selectFrom('inbound_messages')
    .select(['rfc_message_id', 'reply_references'])
    .where('sender', '=', slot('sender'))
    .where('thread', '=', slot('thread'))
    .where('received_at', '<=', slot('until'))
    .where('rfc_message_id', 'is not', null)
    .orderBy('id', 'desc')
    .limit(1),
);

const byTime = statement<Asked>()((db, slot) =>
  db
    .selectFrom('inbound_messages')
    .select(['rfc_message_id', 'reply_references'])
    .where('sender', '=', slot('sender'))
    .where('received_at', '>=', slot('since'))
    .where('received_at', '<=', slot('until'))
    .where('rfc_message_id', 'is not', null)
    .orderBy('received_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1),
);

/** `messageId` and `references` with angle brackets, ready for In-Reply-To and References. */
export async function threadFor(
  reads: Sql,
  address: string,
  subject: string,
  until: number,
): Promise<{ messageId: string; references: string } | null> {
  const asked: Asked = {
    sender: senderOf(address),
    thread: threadOf(subject),
    since: until - ANOTHER_SUBJECT_WITHIN_MS,
    until,
  };
  const row = (await reads.first(bySubject, asked)) ?? (await reads.first(byTime, asked));
  if (!row?.rfc_message_id) return null;
  const messageId = `<${row.rfc_message_id}>`;
  return { messageId, references: row.reply_references ?? messageId };
}

/** RFC 5321 2.4 makes local parts case-sensitive; mail servers do not. */
export function senderOf(address: string): string {
  return address.trim().toLowerCase();
}
