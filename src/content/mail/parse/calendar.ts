// A readable summary of an invitation (RFC 5545): what, when, where, by whom. The invitation itself is passed on as a
// file.
import { cleanLine, cutText } from '../../limits.js';

const LONGEST_INVITATION = 256 * 1024;
const LONGEST_LINE = 500;

const METHODS: Readonly<Record<string, string>> = {
  REQUEST: 'Invitation',
  CANCEL: 'Cancelled',
  REPLY: 'Answer to an invitation',
  COUNTER: 'Counter-proposal',
};

/** Lines of text, '' when there is no event in it. */
export function invitationSummary(text: string): string {
  const lines = text
    .slice(0, LONGEST_INVITATION)
    .replace(/\r\n?/g, '\n')
    .replace(/\n[ \t]/g, '')
    .split('\n');
  const start = lines.findIndex((line) => /^BEGIN:VEVENT\s*$/i.test(line));
  if (start < 0) return '';
  const length = lines.slice(start).findIndex((line) => /^END:VEVENT\s*$/i.test(line));
  const event = lines.slice(start, length < 0 ? undefined : start + length);
  const method = METHODS[textOf(lines, 'METHOD').toUpperCase()] ?? 'Calendar event';
  const end = timeOf(event, 'DTEND');
  const entries = [
    [method, textOf(event, 'SUMMARY')],
    ['When', timeOf(event, 'DTSTART') + (end === '' ? '' : ` - ${end}`)],
    ['Where', textOf(event, 'LOCATION')],
    ['Organiser', organiser(event)],
    ['Details', textOf(event, 'DESCRIPTION')],
  ];
  return entries
    .filter(([, value]) => value)
    .map(([label, value]) => `${label}: ${value}`)
    .join('\n');
}

interface Property {
  params: string;
  value: string;
}

function isNamed(line: string, name: string): boolean {
  const next = line.charAt(name.length);
  return (next === ':' || next === ';') && line.slice(0, name.length).toUpperCase() === name;
}

/** `NAME;PARAM=x:value`; a colon inside a quoted parameter does not end it. */
function property(lines: readonly string[], name: string): Property | undefined {
  const line = lines.find((entry) => isNamed(entry, name))?.slice(name.length);
  const match = line?.slice(0, 4000).match(/^((?:;[^":;]*(?:"[^"]*"[^":;]*)*)*):(.*)$/s);
  return match ? { params: match[1] ?? '', value: match[2] ?? '' } : undefined;
}

function textOf(lines: readonly string[], name: string): string {
  const value = property(lines, name)?.value ?? '';
  const plain = value.replace(/\\[nN]/g, ' ').replace(/\\([\\;,])/g, '$1');
  return cutText(cleanLine(plain), LONGEST_LINE);
}

function timeOf(lines: readonly string[], name: string): string {
  const found = property(lines, name);
  const match = found?.value.trim().match(/^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)?(Z?))?$/);
  if (!found || !match) return '';
  const [, year, month, day, hour, minute, , utc] = match;
  const date = `${year}-${month}-${day}`;
  if (hour === undefined) return date;
  const zone = found.params.match(/TZID="?([^";:]{1,60})/i)?.[1];
  return cleanLine(`${date} ${hour}:${minute}${utc ? ' UTC' : zone ? ` (${zone})` : ''}`);
}

function organiser(lines: readonly string[]): string {
  const found = property(lines, 'ORGANIZER');
  if (!found) return '';
  const address = found.value.trim().replace(/^mailto:/i, '');
  const [, quoted, plain] = found.params.match(/CN=(?:"([^"]{1,200})"|([^";:]{1,200}))/i) ?? [];
  const name = quoted ?? plain;
  return cutText(cleanLine(name && name !== address ? `${name} <${address}>` : address), LONGEST_LINE);
}
