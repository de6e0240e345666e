import { isSupportedCountry } from 'libphonenumber-js/min';
import { cleanLine, cutText } from '../limits.js';
import { dialledText, hasExtension, numberIn, plainDigits } from '../phone-text.js';

export type FaxNumberResult = { ok: true; to: string } | { ok: false; problem: string };

/** A trunk prefix, pauses and a number of fifteen digits fit; what is longer is no number. */
const MAX_CHARACTERS = 40;
/** The shortest extension. */
const MIN_CHARACTERS = 2;
/** Longer than any number with its scheme, name and brackets. */
const MAX_WRITTEN = 400;

/** What a modem can dial: a leading +, then digits, `*`, `#`, `,` (a pause) and `-`. */
const DIALLED = /^\+?[\d*#,-]+$/;
/** Separators between digits. */
const BETWEEN = /[\s().\u00b7/]+/gu;
const DASHES = /[\u2010-\u2015\u2212]/gu;
/** E.164 allows 15 digits. */
const PLUS_DIGITS = /^\+\d{7,15}$/;

/**
 * The number to dial. With a country code it is E.164, and so is a number of `region` (ISO 3166-1); everything else is dialled
 * as it is written, for a number may be an extension or have the prefix of an outside line.
 */
export function readFaxNumber(given: string, region: string | undefined): FaxNumberResult {
  const bare = given.slice(0, MAX_WRITTEN).trim();
  if (bare === '') return rejected('the message has no recipient: RemoteAddress is empty');
  if (/\p{Cc}/u.test(bare)) return rejected(`${quoted(bare)} is not a fax number: it holds control characters`);
  const text = dialledText(bareNumber(plainDigits(bare)));
  if (hasExtension(text)) return rejected(`${quoted(bare)} has an extension, which no fax reaches: leave it out`);
  const digits = text.replace(BETWEEN, '').replace(DASHES, '-');
  if (!DIALLED.test(digits) || !/\d/.test(digits)) return rejected(`${quoted(bare)} is not a fax number: ${ADVICE}`);
  if (digits.length < MIN_CHARACTERS) return rejected(`${quoted(bare)} is too short for a fax number`);
  if (digits.length > MAX_CHARACTERS || given.trim().length > MAX_WRITTEN) {
    return rejected(`${quoted(bare)} is too long for a fax number: it has more than ${MAX_CHARACTERS} characters`);
  }
  return { ok: true, to: toE164(text, digits, region) ?? digits };
}

/** A number, else a name; undefined when `given` is blank. */
export function faxSenderOf(given: string, region: string | undefined): string | undefined {
  const text = cleanLine(given);
  if (text === '') return undefined;
  const number = readFaxNumber(text, region);
  return number.ok ? number.to : text;
}

const ADVICE = 'write it as + country code number, for example +420222333444, or as it is to be dialled';

/** `Ann <fax:+420...>` is the number alone; of a SIP address the user part (RFC 3261, 19.1.1), without parameters (RFC 3966). */
export function bareNumber(text: string): string {
  const inside = (/<([^<>]*)>(?:;[^<>]*)?$/.exec(text)?.[1] ?? text).trim();
  if (!SCHEME.test(inside)) return inside;
  const [user = ''] = inside.replace(SCHEME, '').split(/[@;?]/, 1);
  return percentDecoded(user.replace(/:.*$/s, ''));
}

/** `sip:+420...@gateway.example;user=phone`, `tel:+420...;phone-context=...` */
const SCHEME = /^(?:fax|tel|sips?):/i;

function percentDecoded(text: string): string {
  return text.replace(/%([2-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

function toE164(text: string, digits: string, region: string | undefined): string | undefined {
  if (digits.startsWith('+')) {
    const plain = digits.replaceAll('-', '');
    if (!PLUS_DIGITS.test(plain)) return undefined;
    const number = numberIn(text, undefined);
    return number?.isPossible() ? number.number : plain;
  }
  // A number with a pause, a star or a hash is dialled as it is written.
  if (/[*#,]/.test(digits) || !region || !isSupportedCountry(region)) return undefined;
  const number = numberIn(text, region);
  return number?.isValid() ? number.number : undefined;
}

function quoted(text: string): string {
  return `"${cutText(cleanLine(text), 60)}"`;
}

function rejected(problem: string): FaxNumberResult {
  return { ok: false, problem };
}
