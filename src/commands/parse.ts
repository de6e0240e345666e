import { basename, join } from 'node:path';
import type { Clock } from '../kit/clock.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import { filesOf, isFolder, readInputFile } from './input-files.js';
import type { Output } from './output.js';
import { createInputReader, type InputReader, type ParseOptions } from './read-input.js';
import { readStdin } from './stdin.js';

/** Larger than any mailbox accepts; the bound protects memory. */
const MAX_INPUT = 256 * 1024 * 1024;
/** Ms between two lines of progress. */
const PROGRESS_MS = 200;

/** Without paths: standard input. One file prints one indented object; several files or a folder print one line of JSON for each file. */
export async function parseCommand(
  paths: readonly string[],
  options: ParseOptions,
  clock: Clock,
  output: Output,
): Promise<number> {
  rejectMisfit(options);
  const reader = createInputReader(options, clock);
  try {
    const [only] = paths;
    if (paths.length > 1 || (only !== undefined && (await isFolder(only)))) {
      return await parseFiles(paths, options.attachments, reader, clock, output);
    }
    const raw = only === undefined ? await readStdin(MAX_INPUT) : await readInputFile(only, MAX_INPUT);
    output.out(`${JSON.stringify(await reader.read(raw, options.attachments), null, 2)}\n`);
    return 0;
  } finally {
    await reader.close();
  }
}

/** One file in memory at a time. A file that cannot be read gets a line of its own and does not end the others. */
async function parseFiles(
  paths: readonly string[],
  attachments: string | undefined,
  reader: InputReader,
  clock: Clock,
  { out, say, isTerminal, progress }: Output,
): Promise<number> {
  // Lines on standard output that is a terminal are progress enough.
  const show = isTerminal ? undefined : progress;
  let [done, failed, shownAt] = [0, 0, clock.now()];
  for await (const found of filesOf(paths)) {
    done += 1;
    const { file } = found;
    const folder = attachments === undefined ? undefined : join(attachments, `${done}-${basename(file)}`);
    const line = 'problem' in found ? { File: file, Error: found.problem } : await parseFile(file, folder, reader);
    if ('Error' in line) failed += 1;
    out(`${JSON.stringify(line)}\n`);
    if (show && clock.now() - shownAt >= PROGRESS_MS) {
      shownAt = clock.now();
      show(`${counted(done, failed)}: ${file}`);
    }
  }
  show?.('');
  if (show || failed > 0 || done === 0) say(`${counted(done, failed)}\n`);
  return failed > 0 ? 1 : 0;
}

function counted(done: number, failed: number): string {
  return `${done} file${done === 1 ? '' : 's'} read${failed === 0 ? '' : `, ${failed} of them not readable`}`;
}

async function parseFile(file: string, folder: string | undefined, reader: InputReader): Promise<object> {
  try {
    return { File: file, ...(await reader.read(await readInputFile(file, MAX_INPUT), folder)) };
  } catch (error) {
    return { File: file, Error: messageOf(error) };
  }
}

function rejectMisfit({ fax, from, region }: ParseOptions): void {
  if (!fax && (from !== undefined || region !== undefined)) {
    throw new GatepostError(
      'input/options',
      '--from and --region describe the caller of a fax, but the input is read as a mail',
      {
        advice: 'add --fax, or leave them out',
      },
    );
  }
  if (region !== undefined && !/^[A-Za-z]{2}$/.test(region)) {
    throw new GatepostError('input/options', `--region ${region} is not a country`, {
      advice: 'give two letters (ISO 3166-1), for example CZ',
    });
  }
}
