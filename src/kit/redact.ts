export interface Redactor {
  /** Remembers a secret value. Values shorter than 4 characters are rejected: hiding them would tear up ordinary text. */
  add(secret: string): void;
  redact(text: string): string;
}

const SHORTEST = 4;
export const HIDDEN = '[hidden]';

export function redactor(): Redactor {
  const secrets = new Set<string>();
  let pattern: RegExp | undefined;
  return {
    add(secret) {
      if (secret.length < SHORTEST || secrets.has(secret)) return;
      secrets.add(secret);
      const longestFirst = [...new Set([...secrets].flatMap(spellingsOf))].sort((a, b) => b.length - a.length);
      pattern = new RegExp(longestFirst.map(quote).join('|'), 'g');
    },
    redact: (text) => (pattern ? text.replace(pattern, HIDDEN) : text),
  };
}

const quote = (text: string) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');

/** Both cases of the digits of %2f, \\u00e9 and &#xe9;: programs write either. */
function bothCases(spelling: string): string[] {
  const digits = /%[0-9a-f]{2}|\\u[0-9a-f]{4}|&#x[0-9a-f]+;/gi;
  const lower = spelling.replace(digits, (sign) => sign.toLowerCase());
  const upper = spelling.replace(digits, (sign) => sign.slice(0, 2) + sign.slice(2).toUpperCase());
  return [spelling, lower, upper, upper.replace(/%[0-9a-f]/gi, (sign) => sign.toUpperCase())];
}

/** The spellings under which a secret travels: as it is, in JSON, in addresses and forms, in HTML, in hexadecimal and in base64. */
function spellingsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const uri = encodeURIComponent(secret);
  const hex = Buffer.from(secret).toString('hex');
  const spelled = [
    secret,
    json,
    // A JSON text inside a JSON text: an answer of a counterparty in a log line.
    JSON.stringify(json).slice(1, -1),
    json.replaceAll('/', '\\/'),
    escapedNonAscii(json),
    uri,
    // Everything that RFC 3986 reserves, as strict encoders write it, and a form's plus for a blank.
    strictUri(uri),
    uri.replaceAll('%20', '+'),
    strictUri(uri).replaceAll('%20', '+'),
    new URLSearchParams([['', secret]]).toString().slice(1),
    ...htmlForms(secret),
  ];
  return [...spelled.flatMap(bothCases), hex, hex.toUpperCase(), ...base64Cores(secret)];
}

function strictUri(uri: string): string {
  return uri.replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

function escapedNonAscii(json: string): string {
  return json.replace(/[\u0080-\uffff<>&'=+]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const NAMED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function htmlForms(secret: string): string[] {
  const named = (signs: RegExp) => secret.replace(signs, (sign) => NAMED[sign] ?? sign);
  const numbered = (base: 10 | 16) =>
    [...secret].map((sign) => `&#${base === 16 ? 'x' : ''}${(sign.codePointAt(0) ?? 0).toString(base)};`).join('');
  return [
    named(/[&<>]/g),
    named(/[&<>"]/g),
    named(/[&<>"']/g),
    named(/[&<>"']/g).replaceAll('&#39;', '&apos;'),
    named(/[&<>"']/g).replaceAll('&#39;', '&#x27;'),
    numbered(10),
    numbered(16),
  ];
}

/**
 * Base64 of a text that contains the secret, as in `user:password` and in SASL's NUL user NUL password: the characters that do
 * not depend on what stands around it, for each of the three ways in which the secret can lie in the groups of three bytes.
 */
function base64Cores(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [0, 1, 2].flatMap((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]);
    // The first group is mixed with what stands before, the last one with what follows.
    const start = before === 0 ? 0 : before + 1;
    const end = Math.floor((whole.length * 8) / 6);
    const core = whole.toString('base64').slice(start, end);
    return core.length > SHORTEST ? [core, core.replaceAll('+', '-').replaceAll('/', '_')] : [];
  });
}
