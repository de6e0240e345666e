// Both directions read addresses here, so that an answer reaches, and an opt-out blocks, the very address that wrote.
import { isSupportedCountry, type PhoneNumber, validatePhoneNumberLength } from 'libphonenumber-js/min';
import { LIMITS } from '../../model/message.js';
import { cutText, shownLine } from '../limits.js';
import { hasExtension, numberIn, numberText, plainDigits, withoutScheme } from '../phone-text.js';

export interface Sender {
  /** For RemoteAddress: E.164, or the address as it was received. */
  readonly address: string;
  /** The display form: `+420 777 123 456`. */
  readonly display: string;
  /** Whether an answer can be sent there as it is, as far as can be told. */
  readonly known: boolean;
  /** ISO 3166-1 country of the number, where that can be told. */
  readonly country: string | undefined;
}

export type RecipientResult = { ok: true; to: string } | { ok: false; problem: string };

/** Short codes have no country code and are not read as numbers. */
const SHORT_CODE = /^\d{3,8}$/;
/** No subscriber number of this length is written without the leading 0 of its country: only short codes are so short. */
const SURELY_SHORT = /^\d{3,6}$/;
/** Characters that are written inside phone numbers. Letters are not among them: "1-800-FLOWERS" is no number to send to. */
const PHONE = /^\+?[\d\s().\u00b7\u2010-\u2015\u2212/-]+$/;
/** GSM alphanumeric originator (3GPP TS 23.040, 9.1.2.5): eleven characters; of those, what carriers agree on. */
const SENDER_NAME = /^(?=.*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9 &.+_-]{0,9}[A-Za-z0-9.+_-])?$/;
/** Digits with country code but without "+". Shorter ones might as well be a number of some country. */
const SURELY_INTERNATIONAL = /^[1-9]\d{10,14}$/;
/** E.164 allows 15 digits. */
const PLUS_DIGITS = /^\+\d{7,15}$/;

/** Never fails: an address that is no number stays as it was received. */
export function readSender(given: string, region: string | undefined): Sender {
  const text = clean(given);
  const as = (address: string, display = address, known = true, country?: string): Sender => ({
    address: cutText(address, LIMITS.RemoteAddress),
    display: cutText(display, LIMITS.FromField),
    known,
    country,
  });
  const written = numberText(plainDigits(text));
  if (SURELY_SHORT.test(plainDigits(text))) return as(plainDigits(text));
  if (!PHONE.test(written)) return as(text, text, /\p{L}/u.test(text));
  const number = numberOf(written, region) ?? international(written);
  if (number) return as(number.number, number.formatInternational(), true, number.country);
  if (SHORT_CODE.test(written)) return as(written);
  const digits = withPlus(written);
  return PLUS_DIGITS.test(digits) ? as(digits) : as(text, text, false);
}

/** The recipient of a send request; the problem says what would be right. */
export function readRecipient(given: string, region: string | undefined): RecipientResult {
  const text = plainDigits(clean(given)).trim();
  if (text === '') return invalid('the send request names no recipient: RemoteAddress is empty');
  if (SURELY_SHORT.test(text)) return { ok: true, to: text };
  if (hasExtension(text)) {
    return invalid(`${quoted(text)} has an extension, which no text message reaches: leave the extension out`);
  }
  const written = numberText(text);
  if (!PHONE.test(written)) return invalid(`${quoted(text)} is not a phone number: write it as ${EXAMPLE}`);
  const number = numberOf(written, region);
  if (number) return { ok: true, to: number.number };
  if (SHORT_CODE.test(written)) return { ok: true, to: written };
  return invalid(whyNot(written, region));
}

/** `given` as a sender, if it looks like one: a number with country code, a short code, or a name of at most 11 characters. */
export function senderOf(given: string, region: string | undefined): string | undefined {
  const text = clean(given);
  if (SENDER_NAME.test(text)) return text;
  const result = readRecipient(text, region);
  return result.ok ? result.to : undefined;
}

const EXAMPLE = '+ country code number, for example +420777123456';

/**
 * With a country code, a number counts when its length is possible: which ranges are in use changes faster than any list of
 * them. Without one the country is an assumption, so the number has to be one of that country.
 */
function numberOf(text: string, region: string | undefined): PhoneNumber | undefined {
  if (text.startsWith('+')) {
    const number = numberIn(text, undefined);
    return number?.isPossible() ? number : undefined;
  }
  if (!region || !isSupportedCountry(region)) return undefined;
  const number = numberIn(text, region);
  return number?.isValid() ? number : undefined;
}

/** Many carriers leave out the "+". */
function international(text: string): PhoneNumber | undefined {
  const digits = digitsOf(text);
  if (!SURELY_INTERNATIONAL.test(digits)) return undefined;
  const number = numberIn(`+${digits}`, undefined);
  return number?.isValid() ? number : undefined;
}

function whyNot(text: string, region: string | undefined): string {
  const written = withPlus(text);
  if (written.startsWith('+')) return `${quoted(text)} is not a phone number: ${FAULTS[faultOf(written)]}`;
  const meant = international(text);
  const advice = meant ? `; if ${meant.number} is meant, write it with the +` : `; write it as ${EXAMPLE}`;
  if (region) return `${quoted(text)} is not a phone number of ${region}${advice}`;
  const setting = meant ? '' : ', or set Region in the settings of the gateway';
  return `${quoted(text)} has no country code${advice}${setting}`;
}

function faultOf(written: string): keyof typeof FAULTS {
  return validatePhoneNumberLength(written) ?? 'NOT_A_NUMBER';
}

const FAULTS = {
  INVALID_COUNTRY: `there is no such country code; write it as ${EXAMPLE}`,
  NOT_A_NUMBER: `write it as ${EXAMPLE}`,
  TOO_SHORT: 'it is too short for its country',
  TOO_LONG: 'it is too long for its country',
  INVALID_LENGTH: 'no number of its country has this length',
} as const;

/** With "+" when the country code is said, else the text. */
function withPlus(text: string): string {
  return text.startsWith('+') ? `+${digitsOf(text)}` : text;
}

function digitsOf(text: string): string {
  return text.replace(/\D/g, '');
}

/** One line, without the scheme of a link. */
function clean(given: string): string {
  return withoutScheme(shownLine(given.slice(0, LONGEST).normalize('NFKC')), /^(?:tel|sms|smsto):/i);
}

/** Nothing that is sent to or from is nearly as long. */
const LONGEST = 1_000;

function quoted(text: string): string {
  return `"${cutText(text, 60)}"`;
}

function invalid(problem: string): RecipientResult {
  return { ok: false, problem };
}
