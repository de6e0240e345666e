// Receives dropped files. The states of a file:
//   new        a plain file is always a new drop, also one whose name and content were there before. Found unchanged in two
//              scans, it gets a number (stored), is renamed to name.$$$ -> claimed
//   claimed    its message is offered under the key name#number -> confirmed, rejected; after a crash it is offered again
//   confirmed  moved to MoveTo, or deleted
//   rejected   moved to RefuseTo, with the reason beside it
import { rename, stat, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  codeOf,
  type GatewayContext,
  type InboundMessage,
  type InboundState,
  type RawMail,
  messageOf as sentenceOf,
  sleep,
} from '../../src/driver/contract.js';
import { type Claims, openClaims } from './claims.js';
import { CLAIMED, type FoundFile, moveInto, readUpTo, type Scan, scan } from './files.js';
import type { Folders } from './folders.js';
import type { DropFolderSettings } from './settings.js';

/** Bytes of a file over MaxMessageBytes that are received: the header, and text enough to recognize the mail. */
const BEGINNING = 256 * 1024;
/** Files that get their numbers together, in one write to the journal. */
const BATCH = 50;

interface Inbox {
  readonly context: GatewayContext<DropFolderSettings>;
  readonly folders: Folders;
  readonly claims: Claims;
}

export async function* receive(
  context: GatewayContext<DropFolderSettings>,
  folders: Folders,
  signal: AbortSignal,
): AsyncGenerator<InboundMessage> {
  const { settings, clock, driverState } = context;
  const inbox: Inbox = { context, folders, claims: await openClaims(driverState) };
  const where: Scan = {
    folder: folders.folder,
    subfolders: settings.IncludeSubfolders,
    extension: settings.Extension,
    except: [folders.done, folders.rejected],
  };
  yield* resumeClaimed(inbox, where, signal);
  let before = new Map<string, FoundFile>();
  // Bounded by the files in the folder.
  const warned = new Set<string>();
  while (!signal.aborted) {
    const { fresh, claimed } = await scan(where);
    const claimedNames = new Set(claimed.map(({ name }) => name));
    // A new file whose name is claimed waits until the claimed one is settled.
    const still = fresh.filter((file) => unchanged(before.get(file.name), file) && !claimedNames.has(file.name));
    const ready = still.filter(({ otherNames }) => otherNames === 0);
    noteLinked(context, still, warned);
    before = new Map(fresh.map((file) => [file.name, file]));
    yield* claimAll(inbox, ready, signal);
    await sleep(clock, settings.PollSeconds * 1000, signal).catch(() => {});
  }
}

/** Says once per file why it stays where it is. */
function noteLinked(
  { log }: GatewayContext<DropFolderSettings>,
  found: readonly FoundFile[],
  warned: Set<string>,
): void {
  const linked = new Set(found.filter(({ otherNames }) => otherNames > 0).map(({ name }) => name));
  for (const name of warned) if (!linked.has(name)) warned.delete(name);
  for (const name of linked) {
    if (warned.has(name)) continue;
    warned.add(name);
    log.warn({ file: name, reason: 'it has another name elsewhere (a hard link)' }, 'file is not received');
  }
}

function unchanged(before: FoundFile | undefined, now: FoundFile): boolean {
  return before?.size === now.size && before.changedAt === now.changedAt;
}

/** Files that an earlier run claimed and did not settle. */
async function* resumeClaimed(inbox: Inbox, where: Scan, signal: AbortSignal): AsyncGenerator<InboundMessage> {
  const { claims, context } = inbox;
  const { claimed } = await scan(where);
  await claims.add(claimed.map(({ name }) => name).filter((name) => !claims.has(name)));
  const existing = new Set(claimed.map(({ name }) => name));
  const names = [...new Set([...claims.names(), ...existing])];
  const states = await context.driverState.statesOf(names.map((name) => claims.keyOf(name)));
  for (const name of names) {
    if (signal.aborted) return;
    const key = claims.keyOf(name);
    const state = states.get(key);
    // An acknowledged file that is gone was moved, but the journal has no record of it: its confirmation makes the record.
    if (!existing.has(name) && state !== 'acknowledged') {
      claims.settle(name);
      continue;
    }
    const message = await messageOf(inbox, name, key, state);
    if (message) yield message;
  }
}

async function* claimAll(
  inbox: Inbox,
  files: readonly FoundFile[],
  signal: AbortSignal,
): AsyncGenerator<InboundMessage> {
  const { claims, folders, context } = inbox;
  for (let at = 0; at < files.length; at += BATCH) {
    const batch = files.slice(at, at + BATCH);
    await claims.add(batch.map(({ name }) => name));
    for (const { name } of batch) {
      if (signal.aborted) return;
      const path = join(folders.folder, name);
      try {
        await rename(path, path + CLAIMED);
      } catch (err) {
        // Gone again, or in use by the program that writes it: the next scan decides.
        if (codeOf(err) !== 'ENOENT') context.log.warn({ file: path, err }, 'file cannot be claimed yet');
        continue;
      }
      const message = await messageOf(inbox, name, claims.keyOf(name), undefined);
      if (message) yield message;
    }
  }
}

/** Undefined when the journal has settled it already and only the file had to follow. */
async function messageOf(
  inbox: Inbox,
  name: string,
  key: string,
  state: InboundState | undefined,
): Promise<InboundMessage | undefined> {
  const { folders, context } = inbox;
  const path = join(folders.folder, name) + CLAIMED;
  if (state === 'quarantined') {
    await moveRejected(path, folders.rejected, name, 'it is in quarantine');
    return undefined;
  }
  const confirm = () => confirmFile(inbox, path, name);
  if (state === 'confirmed' || state === 'skipped') {
    await confirm();
    return undefined;
  }
  let content: RawMail | null = null;
  try {
    if (state !== 'acknowledged') content = await contentOf(context, folders, path, name);
  } catch (error) {
    if (codeOf(error) !== 'drop-folder/no-file') throw error;
    // It was a plain file when it was claimed: somebody exchanged it, and one such file must not stop the others.
    context.log.warn({ file: path, err: error }, 'file is not received');
    await moveRejected(path, folders.rejected, name, sentenceOf(error));
    inbox.claims.settle(name);
    return undefined;
  }
  return {
    key,
    fingerprint: '',
    content,
    bytes: content?.raw.length ?? 0,
    confirm,
    reject: async (reason) => {
      await moveRejected(path, folders.rejected, name, reason);
      inbox.claims.settle(name);
    },
  };
}

async function confirmFile({ context, folders, claims }: Inbox, path: string, name: string): Promise<void> {
  const { AfterReceive, MaxMessageBytes } = context.settings;
  if (AfterReceive === 'Move' || (await sizeOf(path)) > MaxMessageBytes)
    await moveInto(path, folders.done, basename(name));
  else await unlink(path).catch(ignoreGone);
  claims.settle(name);
}

async function contentOf(
  { settings, clock }: GatewayContext<DropFolderSettings>,
  folders: Folders,
  path: string,
  name: string,
): Promise<RawMail> {
  const { MaxMessageBytes } = settings;
  const receivedAt = clock.now();
  const { raw, size } = await readUpTo(path, MaxMessageBytes + 1);
  if (size <= MaxMessageBytes) return { kind: 'mail', raw, receivedAt };
  const reason = `the file is larger than MaxMessageBytes (${MaxMessageBytes}); the whole file is stored as ${basename(name)} in ${folders.done}`;
  return { kind: 'mail', raw: Buffer.from(raw.subarray(0, BEGINNING)), receivedAt, cut: { size, reason } };
}

async function moveRejected(path: string, folder: string, name: string, reason: string): Promise<void> {
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
