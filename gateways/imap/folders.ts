// Opening folders, and saying clearly what is wrong with them.
import type { MailboxObject } from 'imapflow';
import { GatepostError, messageOf } from '../../src/driver/contract.js';
import { mailboxOf } from '../../src/driver/shared/oauth/sign-in.js';
import type { AskOptions, Connection } from './connection.js';
import { address } from './errors.js';
import type { MailboxRef } from './identity.js';
import { isServersTrouble, Refused } from './refusals.js';
import type { Settings } from './settings.js';

export function mailboxRefOf(settings: Settings, { path, uidValidity }: MailboxObject): MailboxRef {
  if (uidValidity) return { user: mailboxOf(settings), folder: path, uidValidity: uidValidity.toString() };
  throw new GatepostError(
    'gateway/failed',
    `${address(settings)} gives "${path}" no UIDVALIDITY, so its UIDs may change at any time`,
    {
      advice: 'This mail server cannot be used without losing or repeating mail.',
    },
  );
}

export async function selectFolder(
  connection: Connection,
  settings: Settings,
  { readOnly = false, ...options }: AskOptions & { readOnly?: boolean } = {},
): Promise<MailboxObject> {
  try {
    return await connection.ask(
      'opening the folder',
      () => connection.client.mailboxOpen(settings.Folder, { readOnly }),
      options,
    );
  } catch (error) {
    if (connection.down) throw error;
    throw await folderMissing(connection, settings, 'Folder', error);
  }
}

export async function requireFolder(
  connection: Connection,
  settings: Settings,
  name: 'MoveTo' | 'RefuseTo',
): Promise<void> {
  const path = settings[name];
  if (path === undefined) return;
  try {
    await connection.demand(`the status of "${path}"`, () => connection.client.status(path, { messages: true }));
  } catch (error) {
    if (connection.down) throw error;
    throw await folderMissing(connection, settings, name, error);
  }
}

async function folderMissing(
  connection: Connection,
  settings: Settings,
  name: 'Folder' | 'MoveTo' | 'RefuseTo',
  cause: unknown,
): Promise<GatepostError> {
  const path = settings[name] ?? '';
  const answer = cause instanceof Refused ? cause.answer : undefined;
  // A server that is out of order may deny the list as well; then its words about the folder are what there is to show.
  const folders = await connection
    .ask('listing the folders', () => connection.client.list(), { tolerance: LIST_BYTES })
    .catch(() => undefined);
  if (connection.down) throw connection.down;
  const paths = folders?.map((folder) => folder.path) ?? [];
  if (folders && !paths.some((candidate) => isSameFolder(candidate, path))) {
    const message = `there is no folder "${path}" (${name}) in the mailbox of "${mailboxOf(settings)}"`;
    const advice = `Create it, or name an existing one: ${near(path, paths)}.`;
    return new GatepostError('gateway/folder-missing', message, { advice, cause });
  }
  const words = answer?.words ?? messageOf(cause);
  const message = `the folder "${path}" (${name}) of "${mailboxOf(settings)}" cannot be opened: ${words}`;
  const trouble = answer !== undefined && (answer.status === 'BAD' || isServersTrouble(answer));
  const advice = trouble
    ? 'This is the answer of the mail server, not about the rights of the user; Gatepost tries again.'
    : 'This is the answer of the mail server; check the rights of the user on the folder.';
  return new GatepostError(trouble ? 'gateway/unreachable' : 'gateway/folder-missing', message, { advice, cause });
}

/** INBOX is INBOX in any capitals (RFC 3501, 5.1). */
function isSameFolder(one: string, other: string): boolean {
  return one === other || (/^inbox$/i.test(one) && /^inbox$/i.test(other));
}

/** Some ten thousand folders. */
const LIST_BYTES = 4 * 1024 * 1024;
/** Folders named in an error. */
const NAMED_FOLDERS = 8;

/** The most frequent slip is a missing or wrong path before the right name, so those come first. */
function near(path: string, paths: readonly string[]): string {
  const last = (text: string) => text.toLowerCase().split(/[./]/).at(-1);
  const first = paths.filter((candidate) => last(candidate) === last(path));
  const others = paths.filter((candidate) => !first.includes(candidate));
  const named = [...first, ...others].slice(0, NAMED_FOLDERS).map((candidate) => `"${candidate}"`);
  return named.join(', ') + (paths.length > NAMED_FOLDERS ? ', ...' : '');
}

export function requireRights(settings: Settings, mailbox: MailboxObject): void {
  if (settings.AfterReceive === 'Keep') return;
  const problem = missingRight(settings, mailbox);
  if (!problem) return;
  throw new GatepostError('gateway/read-only', `the folder "${mailbox.path}" of "${mailboxOf(settings)}" ${problem}`, {
    advice: `Give the user the right to change it, or use AfterReceive "Keep" instead of "${settings.AfterReceive}".`,
  });
}

function missingRight(settings: Settings, { readOnly, permanentFlags }: MailboxObject): string | undefined {
  if (readOnly) return 'is read-only';
  const flag = settings.AfterReceive === 'Seen' ? '\\Seen' : '\\Deleted';
  const may = !permanentFlags || permanentFlags.has(flag) || permanentFlags.has('\\*');
  return may ? undefined : `does not let the flag ${flag} be set`;
}
