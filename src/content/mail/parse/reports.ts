// Delivery reports: RFC 3464, in UTF-8 RFC 6533. Read receipts: RFC 8098.
import { cleanLine, cutText } from '../../limits.js';
import { headerText } from './header-text.js';

/** Recipients named in the notes; the others are counted. */
const MOST_RECIPIENTS = 5;
const LONGEST_REPORT = 64 * 1024;
/** What is read of one value; a sentence shows less. */
const LONGEST_VALUE = 1_000;

/** The fields of one recipient or of the message, by name in lower case. */
type Group = Map<string, string>;

const RECIPIENT_FIELDS = ['final-recipient', 'original-recipient'] as const;

/** Both report on deliveries. */
export function isDeliveryStatus(type: string): boolean {
  return type === 'message/delivery-status' || type === 'message/global-delivery-status';
}

export function isReadReceipt(type: string): boolean {
  return type === 'message/disposition-notification' || type === 'message/global-disposition-notification';
}

/** One sentence per recipient: `Delivery report: delivery to a@b.example failed (5.1.1): 550 no such user`. */
export function deliverySummary(bytes: Buffer): string[] {
  const groups = recipientGroups(groupsOf(bytes));
  const lines = groups.slice(0, MOST_RECIPIENTS).map(sentence);
  const more = groups.length - lines.length;
  return more > 0 ? [...lines, `Delivery report: ${more} more recipients, see the attached report.`] : lines;
}

function sentence(group: Group): string {
  const recipient = recipientOf(group) || 'a recipient';
  const said = typed(group.get('diagnostic-code'));
  const status = statusOf(group.get('status')) ?? statusOf(said);
  const what = `Delivery report: delivery to ${recipient} ${outcome(group.get('action'), status)}`;
  return cutText(cleanLine(`${what}${status ? ` (${status})` : ''}${said ? `: ${said}` : ''}`), 400);
}

/** `Read receipt: a@b.example: displayed`. */
export function receiptSummary(bytes: Buffer): string[] {
  const group = groupsOf(bytes).find((entry) => entry.has('disposition'));
  if (!group) return [];
  const recipient = recipientOf(group) || 'the recipient';
  const what = withoutComments(group.get('disposition') ?? '')
    .split(';')
    .at(-1)
    ?.trim();
  return [cutText(cleanLine(`Read receipt: ${recipient}: ${what}`), 400)];
}

/** RFC 3463: 5 is final whatever the Action says; the other classes count where the Action is none of RFC 3464 2.3.3. */
function outcome(action: string | undefined, status: string | undefined): string {
  if (status?.startsWith('5')) return 'failed';
  const word =
    /^[a-z]+/.exec(
      withoutComments(action ?? '')
        .trim()
        .toLowerCase(),
    )?.[0] ?? '';
  return ACTIONS.get(word) ?? CLASSES.get(status?.[0] ?? '') ?? 'is reported on';
}

const ACTIONS: ReadonlyMap<string, string> = new Map([
  ['failed', 'failed'],
  ['delayed', 'is delayed'],
  ['delivered', 'succeeded'],
  ['relayed', 'was passed on to another system'],
  ['expanded', 'was passed on to several addresses'],
]);

const CLASSES: ReadonlyMap<string, string> = new Map([
  ['2', 'succeeded'],
  ['4', 'is delayed'],
]);

/** `5.1.1` in `5.1.1 (bad address)` or `550 5.1.1 no such user`. */
function statusOf(value: string | undefined): string | undefined {
  return /(?:^|[^\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)/.exec(value ?? '')?.[1];
}

function recipientOf(group: Group): string {
  for (const name of RECIPIENT_FIELDS) {
    const value = typed(group.get(name));
    const address = /<([^<>]*)>/.exec(value)?.[1] ?? value;
    if (address.trim() !== '') return unescaped(address.trim());
  }
  return '';
}

/** RFC 6533 3: `\x{F6}` stands for ö where the report itself is ASCII. */
function unescaped(address: string): string {
  return address.replace(/\\x\{([0-9a-f]{1,6})\}/gi, (whole, hex: string) => {
    const code = Number.parseInt(hex, 16);
    return code > 0x1f && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** The value after the type word: `rfc822; a@b.example` -> `a@b.example`. */
function typed(value: string | undefined): string {
  return (value ?? '').replace(/^[\w.-]+ *(?:\([^()]*\) *)?; */, '').trim();
}

function withoutComments(value: string): string {
  return value.replace(/\([^()]*\)/g, ' ');
}

/** A group without a recipient is about the message, or goes on where a blank line has torn a recipient's group apart. */
function recipientGroups(groups: readonly Group[]): Group[] {
  const found: Group[] = [];
  for (const group of groups) {
    const last = found.at(-1);
    if (RECIPIENT_FIELDS.some((name) => group.has(name))) found.push(group);
    else if (last && !last.has('action') && !last.has('status'))
      for (const [name, value] of group) last.set(name, value);
  }
  return found;
}

/** Groups end at blank lines, and where a recipient field comes a second time. */
function groupsOf(bytes: Buffer): Group[] {
  const groups: Group[] = [];
  let group: Group | undefined;
  for (const line of linesOf(bytes)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (line === '') group = undefined;
    if (name === '') continue;
    const again = group?.has(name) && RECIPIENT_FIELDS.some((field) => field === name);
    if (!group || again) {
      group = new Map();
      groups.push(group);
    }
    if (!group.has(name)) group.set(name, headerText(line.slice(colon + 1, colon + LONGEST_VALUE)));
  }
  return groups;
}

/** Unfolded, without blanks at the ends; a line of blanks is a blank line. */
function linesOf(bytes: Buffer): string[] {
  const lines: string[] = [];
  for (const line of bytes.toString('latin1', 0, LONGEST_REPORT).split(/\r\n|\r|\n/)) {
    const text = line.trim();
    const last = lines.at(-1);
    if (text !== '' && last && /^[ \t]/.test(line)) lines[lines.length - 1] = `${last} ${text}`;
    else lines.push(text);
  }
  return lines;
}
