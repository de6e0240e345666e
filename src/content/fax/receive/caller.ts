import type { FaxDocument } from '../../../model/content.js';
import { LIMITS } from '../../../model/message.js';
import { cleanLine, cutText, shownLine } from '../../limits.js';
import { formatAddress } from '../../mail/addresses.js';
import { UNKNOWN_SENDER } from '../../mail/parse/fields.js';
import { readSender } from '../../sms/numbers.js';
import { bareNumber, readFaxNumber } from '../numbers.js';

export interface Caller {
  /** For RemoteAddress: E.164, a number as it came, else the station's name. */
  readonly remote: string;
  /** For FromField. */
  readonly from: string;
  /** Display form: `+420 777 123 456`, `an unknown number`. */
  readonly shown: string;
  /** For a file name; '' when the caller is unknown. */
  readonly mark: string;
}

export interface FaxNumber {
  readonly address: string;
  readonly shown: string;
}

/** A station has twenty characters (T.30); a caller's name from the network not many more. */
const MAX_NAME = 60;

export function callerOf(
  fax: Pick<FaxDocument, 'from' | 'station' | 'callerName'>,
  region: string | undefined,
): Caller {
  const station = nameOf(fax.station);
  const number = numberOf(fax.from, region) ?? numberOf(fax.station, region);
  const name = nameOf(fax.callerName) || (number && numberOf(station, region) ? '' : station);
  if (number) {
    const { address, shown } = number;
    return { remote: address, from: cutText(named(name, shown), LIMITS.FromField), shown, mark: address };
  }
  const address = sipAddressOf(fax.from);
  const remote = cutText(station || name || address, LIMITS.RemoteAddress) || UNKNOWN_SENDER;
  const shown = name || station || address;
  return {
    remote,
    from: cutText(shown, LIMITS.FromField) || UNKNOWN_SENDER,
    shown: shown || UNKNOWN_NUMBER,
    mark: shown,
  };
}

const UNKNOWN_NUMBER = 'an unknown number';

/** Undefined for anything but a number: `anonymous`, zeros, a name. */
export function numberOf(given: string | null, region: string | undefined): FaxNumber | undefined {
  const text = cleanLine(given ?? '');
  const number = readFaxNumber(text, region);
  if (!number.ok || !/[1-9]/.test(number.to)) return undefined;
  // Without a region a number is dialled and shown as it is written.
  const international = region !== undefined || /^(?:\+|00)/.test(number.to);
  const read = international ? readSender(bareNumber(text), region) : undefined;
  if (read?.address.startsWith('+')) return { address: read.address, shown: read.display };
  return { address: number.to, shown: number.to };
}

/** `alice@pbx.example` of a caller without a number; '' when the caller withholds the address (RFC 3323, 4.1.1.3). */
function sipAddressOf(from: string | null): string {
  const address = /\bsips?:([^\s<>;?@]{1,200}@[^\s<>;?]{1,200})/i.exec(cleanLine(from ?? ''))?.[1] ?? '';
  return WITHHELD.test(address) ? '' : address;
}

const WITHHELD = /^(?:anonymous|unknown|unavailable|restricted|private)@|@anonymous\.invalid$/i;

function nameOf(given: string | null): string {
  return cutText(shownLine(given ?? ''), MAX_NAME);
}

function named(name: string, number: string): string {
  return name === '' ? number : formatAddress({ name, address: number });
}
