// The gateways file is read at start, and again whenever it changes.
import { readFile } from 'node:fs/promises';
import type { Clock } from '../kit/clock.js';
import { codeOf, GatepostError, messageOf } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { loop } from '../kit/loop.js';
import { utf8Text } from '../kit/utf8-file.js';
import type { GatewayInfo } from '../model/message.js';
import { formatProblem, type GatewaysFile, readGateways } from './gateways.js';

export interface GatewayList {
  current(): readonly GatewayInfo[];
  stop(): Promise<void>;
}

export interface WatchOptions {
  file: string;
  clock: Clock;
  log: Log;
  /** Called with every list that is served from now on, the first one included. */
  onList: (gateways: readonly GatewayInfo[]) => void;
}

/** Ms between two looks at the file. Reading it beats watching: editors replace files, and network folders report no changes. */
const LOOK_MS = 500;

/** @throws GatepostError `embedded-server/gateways` when the file cannot be read at all; single bad entries are only logged. */
export async function watchGateways({ file, clock, log, onList }: WatchOptions): Promise<GatewayList> {
  let served = await readText(file);
  let list = infosOf(first(served, file, log));
  onList(list);

  // What the last look saw. A change counts once two looks saw the same, so that a half-written file never does.
  let seen: string | null = served;
  let reported: string | null = null;
  const keep = (why: string) => {
    if (reported !== why)
      log.error({ code: 'embedded-server/gateways' }, `${why}; the gateways read before stay in force`);
    reported = why;
  };
  const take = (text: string) => {
    const read = readGateways(text, file);
    if (read.broken) return keep(read.problems.map(formatProblem).join('; '));
    served = text;
    reported = null;
    warn(read, log);
    list = infosOf(read);
    log.info({ gateways: list.length }, `${file} was read again: ${list.length} gateways`);
    onList(list);
  };
  const look = async () => {
    const text = await readText(file).catch((error) => {
      keep(messageOf(error));
      return null;
    });
    if (text !== null && text === seen && text !== served) take(text);
    if (text !== null && text === served) reported = null;
    seen = text;
    return LOOK_MS;
  };
  const looking = loop({ clock, log, name: `watching ${file}`, failurePauseMs: LOOK_MS }, look);
  return { current: () => list, stop: () => looking.stop() };
}

function first(text: string, file: string, log: Log): GatewaysFile {
  const read = readGateways(text, file);
  if (read.broken) {
    throw new GatepostError('embedded-server/gateways', read.problems.map(formatProblem).join('; '), {
      advice: `Correct the file, then see with "gatepost check ${file}" that it is right.`,
    });
  }
  warn(read, log);
  return read;
}

function warn(read: GatewaysFile, log: Log): void {
  for (const problem of read.problems) {
    log.warn({ code: 'embedded-server/gateways' }, `${formatProblem(problem)}; this gateway is not served`);
  }
}

function infosOf(read: GatewaysFile): readonly GatewayInfo[] {
  return read.entries.map(({ info }) => info);
}

async function readText(file: string): Promise<string> {
  try {
    return utf8Text(await readFile(file), file);
  } catch (error) {
    const why = codeOf(error) === 'ENOENT' ? 'does not exist' : `cannot be read (${messageOf(error)})`;
    throw new GatepostError('embedded-server/gateways', `the gateways file ${file} ${why}`, {
      advice: 'Make the file, or name another one; an empty file is a list without gateways.',
      cause: error,
    });
  }
}
