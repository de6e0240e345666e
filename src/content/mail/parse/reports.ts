// Delivery reports: RFC 3464. Read receipts: RFC 8098.
import { cleanLine, cutText } from '../../limits.js';

/** Recipients named in the notes; the others are counted. */
const MOST_RECIPIENTS = 5;
const LONGEST_REPORT = 64 * 1024;

/** One sentence per recipient: `Delivery report: delivery to a@b.example failed (5.1.1): 550 no such user`. */
export function deliverySummary(bytes: Buffer): string[] {
  const groups = groupsOf(bytes).filter((group) => group.has('final-recipient') || group.has('action'));
  const lines = groups.slice(0, MOST_RECIPIENTS).map((group) => {
    const recipient = typed(group.get('final-recipient') ?? group.get('original-recipient')) || 'a recipient';
    const status = group.get('status');
    const said = typed(group.get('diagnostic-code'));
    const what = `Delivery report: delivery to ${recipient} ${action(group.get('action'))}`;
    return cutText(cleanLine(`${what}${status ? ` (${status})` : ''}${said ? `: ${said}` : ''}`), 400);
  });
  const more = groups.length - lines.length;
  return more > 0 ? [...lines, `Delivery report: ${more} more recipients, see the attached report.`] : lines;
}

/** `Read receipt: a@b.example: displayed`. */
export function receiptSummary(bytes: Buffer): string[] {
  const group = groupsOf(bytes).find((entry) => entry.has('disposition'));
  if (!group) return [];
  const recipient = typed(group.get('final-recipient')) || 'the recipient';
  const what = group.get('disposition')?.split(';').at(-1)?.trim();
  return [cutText(cleanLine(`Read receipt: ${recipient}: ${what}`), 400)];
}

const ACTIONS: Readonly<Record<string, string>> = {
  failed: 'failed',
  delayed: 'is delayed',
  delivered: 'succeeded',
  relayed: 'was passed on to another system',
  expanded: 'was passed on to several addresses',
};

function action(word: string | undefined): string {
  return ACTIONS[word?.toLowerCase().split(/[\s(]/)[0] ?? ''] ?? 'is reported on';
}

/** The value after the type word: `rfc822; a@b.example` -> `a@b.example`. */
function typed(value: string | undefined): string {
  return (value ?? '').replace(/^[\w-]{1,40}\s*;\s*/, '').trim();
}

function groupsOf(bytes: Buffer): Map<string, string>[] {
  const text = bytes
    .toString('latin1', 0, LONGEST_REPORT)
    .replace(/\r\n?/g, '\n')
    .replace(/\n[ \t]+(?=\S)/g, ' ');
  return text.split(/\n\n+/).map((block) => {
    const group = new Map<string, string>();
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).trim().toLowerCase();
      if (colon > 0 && !group.has(name)) group.set(name, line.slice(colon + 1).trim());
    }
    return group;
  });
}
