// Telephone numbers as people paste them and networks send them, made plain before they are read as numbers: shared by text
// messages and faxes, in both directions.
import { type CountryCode, type PhoneNumber, parsePhoneNumberFromString } from 'libphonenumber-js/min';

/**
 * `text` with wide digits and digits of other scripts as plain ones and without invisible marks (category Cf), which address
 * books, chat programs and web pages put around numbers.
 */
export function plainDigits(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/\p{Cf}/gu, '')
    .replace(/[^\P{Nd}0-9]/gu, asciiDigit);
}

/** Digits of a script stand in a row, from zero to nine. */
function asciiDigit(digit: string): string {
  const point = digit.codePointAt(0) ?? 0;
  let value = 0;
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(point - value - 1))) value += 1;
  return String(value);
}

/** "+", "00" (which most of the world writes for it), "(+", and both ways at once. */
const INTERNATIONAL = /^[\s(]{0,3}(?:(?:\+|00)[\s().-]{0,3}){1,3}(?=[1-9])/;
/** A zero in brackets: the trunk prefix that is dialled from inside the country only. */
const BRACKETED_ZERO = /[([]\s{0,3}0\s{0,3}[)\]]/;

/** In the one form that `numberIn` reads: `+` before a country code, `(0)` for a trunk zero. */
export function numberText(text: string): string {
  return withoutBlankZero(text.replace(INTERNATIONAL, '+'));
}

/** The same where "00" alone may be dialled as it is written: a telephone system may take it for something else. */
export function dialledText(text: string): string {
  return text.includes('+') ? numberText(text) : withoutBlankZero(text);
}

function withoutBlankZero(text: string): string {
  return text.replace(BRACKETED_ZERO, '(0)');
}

/**
 * The number that `text` (from `numberText`) means: with country code (`+...`), or one of `region`. A trunk zero that is no part of the number is
 * left out: "+420 (0)602 123 456" is +420602123456, but "+39 (0)6 1234 5678" stays +390612345678, as Italy dials it.
 */
export function numberIn(text: string, region: CountryCode | undefined): PhoneNumber | undefined {
  const written = parsed(text.replace('(0)', '0'), region);
  if (written?.isValid()) return written;
  if (text.includes('(0)')) {
    const bare = parsed(text.replace('(0)', ' '), region);
    if (bare?.isPossible()) return bare;
  }
  // "+420 0602 123 456": only when it is a number without the zero and none with it.
  if (written?.nationalNumber.startsWith('0')) {
    const bare = parsed(`+${written.countryCallingCode}${written.nationalNumber.slice(1)}`, undefined);
    if (bare?.isValid()) return bare;
  }
  return written;
}

function parsed(text: string, region: CountryCode | undefined): PhoneNumber | undefined {
  const digits = text.startsWith('+') ? `+${text.replace(/\D/g, '')}` : text;
  return parsePhoneNumberFromString(digits, region ? { defaultCountry: region, extract: false } : { extract: false });
}

/** The parameters and the text behind the number of a tel: or sms: address (RFC 3966, RFC 5724). */
export function withoutScheme(text: string, scheme: RegExp): string {
  const bare = text.replace(scheme, '');
  return bare.length === text.length ? text : bare.replace(/(?:;(?!ext=)|\?).*$/is, '');
}

/** An extension behind a number: "ext. 12", ";ext=12", "x12", "linka 12". Neither a text message nor a fax reaches one. */
export function hasExtension(text: string): boolean {
  return /\d[\s,.]{0,3}(?:;ext=|ext(?:ension|n)?\.?|x|klapka|linka|kl\.|durchwahl|dw\.?|poste|int\.)[\s.:]{0,3}\d{1,7}\s*$/i.test(
    text,
  );
}
