// Owns the way of a dropped file: seen twice unchanged -> marked as taken (.$$$) -> inbound message -> moved or deleted.
// A plain file is always a new drop, also one with a name and content that were there before; a marked one is always a
// drop that was taken. Its key is its name and the number it was given when it was taken, noted before it is marked.
import { rename, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  codeOf,
  type GatewayContext,
  type InboundMessage,
  type InboundState,
  messageOf,
  type RawMail,
  sleep,
} from '../../src/driver/contract.js';
import { type Look, look, moveInto, readUpTo, type Seen, TAKEN } from './files.js';
import { type Numbers, openNumbers } from './numbers.js';
import type { DropFolderSettings, Folders } from './settings.js';

/** Of a file over MaxMessageBytes, at most this much is handed over: headers, and a text one can recognize it by. */
const BEGINNING = 256 * 1024;
/** Files that are numbered together, in one write to the journal. */
const BATCH = 50;

interface Inbox {
  readonly context: GatewayContext<DropFolderSettings>;
  readonly folders: Folders;
  readonly numbers: Numbers;
}

export async function* receive(
  context: GatewayContext<DropFolderSettings>,
  folders: Folders,
  signal: AbortSignal,
): AsyncGenerator<InboundMessage> {
  const { settings, clock, driverState } = context;
  const inbox: Inbox = { context, folders, numbers: await openNumbers(driverState) };
  const where: Look = {
    folder: folders.folder,
    subfolders: settings.IncludeSubfolders,
    extension: settings.Extension,
    without: [folders.done, folders.refused],
  };
  yield* leftovers(inbox, where, signal);
  let before = new Map<string, Seen>();
  while (!signal.aborted) {
    const { waiting, taken } = await look(where);
    const marked = new Set(taken.map(({ name }) => name));
    // The same name again while the first is still being handed over: it waits until the first is out of the way.
    const ready = waiting.filter((file) => unchanged(before.get(file.name), file) && !marked.has(file.name));
    before = new Map(waiting.map((file) => [file.name, file]));
    yield* takeAll(inbox, ready, signal);
    await sleep(clock, settings.PollSeconds * 1000, signal).catch(() => {});
  }
}

function unchanged(before: Seen | undefined, now: Seen): boolean {
  return before?.size === now.size && before.changedAt === now.changedAt;
}

/** What was taken by an earlier run and not brought to its end. */
async function* leftovers(inbox: Inbox, where: Look, signal: AbortSignal): AsyncGenerator<InboundMessage> {
  const { numbers, context } = inbox;
  const { taken } = await look(where);
  await numbers.add(taken.map(({ name }) => name).filter((name) => !numbers.has(name)));
  const there = new Set(taken.map(({ name }) => name));
  const names = [...new Set([...numbers.names(), ...there])];
  const states = await context.driverState.statesOf(names.map((name) => numbers.keyOf(name)));
  for (const name of names) {
    if (signal.aborted) return;
    const key = numbers.keyOf(name);
    const state = states.get(key);
    // Acknowledged and moved away already, only the journal does not know yet: the confirm has nothing left to move.
    if (!there.has(name) && state !== 'acknowledged') {
      numbers.done(name);
      continue;
    }
    const inboundMessage = await inboundMessageOf(inbox, name, key, state);
    if (inboundMessage) yield inboundMessage;
  }
}

async function* takeAll(inbox: Inbox, files: readonly Seen[], signal: AbortSignal): AsyncGenerator<InboundMessage> {
  const { numbers, folders, context } = inbox;
  for (let at = 0; at < files.length; at += BATCH) {
    const batch = files.slice(at, at + BATCH);
    await numbers.add(batch.map(({ name }) => name));
    for (const { name } of batch) {
      if (signal.aborted) return;
      const path = join(folders.folder, name);
      try {
        await rename(path, path + TAKEN);
      } catch (error) {
        // Gone again, or held open by its writer: the next look tells.
        if (codeOf(error) !== 'ENOENT')
          context.log.warn({ file: path }, `cannot take the file yet: ${messageOf(error)}`);
        continue;
      }
      const inboundMessage = await inboundMessageOf(inbox, name, numbers.keyOf(name), undefined);
      if (inboundMessage) yield inboundMessage;
    }
  }
}

/** Undefined when there is nothing to hand over. */
async function inboundMessageOf(
  inbox: Inbox,
  name: string,
  key: string,
  state: InboundState | undefined,
): Promise<InboundMessage | undefined> {
  const { folders, context } = inbox;
  const path = join(folders.folder, name) + TAKEN;
  if (state === 'quarantined') {
    await refuse(path, folders.refused, name, 'it is in quarantine');
    return undefined;
  }
  const known = state === 'acknowledged' || state === 'confirmed' || state === 'skipped';
  const content = known ? null : await contentOf(inbox, path, name);
  const { AfterReceive, MaxMessageBytes } = context.settings;
  const confirm = async () => {
    if (AfterReceive === 'Move' || (await sizeOf(path)) > MaxMessageBytes)
      await moveInto(path, folders.done, basename(name));
    else await unlink(path).catch(ignoreGone);
    inbox.numbers.done(name);
  };
  if (state === 'confirmed' || state === 'skipped') {
    await confirm();
    return undefined;
  }
  return {
    key,
    fingerprint: '',
    content,
    bytes: content?.raw.length ?? 0,
    confirm,
    reject: async (reason) => {
      await refuse(path, folders.refused, name, reason);
      inbox.numbers.done(name);
    },
  };
}

async function contentOf({ context, folders }: Inbox, path: string, name: string): Promise<RawMail> {
  const { MaxMessageBytes } = context.settings;
  const receivedAt = context.clock.now();
  const { raw, size } = await readUpTo(path, MaxMessageBytes + 1);
  if (size <= MaxMessageBytes) return { kind: 'mail', raw, receivedAt };
  const reason = `the file is larger than MaxMessageBytes (${MaxMessageBytes}); the whole is kept as ${basename(name)} in ${folders.done}`;
  return { kind: 'mail', raw: Buffer.from(raw.subarray(0, BEGINNING)), receivedAt, cut: { size, reason } };
}

async function refuse(path: string, folder: string, name: string, reason: string): Promise<void> {
  const target = await moveInto(path, folder, basename(name));
  if (target) await writeFile(join(dirname(target), `${basename(target)}.reason.txt`), `${reason}\n`).catch(() => {});
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    ignoreGone(error);
    return 0;
  }
}

function ignoreGone(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error;
}
