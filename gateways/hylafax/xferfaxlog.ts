import type { HfaxdClient } from './hfaxd-client.js';
import { refusal } from './protocol-text.js';

/** Bytes read from the end of the log, some 4,000 calls: the calls that are looked up are a few days old at most. */
const TAIL_BYTES = 1024 * 1024;
/** Debian stores the log with the other logs, HylaFAX itself with its configuration. */
const LOCATIONS = ['log/xferfaxlog', 'etc/xferfaxlog'];

/** One line of xferfaxlog(5). */
export interface Call {
  readonly kind: 'SEND' | 'RECV';
  readonly modem: string;
  /** `recvq/fax000000001.tif`, or the id of the job. */
  readonly subject: string;
  readonly tag: string;
  /** The gateway's own number that the call came in on. */
  readonly ownNumber: string;
  readonly pages: number;
  /** '' when the call succeeded. */
  readonly reason: string;
}

/** The last calls in the log, oldest first; undefined when the log cannot be read. */
export async function readCalls(client: HfaxdClient): Promise<readonly Call[] | undefined> {
  for (const location of LOCATIONS) {
    try {
      const size = Number(await client.ask(`SIZE ${location}`));
      const from = Math.max(0, size - TAIL_BYTES);
      // The log may have grown since SIZE.
      const text = await client.fetch(location, 2 * TAIL_BYTES, from);
      return parseCalls(text.toString('utf8'));
    } catch (error) {
      if (!refusal(error)) throw error;
    }
  }
  return undefined;
}

function parseCalls(text: string): Call[] {
  return text.split('\n').flatMap((line) => {
    const columns = line.split('\t').map((column) => column.replace(/^"(.*)"$/, '$1'));
    const [, kind = '', , modem = '', subject = '', tag = '', , ownNumber = ''] = columns;
    const [pages = '', , , reason = ''] = columns.slice(10);
    if (columns.length < 14 || (kind !== 'SEND' && kind !== 'RECV')) return [];
    return [{ kind, modem, subject, tag, ownNumber, pages: Number(pages), reason }];
  });
}

/** The last call that received `file`: HylaFAX reuses file names. */
export function receptionOf(calls: readonly Call[], file: string): Call | undefined {
  return calls.findLast(({ kind, subject }) => kind === 'RECV' && subject === `recvq/${file}`);
}

/** The last call of a job. */
export function lastCallOf(calls: readonly Call[], job: string, tag: string): Call | undefined {
  return calls.findLast((call) => call.kind === 'SEND' && call.subject === job && call.tag === tag);
}
