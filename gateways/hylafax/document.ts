import type { FaxDocument } from '../../src/driver/contract.js';
import type { ReceivedFile } from './recvq.js';
import { modemName, type Settings } from './settings.js';
import type { TiffSummary } from './tiff.js';
import type { Call } from './xferfaxlog.js';

/** How HylaFAX writes an unknown value. */
const UNKNOWN = /^(<(none|unspecified|unknown)>)?$/i;

export interface Reception {
  readonly fax: ReceivedFile;
  readonly raw: Buffer;
  readonly tiff: TiffSummary;
  /** The call in xferfaxlog; undefined when the log cannot be read or does not show the call. */
  readonly call: Call | undefined;
  readonly notes: readonly string[];
}

export function documentOf({ fax, raw, tiff, call, notes }: Reception, settings: Settings): FaxDocument {
  const { details } = fax;
  const { station, number, name } = identityOf(fax, tiff);
  return {
    kind: 'fax',
    raw,
    from: known(number),
    to: calledNumber(tiff.description.slice(1), settings) ?? known(call?.ownNumber),
    station: known(station),
    callerName: known(name),
    // The key, because HylaFAX reuses file names.
    providerId: fax.key,
    receivedAt: fax.at * 1000,
    pages: details?.pages ?? null,
    expectedPages: null,
    problem: known(call?.reason),
    facts: factsOf(fax, call),
    notes,
  };
}

/**
 * HylaFAX writes the station first, then the lines of the caller identification: number, name and others. The file goes before the
 * listing, which loses characters beyond ASCII, and in which a bar ends a column.
 */
function identityOf({ details }: ReceivedFile, { description }: TiffSummary) {
  const [station = '', number = '', name = ''] = description;
  if (description.some((line) => line !== '')) return { station, number, name };
  return { station: details?.station ?? '', number: details?.number ?? '', name: details?.name ?? '' };
}

function known(text: string | undefined): string | null {
  const trimmed = text?.trim() ?? '';
  return UNKNOWN.test(trimmed) ? null : trimmed;
}

/** `lines`: the caller identification, number and name first. */
function calledNumber(lines: readonly string[], { CalledNumberAt }: Settings): string | null {
  if (CalledNumberAt !== undefined) return known(lines[CalledNumberAt - 1]);
  return known(lines.slice(2).findLast((line) => /^\+?[\d ()./-]{2,30}$/.test(line)));
}

function factsOf({ details }: ReceivedFile, call: Call | undefined): FaxDocument['facts'] {
  const facts = [
    { name: 'Speed', value: details && details.rate > 0 ? `${details.rate} bit/s` : '' },
    { name: 'Duration', value: details?.duration.replace(/^0:0?(?=\d)/, '') ?? '' },
    { name: 'Resolution', value: details && details.lines > 0 ? `${details.lines} lines per inch` : '' },
    { name: 'Coding', value: details?.format ?? '' },
    { name: 'Subaddress', value: details?.subaddress ?? '' },
    { name: 'Modem', value: call?.modem ?? '' },
  ];
  return facts.filter(({ value }) => value.trim() !== '');
}

/** True when the fax came in on another modem than the configured one. */
export function isFromOtherModem(call: Call | undefined, { Modem }: Settings): boolean {
  return Modem !== undefined && call !== undefined && modemName(call.modem) !== modemName(Modem);
}
