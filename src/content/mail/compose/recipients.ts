// Reads the recipients from ExtendedFields, or from RemoteAddress and the three display fields. One address that cannot
// be mailed to stops the whole send request with its name: a message that silently reached fewer recipients than the
// agent chose is a lost message.
import { z } from 'zod';
import { problemsOf } from '../../../kit/schema-problems.js';
import type { MessageContentInfo } from '../../../model/message.js';
import { checkAddress, cleanName, type MailAddress, parseAddresses } from '../addresses.js';

export interface Recipients {
  to: MailAddress[];
  cc: MailAddress[];
  /** For the envelope only: the mail's headers never name them. */
  bcc: MailAddress[];
  replyTo: MailAddress[];
  /** To, Cc and Bcc together, each address once whatever its letters' case. */
  envelope: string[];
}

export type RecipientsResult = { ok: true; recipients: Recipients } | { ok: false; problem: string };

/** Relays reject more in one transaction (RFC 5321 4.5.3.1.8 guarantees 100); an agent's answer has a handful. */
const MAX_RECIPIENTS = 500;
/** Characters of ExtendedFields that are parsed: five hundred long entries. */
const MAX_EXTENDED = 256_000;

const mailbox = z.object({ Name: z.string().nullish(), Address: z.string() });
const mailboxes = z.array(mailbox).max(MAX_RECIPIENTS).nullish();
const extendedFields = z.object({ To: mailboxes, Cc: mailboxes, Bcc: mailboxes, ReplyTo: mailboxes });
type Mailboxes = z.infer<typeof mailboxes>;

const LISTS = ['to', 'cc', 'bcc', 'replyTo'] as const;
type Lists = Record<(typeof LISTS)[number], MailAddress[]>;
type ListsResult = { ok: true; lists: Lists } | { ok: false; problem: string };

/** Every address in the result has passed `checkAddress`. */
export function recipientsOf(sendRequest: MessageContentInfo): RecipientsResult {
  const read = sendRequest.ExtendedFields?.trim()
    ? fromExtended(sendRequest, sendRequest.ExtendedFields)
    : fromFields(sendRequest);
  if (!read.ok) return read;
  const { lists } = read;
  const everybody = [...lists.to, ...lists.cc, ...lists.bcc];
  const envelope = [...new Map(everybody.map(({ address }) => [address.toLowerCase(), address])).values()];
  if (envelope.length === 0) return invalid('the send request names no recipient: RemoteAddress is empty');
  if (envelope.length > MAX_RECIPIENTS) {
    return invalid(
      `the send request has ${envelope.length} recipients; at most ${MAX_RECIPIENTS} are sent to in one message`,
    );
  }
  return { ok: true, recipients: { ...lists, envelope } };
}

function fromFields(sendRequest: MessageContentInfo): ListsResult {
  const lists: Lists = { to: [], cc: [], bcc: [], replyTo: [] };
  const remote: MailAddress[] = [];
  const fields = [
    ['RemoteAddress', remote],
    ['ToField', lists.to],
    ['ToCcField', lists.cc],
    ['ToBccField', lists.bcc],
  ] as const;
  for (const [field, list] of fields) {
    const problem = addField(list, field, sendRequest[field] ?? '');
    if (problem) return invalid(problem);
  }
  // RemoteAddress is the recipient; the other fields are for display and may not name it.
  const named = new Set([...lists.to, ...lists.cc, ...lists.bcc].map(({ address }) => address.toLowerCase()));
  lists.to.unshift(...remote.filter(({ address }) => !named.has(address.toLowerCase())));
  return { ok: true, lists };
}

/** Adds the addresses of a field to `list`; the display fields may hold plain names, which are no addresses. */
function addField(list: MailAddress[], field: string, text: string): string | undefined {
  if (/\p{Cc}/u.test(text.trim())) return `${field} has control characters or line breaks in it`;
  for (const entry of parseAddresses(text)) {
    if (entry.address === '' && !entry.name.includes('@') && field !== 'RemoteAddress') continue;
    const problem = addChecked(list, field, entry.address || entry.name, entry.name);
    if (problem) return problem;
    // "a@example.com b@example.com" reads as one address named like the other.
    if (!text.includes('<') && entry.name.includes('@') && entry.address !== '') {
      return `${field} has no comma between ${entry.address} and ${entry.name}`;
    }
  }
  return undefined;
}

function fromExtended(sendRequest: MessageContentInfo, json: string): ListsResult {
  if (json.length > MAX_EXTENDED) {
    return invalid(`ExtendedFields has ${json.length} characters; at most ${MAX_EXTENDED} are read`);
  }
  const parsed = parseJson(json);
  if (parsed === undefined) {
    return invalid('ExtendedFields is not valid JSON; expected { "To": [{ "Name": ..., "Address": ... }], ... }');
  }
  const checked = extendedFields.safeParse(parsed);
  if (!checked.success) return invalid(`ExtendedFields is wrong: ${problemsOf(checked.error)}`);
  const { To, Cc, Bcc, ReplyTo } = checked.data;
  const lists: Lists = { to: [], cc: [], bcc: [], replyTo: [] };
  const members = { to: ['To', To], cc: ['Cc', Cc], bcc: ['Bcc', Bcc], replyTo: ['ReplyTo', ReplyTo] } as const;
  for (const list of LISTS) {
    const [member, entries] = members[list];
    const problem = addMailboxes(lists[list], `ExtendedFields ${member}`, entries);
    if (problem) return invalid(problem);
  }
  if (lists.to.length + lists.cc.length + lists.bcc.length > 0) return { ok: true, lists };
  const plain = fromFields(sendRequest);
  return plain.ok ? { ok: true, lists: { ...plain.lists, replyTo: lists.replyTo } } : plain;
}

function addMailboxes(list: MailAddress[], where: string, entries: Mailboxes): string | undefined {
  for (const { Name, Address } of entries ?? []) {
    const problem = addChecked(list, where, Address.trim(), Name ?? '');
    if (problem) return problem;
  }
  return undefined;
}

function addChecked(list: MailAddress[], where: string, address: string, name: string): string | undefined {
  const checked = checkAddress(address);
  if (!checked.ok) return `the address ${JSON.stringify(address.slice(0, 100))} in ${where} ${checked.problem}`;
  list.push({ name: cleanName(name === address ? '' : name), address: checked.address });
  return undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function invalid(problem: string): { ok: false; problem: string } {
  return { ok: false, problem };
}
