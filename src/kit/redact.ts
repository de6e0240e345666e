export interface Redactor {
  /** Remembers a secret value. Values shorter than 4 characters are rejected: hiding them would tear up ordinary text. */
  add(secret: string): void;
  redact(text: string): string;
}

const SHORTEST = 4;
export const HIDDEN = '[hidden]';

/** A secret that was cut off is hidden from this many characters on, and from half of it on: less tells too little. */
const LEAST_OF_CUT = 8;

export function redactor(): Redactor {
  const secrets = new Set<string>();
  const spellings = new Set<string>();
  let pattern: RegExp | undefined;
  const know = (secret: string) => {
    if (secret.length < SHORTEST || secrets.has(secret)) return;
    secrets.add(secret);
    for (const spelling of spellingsOf(secret)) spellings.add(spelling);
  };
  return {
    add(secret) {
      const before = secrets.size;
      know(secret);
      // Settings drop the blanks and line ends around a value, so this is what is sent.
      know(secret.trim());
      if (secrets.size === before) return;
      const heads = [...new Set([...spellings].map(headOf))].sort((a, b) => b.length - a.length);
      pattern = new RegExp(heads.map(quote).join('|'), 'g');
    },
    redact: (text) => (pattern ? withoutSecrets(text, pattern, spellings) : text),
  };
}

/** Drivers shorten what counterparties say, in the middle of a secret, too: its beginning is enough to hide it. */
function headOf(spelling: string): string {
  return spelling.slice(0, Math.max(LEAST_OF_CUT, Math.ceil(spelling.length / 2)));
}

function withoutSecrets(text: string, heads: RegExp, spellings: ReadonlySet<string>): string {
  heads.lastIndex = 0;
  let hidden = '';
  let done = 0;
  for (let found = heads.exec(text); found; found = heads.exec(text)) {
    const start = found.index;
    hidden += text.slice(done, start) + HIDDEN;
    done = start + found[0].length;
    for (const spelling of spellings) {
      if (text.startsWith(headOf(spelling), start)) done = Math.max(done, start + shared(text, start, spelling));
    }
    heads.lastIndex = done;
  }
  return done === 0 ? text : hidden + text.slice(done);
}

/** How many characters of the spelling stand there. */
function shared(text: string, start: number, spelling: string): number {
  let length = 0;
  while (length < spelling.length && text[start + length] === spelling[length]) length += 1;
  return length;
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
  const uri = encodeURIComponent(secret);
  const hex = Buffer.from(secret).toString('hex');
  const spelled = [
    ...[secret, ...htmlForms(secret)].flatMap(jsonForms),
    uri,
    // Everything that RFC 3986 reserves, as strict encoders write it, and a form's plus for a blank.
    strictUri(uri),
    uri.replaceAll('%20', '+'),
    strictUri(uri).replaceAll('%20', '+'),
    new URLSearchParams([['', secret]]).toString().slice(1),
  ];
  return [...spelled.flatMap(bothCases), hex, hex.toUpperCase(), ...base64Cores(secret)];
}

/** As it is, in JSON, and in JSON inside JSON inside JSON: an answer that repeats a request, in a line of the log. */
function jsonForms(text: string): string[] {
  const [once, twice, thrice] = [inJson(text), inJson(inJson(text)), inJson(inJson(inJson(text)))];
  return [text, once, twice, thrice, once.replaceAll('/', '\\/'), escapedNonAscii(once)];
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
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
