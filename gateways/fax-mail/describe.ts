import type { FaxDocument, RawMail } from '../../src/driver/contract.js';
import { extract } from './extract.js';
import type { OpenedMail } from './open-mail.js';
import { type FaxMailSettings, rulesOf } from './settings.js';

/** Makes the content of fax `number` (from 1) of a mail. */
export type Describe = (bytes: Uint8Array, number: number) => FaxDocument;

export function describer(raw: RawMail, opened: OpenedMail, settings: FaxMailSettings): Describe {
  const trusted = isTrusted(opened.from, settings.Senders);
  const { fields, facts } = extract(opened, trusted ? rulesOf(settings) : []);
  const { from, to, station, name, id, pages, expected, problem } = fields;
  const count = opened.documents.length;
  return (bytes, number) => ({
    kind: 'fax',
    raw: bytes,
    from: from ?? null,
    to: to ?? null,
    station: station ?? null,
    callerName: name ?? null,
    providerId: id ?? null,
    receivedAt: raw.receivedAt,
    // The provider counts the pages of the whole mail.
    pages: count === 1 ? numberOf(pages) : null,
    expectedPages: count > 1 ? null : numberOf(expected),
    problem: problem ?? null,
    facts,
    notes: notesOn(opened, trusted, number),
  });
}

function notesOn(opened: OpenedMail, trusted: boolean, number: number): string[] {
  const count = opened.documents.length;
  return [
    ...(count === 0 ? ['The mail held no fax: the page shows its text.'] : []),
    ...(trusted ? [] : ['The mail is not from one of the Senders, so its data about the caller was not read.']),
    `It came by mail from ${opened.from || 'an unknown sender'}.`,
    ...opened.notes,
    ...(count > 1 ? [`It is fax ${number} of ${count} in that mail.`] : []),
  ];
}

const numberOf = (digits: string | undefined) => (digits === undefined ? null : Number(digits));

function isTrusted(from: string, senders: readonly string[] | undefined): boolean {
  return !senders || senders.some((sender) => from === sender.toLowerCase() || isIn(from, sender.toLowerCase()));
}

const isIn = (from: string, domain: string) => domain.startsWith('@') && from.endsWith(domain);
