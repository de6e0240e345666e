// Owns HylaFAX's log of calls, xferfaxlog(5): which modem received a fax, why a reception broke off, and how a job ended that
// is in no queue any more. Its end is enough: who needs it has just heard of the call, or looks for one of the last days.
import type { Talk } from './talk.js';
import { refusal } from './words.js';

/** The last 4,000 calls or so. */
const TAIL_BYTES = 1024 * 1024;
/** Debian keeps it with the other logs, HylaFAX itself with its configuration. */
const PLACES = ['log/xferfaxlog', 'etc/xferfaxlog'];

export interface Call {
  readonly kind: 'SEND' | 'RECV';
  readonly modem: string;
  /** `recvq/fax000000001.tif`, or the id of the job. */
  readonly subject: string;
  readonly tag: string;
  /** The number of the own line. */
  readonly line: string;
  readonly pages: number;
  /** '' when nothing went wrong. */
  readonly reason: string;
}

/** The calls at the end of the log, oldest first; undefined when it cannot be read. */
export async function readCalls(talk: Talk): Promise<readonly Call[] | undefined> {
  for (const place of PLACES) {
    try {
      const size = Number(await talk.ask(`SIZE ${place}`));
      const from = Math.max(0, size - TAIL_BYTES);
      // It may have grown since.
      const text = await talk.fetch(place, 2 * TAIL_BYTES, from);
      return callsIn(text.toString('utf8'));
    } catch (error) {
      if (!refusal(error)) throw error;
    }
  }
  return undefined;
}

export function callsIn(text: string): Call[] {
  return text.split('\n').flatMap((line) => {
    const columns = line.split('\t').map((column) => column.replace(/^"(.*)"$/, '$1'));
    const [, kind = '', , modem = '', subject = '', tag = '', , own = '', , , pages = '', , , reason = ''] = columns;
    if (columns.length < 14 || (kind !== 'SEND' && kind !== 'RECV')) return [];
    return [{ kind, modem, subject, tag, line: own, pages: Number(pages), reason }];
  });
}

/** The reception of a file: the last one, for names come round again. */
export function receptionOf(calls: readonly Call[], file: string): Call | undefined {
  return calls.findLast(({ kind, subject }) => kind === 'RECV' && subject === `recvq/${file}`);
}

/** The last call of a job. */
export function lastCallOf(calls: readonly Call[], job: string, tag: string): Call | undefined {
  return calls.findLast((call) => call.kind === 'SEND' && call.subject === job && call.tag === tag);
}
