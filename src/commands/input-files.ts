// The files that arguments of the command line name: a file is itself, a folder is all files in it.
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GatepostError, messageOf } from '../kit/errors.js';
import { readAll } from './stdin.js';

export type FoundFile = { readonly file: string } | { readonly file: string; readonly problem: string };

export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** One at a time, in the order of the arguments and of the names; folders inside folders too, hidden names and links to folders not. */
export async function* filesOf(paths: readonly string[]): AsyncGenerator<FoundFile> {
  for (const path of paths) {
    if (await isFolder(path)) yield* filesIn(path);
    else yield { file: path };
  }
}

async function* filesIn(folder: string): AsyncGenerator<FoundFile> {
  let entries: Awaited<ReturnType<typeof entriesOf>>;
  try {
    entries = await entriesOf(folder);
  } catch (error) {
    yield { file: folder, problem: `cannot read ${folder}: ${messageOf(error)}` };
    return;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    // Reading a pipe or a device found in a folder might never end.
    else if (entry.isFile() || (entry.isSymbolicLink() && (await isOrdinaryOrBroken(path)))) yield { file: path };
  }
}

async function entriesOf(folder: string) {
  const entries = await readdir(folder, { withFileTypes: true });
  return entries
    .filter(({ name }) => !name.startsWith('.'))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** A broken link is told as a file that cannot be read. */
async function isOrdinaryOrBroken(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? true;
}

export async function readInputFile(file: string, maxBytes: number): Promise<Buffer> {
  try {
    return await readAll(createReadStream(file), maxBytes, file);
  } catch (error) {
    if (error instanceof GatepostError) throw error;
    throw new GatepostError('input/unreadable', `cannot read ${file}: ${messageOf(error)}`, {
      advice: 'give the path of a file that can be read',
      cause: error,
    });
  }
}
