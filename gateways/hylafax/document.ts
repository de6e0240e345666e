// Owns making a FaxDocument of a received file, of what the listing tells of it, and of what the log of calls knows.
import type { FaxDocument } from '../../src/driver/contract.js';
import type { Call } from './calls.js';
import type { Received } from './recvq.js';
import { modemName, type Settings } from './settings.js';
import type { TiffFacts } from './tiff.js';

/** How HylaFAX says "nothing". */
const NOBODY = /^(<(none|unspecified|unknown)>)?$/i;

export interface Reception {
  readonly fax: Received;
  readonly raw: Buffer;
  readonly tiff: TiffFacts;
  /** Undefined when the log of calls is not to be had or does not know it. */
  readonly call: Call | undefined;
  readonly notes: readonly string[];
}

export function documentOf({ fax, raw, tiff, call, notes }: Reception, settings: Settings): FaxDocument {
  const { about } = fax;
  // Sender first, then number, name and the others, as the modem gave them.
  const [station = '', number = '', name = ''] = tiff.description;
  return {
    kind: 'fax',
    raw,
    from: said(about?.number ?? number),
    to: calledNumber(tiff.description.slice(1), settings) ?? said(call?.line),
    station: said(about?.station ?? station),
    callerName: said(about?.name ?? name),
    // The names of files come round again when a spool is set up anew.
    providerId: fax.key,
    receivedAt: fax.at * 1000,
    pages: about?.pages ?? null,
    expectedPages: null,
    problem: said(call?.reason),
    facts: factsOf(fax, call),
    notes,
  };
}

function said(text: string | undefined): string | null {
  const trimmed = text?.trim() ?? '';
  return NOBODY.test(trimmed) ? null : trimmed;
}

/** `lines`: those of the caller identification, number and name first. */
function calledNumber(lines: readonly string[], { CalledNumberAt }: Settings): string | null {
  if (CalledNumberAt !== undefined) return said(lines[CalledNumberAt - 1]);
  return said(lines.slice(2).findLast((line) => /^\+?[\d ()./-]{2,30}$/.test(line)));
}

function factsOf({ about }: Received, call: Call | undefined): FaxDocument['facts'] {
  const facts = [
    { name: 'Speed', value: about && about.rate > 0 ? `${about.rate} bit/s` : '' },
    { name: 'Duration', value: about?.duration.replace(/^0:0?(?=\d)/, '') ?? '' },
    { name: 'Resolution', value: about && about.lines > 0 ? `${about.lines} lines per inch` : '' },
    { name: 'Coding', value: about?.format ?? '' },
    { name: 'Subaddress', value: about?.subaddress ?? '' },
    { name: 'Modem', value: call?.modem ?? '' },
  ];
  return facts.filter(({ value }) => value.trim() !== '');
}

/** Whether another modem than the wanted one received it. */
export function isOthers(call: Call | undefined, { Modem }: Settings): boolean {
  return Modem !== undefined && call !== undefined && modemName(call.modem) !== modemName(Modem);
}
