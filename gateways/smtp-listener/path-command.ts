// MAIL FROM and RCPT TO as clients write them. smtp-server refuses what RFC 5321 does not allow; scanners, web forms and old
// networks send it all the same, and a refused sender is a mail that never comes. So any path is taken that cannot be
// mistaken for another one; `accepts` decides on recipients.
import { domainToUnicode } from 'node:url';

export interface PathCommand {
  /** '' for the null sender. */
  readonly address: string;
  readonly args: Record<string, string | true> | false;
  /** The name of a parameter that came twice; smtp-server answers 501. */
  readonly duplicate?: string;
}

/** Octets of a path: RFC 5321 allows 256; senders made by mailing lists and forwarders are longer. */
const MAX_PATH = 512;
/** Characters that would break a header line, a log line or the view of an agent; none belongs into an address. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is searched for.
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060\u2066-\u2069\ufeff]/;

/** False when the line names no path. `name` is `mail from` or `rcpt to`. */
export function pathCommand(name: string, line: Uint8Array | string): PathCommand | false {
  const text = typeof line === 'string' ? line : textOf(line);
  const written = /^\s*([a-z]+)\s+([a-z]+)\s*:?\s*/i.exec(text);
  if (!written || `${written[1]} ${written[2]}`.toLowerCase() !== name.trim().toLowerCase()) return false;
  const path = pathAt(text.slice(written[0].length));
  if (!path) return false;
  const address = mailbox(path.path);
  if (address === undefined) return false;
  const args = parameters(path.rest);
  return args && { address, ...args };
}

/** UTF-8, else the character set of the devices that send eight bits without it. */
function textOf(line: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line);
  } catch {
    return new TextDecoder('windows-1252').decode(line);
  }
}

/** The path in front: in angle brackets, or up to the first blank. A quoted local part may hold both. */
function pathAt(text: string): { path: string; rest: string } | undefined {
  const bracket = text.startsWith('<');
  const start = bracket ? 1 : 0;
  const end = endOfPath(text, start, bracket, true) ?? endOfPath(text, start, bracket, false);
  if (end === undefined) return undefined;
  const path = text.slice(start, end).trim();
  const rest = text.slice(bracket ? end + 1 : end);
  // Without brackets an empty path is a missing one; with brackets it is the null sender.
  if ((path === '' && !bracket) || (rest !== '' && !/^\s/.test(rest))) return undefined;
  return { path, rest };
}

/** With `quotes`, what stands in quotes ends nothing; undefined when a quote or the bracket stays open. */
function endOfPath(text: string, start: number, bracket: boolean, quotes: boolean): number | undefined {
  let quoted = false;
  for (let at = start; at < text.length; at++) {
    const char = text[at];
    if (quotes && quoted && char === '\\') at += 1;
    else if (quotes && char === '"') quoted = !quoted;
    else if (!quoted && (bracket ? char === '>' : char === ' ' || char === '\t')) return at;
  }
  return bracket || quoted ? undefined : text.length;
}

/** The address without its source route (RFC 5321 appendix C), international domains readable; undefined for an unusable one. */
function mailbox(path: string): string | undefined {
  const address = path.replace(/^@[^\s:"]+:\s*/, '');
  if (address.length > MAX_PATH || UNSAFE.test(address)) return undefined;
  // An angle bracket is allowed in quotes only: elsewhere it is a second path.
  if (/[<>]/.test(address.replace(/"(?:[^"\\]|\\.)*"/g, ''))) return undefined;
  const at = address.lastIndexOf('@');
  if (at < 0) return address;
  if (at === 0 || at === address.length - 1) return undefined;
  return address.slice(0, at + 1) + readableDomain(address.slice(at + 1));
}

function readableDomain(domain: string): string {
  const readable = (label: string) => (/^xn--/i.test(label) ? domainToUnicode(label) || label : label);
  return domain.split('.').map(readable).join('.');
}

/** ESMTP parameters; values are xtext (RFC 3461). False when a value holds control characters. */
function parameters(rest: string): Omit<PathCommand, 'address'> | false {
  const args: Record<string, string | true> = {};
  let duplicate: string | undefined;
  for (const parameter of rest.split(/\s+/).filter(Boolean)) {
    const equals = parameter.indexOf('=');
    const key = (equals < 0 ? parameter : parameter.slice(0, equals)).toUpperCase();
    const value = equals < 0 ? '' : decodeXtext(parameter.slice(equals + 1));
    if (!key) continue;
    if (UNSAFE.test(value)) return false;
    if (Object.hasOwn(args, key)) duplicate = key;
    args[key] = value || true;
  }
  return { args: Object.keys(args).length > 0 && args, ...(duplicate !== undefined && { duplicate }) };
}

function decodeXtext(value: string): string {
  return value.replace(/\+([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
