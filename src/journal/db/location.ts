import { resolve } from 'node:path';
import { GatepostError, messageOf } from '../../kit/errors.js';
import { sqliteError } from '../../kit/sqlite.js';

/** The journal's name in sentences and error codes. */
export const STORE = { what: 'the journal', area: 'journal' } as const;

/** The file of `sqlite:PATH`. @throws GatepostError `journal/url` */
export function pathOf(url: string): string {
  const path = /^sqlite:(.+)$/is.exec(url.trim())?.[1];
  if (path !== undefined) return resolve(path);
  const shown = url.replace(/\/\/[^@/]*@/, '//');
  const advice = 'Write journal: sqlite:data/journal.db, for example.';
  if (/^postgres(ql)?:/i.test(url)) {
    throw new GatepostError(
      'journal/url',
      `the journal "${shown}" is on PostgreSQL, which this version cannot use yet`,
      {
        advice,
      },
    );
  }
  throw new GatepostError('journal/url', `the journal "${shown}" is no address of the form sqlite:PATH`, { advice });
}

/** Anything that opening threw, as one sentence with advice that fits a journal. */
export function openingFault(error: unknown, path: string): GatepostError {
  const fault = sqliteError(error, path, STORE);
  if (fault.code !== 'journal/corrupt' && fault.code !== 'journal/not-a-database') return fault;
  return new GatepostError(fault.code, messageOf(fault), { advice: adviceToMove(path), cause: fault.cause });
}

/** A damaged journal is never removed: it is the only proof of what was handed over and sent. */
function adviceToMove(path: string): string {
  return (
    `Put back a backup, or move ${path} (with ${path}-wal and ${path}-shm) to ${path}.damaged and start with an empty one. ` +
    'With an empty journal, messages that were handed over but not yet confirmed are handed over once more, ' +
    'a repeated send request is sent again, and the delivery log starts afresh.'
  );
}
