// Owns what one opened mailbox is: its connection, its place, what is known of its mails, and how it is opened.
import type { MailboxObject } from 'imapflow';
import { GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import type { Doubt } from './doubts.js';
import { address } from './explain.js';
import { mailboxName, type Place } from './identity.js';
import { type AskOptions, dial, type Link } from './link.js';
import type { Settings } from './settings.js';
import { type Settler, settler } from './settler.js';

/**
 * A mail that was listed and is not settled yet:
 * offered -> done      the flow's confirm went through; settled once the journal says so, too
 *         -> failed    the confirm did not go through; offered again without content at the next look
 *         -> aside     it is in quarantine and stays in the folder; a person may release it
 *         -> stuck     the server does not hand it out; tried again after a while
 */
export type Pending = 'offered' | 'done' | 'failed' | 'aside' | 'stuck';

export interface Session {
  readonly context: GatewayContext<Settings>;
  readonly link: Link;
  readonly place: Place;
  readonly settler: Settler;
  /** By UID. */
  readonly pending: Map<number, Pending>;
  /** Mails that the server may be unable to hand out, by UID. */
  readonly doubts: Map<number, Doubt>;
  /** Everything up to this UID was listed. */
  cursor: number;
  /** False once the server has turned out not to do IDLE. */
  idles: boolean;
  /** When the folder was selected last, monotonic ms. */
  selectedAt: number;
}

export async function openSession(context: GatewayContext<Settings>): Promise<Session> {
  const { settings, clock } = context;
  warnOfOpenDoors(context);
  const link = await dial(context);
  try {
    const mailbox = await selectFolder(link, settings);
    const place = placeOf(settings, mailbox);
    requireRights(settings, mailbox);
    for (const name of ['MoveTo', 'RefuseTo'] as const) await requireFolder(link, settings, name);
    const pending = new Map<number, Pending>();
    const doubts = new Map<number, Doubt>();
    const idles = settings.Idle && link.has('IDLE');
    const session = { context, link, place, pending, doubts, cursor: 0, idles, selectedAt: clock.monotonic() };
    return { ...session, settler: settler(context, link) };
  } catch (error) {
    await link.close();
    throw error;
  }
}

export async function closeSession({ link, settler }: Session): Promise<void> {
  await link.close(() => settler.close());
}

function warnOfOpenDoors({ settings, log }: GatewayContext<Settings>): void {
  if (settings.Security === 'None')
    log.warn(
      { host: settings.Host },
      'Security is "None": password and mail travel readable for everybody on the line',
    );
  else if (settings.AllowUntrustedCertificate)
    log.warn(
      { host: settings.Host },
      'AllowUntrustedCertificate is on: anybody on the line can pose as the mail server',
    );
}

export function placeOf(settings: Settings, { path, uidValidity }: MailboxObject): Place {
  if (!uidValidity)
    throw new GatepostError(
      'gateway/failed',
      `${address(settings)} gives "${path}" no UIDVALIDITY, so its mails have no lasting numbers`,
      {
        advice: 'This mail server cannot be used without losing or repeating mail.',
      },
    );
  return { user: settings.User, folder: path, uidValidity: uidValidity.toString() };
}

export async function selectFolder(
  link: Link,
  settings: Settings,
  { readOnly = false, ...options }: AskOptions & { readOnly?: boolean } = {},
): Promise<MailboxObject> {
  try {
    return await link.ask('opening the folder', () => link.client.mailboxOpen(settings.Folder, { readOnly }), options);
  } catch (error) {
    if (link.down) throw error;
    throw await folderMissing(link, settings, 'Folder', error);
  }
}

export async function requireFolder(link: Link, settings: Settings, name: 'MoveTo' | 'RefuseTo'): Promise<void> {
  const path = settings[name];
  if (path === undefined) return;
  try {
    await link.demand(`looking at "${path}"`, () => link.client.status(path, { messages: true }));
  } catch (error) {
    if (link.down) throw error;
    throw await folderMissing(link, settings, name, error);
  }
}

async function folderMissing(
  link: Link,
  settings: Settings,
  name: 'Folder' | 'MoveTo' | 'RefuseTo',
  cause: unknown,
): Promise<GatepostError> {
  const path = settings[name] ?? '';
  const folders = await link.ask('listing the folders', () => link.client.list());
  const paths = folders.map((folder) => folder.path);
  const there = paths.includes(path);
  const message = there
    ? `the folder "${path}" (${name}) of "${settings.User}" cannot be opened`
    : `there is no folder "${path}" (${name}) in the mailbox of "${settings.User}"`;
  const advice = there
    ? 'Check the rights of the user on it.'
    : `Create it, or name an existing one: ${near(path, paths)}.`;
  return new GatepostError('gateway/folder-missing', message, { advice, cause });
}

/** Enough to find the right one, few enough to read. */
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
  throw new GatepostError('gateway/read-only', `the folder "${mailbox.path}" of "${settings.User}" ${problem}`, {
    advice: `Give the user the right to change it, or use AfterReceive "Keep" in place of "${settings.AfterReceive}".`,
  });
}

function missingRight(settings: Settings, { readOnly, permanentFlags }: MailboxObject): string | undefined {
  if (readOnly) return 'is read-only';
  const flag = settings.AfterReceive === 'Seen' ? '\\Seen' : '\\Deleted';
  const may = !permanentFlags || permanentFlags.has(flag) || permanentFlags.has('\\*');
  return may ? undefined : `does not let the flag ${flag} be set`;
}

/** The name under which the driver's note about this mailbox is kept. */
export function noteName(place: Place): string {
  return `mailbox ${mailboxName(place)}`;
}
