// What happens to a mailbox before its first mail is offered. The states of a mailbox, read from its checkpoint:
//   none        no checkpoint: the first start. Writes the boundary (the mails that are there now) -> skipping
//   skipping    mails below the boundary are recorded as skipped, unless `Since` wants them -> synced
//   synced      nothing to do
//   renumbered  another UIDVALIDITY (RFC 3501, 2.3.1.1) than the checkpoint: see rematch.ts -> synced
//   unreadable  the checkpoint cannot be parsed: everything that the journal does not know is received -> synced
// Every state survives a crash: the next start continues from the checkpoint. A mail of which that is not certain is received, not skipped.
import { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint.js';
import { keyOf, PAGE, pages } from './identity.js';
import { existing, listUids, readFingerprints } from './mailbox.js';
import { rematch } from './rematch.js';
import type { Session } from './session.js';
import { sinceOf } from './settings.js';

export type SyncState = 'none' | 'unreadable' | 'skipping' | 'synced' | 'renumbered';

export function syncStateOf(checkpoint: Checkpoint | 'unreadable' | undefined, uidValidity: string): SyncState {
  if (checkpoint === undefined) return 'none';
  if (checkpoint === 'unreadable') return 'unreadable';
  if (checkpoint.uidValidity !== uidValidity) return 'renumbered';
  return isUnfinished(checkpoint) ? 'skipping' : 'synced';
}

export function isUnfinished({ sortedTo, boundary }: Checkpoint): boolean {
  return sortedTo < boundary;
}

/** Resolves with the checkpoint of a synced mailbox. */
export async function initialSync(session: Session, signal: AbortSignal): Promise<Checkpoint> {
  const checkpoint = await readCheckpoint(session);
  if (checkpoint === undefined) return firstStart(session, signal);
  if (checkpoint === 'unreadable') return receiveUnknown(session);
  switch (syncStateOf(checkpoint, session.mailboxRef.uidValidity)) {
    case 'renumbered':
      return rematch(session, checkpoint, isUnfinished(checkpoint), signal);
    case 'skipping':
      return skipOld(session, checkpoint, signal);
    default:
      return checkpoint;
  }
}

/** The boundary is stored before anything else, so that a crash in between cannot make newer mail count as old. */
async function firstStart(session: Session, signal: AbortSignal): Promise<Checkpoint> {
  const everything = sinceOf(session.context.settings) === Number.NEGATIVE_INFINITY;
  const checkpoint = newCheckpoint(session, everything ? 0 : session.uidNext - 1);
  await writeCheckpoint(session, checkpoint);
  return skipOld(session, checkpoint, signal);
}

async function receiveUnknown(session: Session): Promise<Checkpoint> {
  const { context, mailboxRef } = session;
  const checkpoint = newCheckpoint(session, 0);
  await writeCheckpoint(session, checkpoint);
  context.log.error(
    { folder: mailboxRef.folder, next: 'mails that the journal does not know are received' },
    'mailbox checkpoint unreadable',
  );
  return checkpoint;
}

function newCheckpoint(session: Session, boundary: number): Checkpoint {
  return {
    uidValidity: session.mailboxRef.uidValidity,
    startedAt: session.context.clock.now(),
    boundary,
    sortedTo: 0,
    watermark: 0,
    rejected: [],
    messages: existing(session),
  };
}

async function skipOld(session: Session, start: Checkpoint, signal: AbortSignal): Promise<Checkpoint> {
  const { context, mailboxRef } = session;
  const since = sinceOf(context.settings);
  let checkpoint = start;
  let skipped = 0;
  const listed = isUnfinished(checkpoint) ? await listUids(session, checkpoint.sortedTo + 1, signal) : [];
  const old = listed.filter((uid) => uid <= start.boundary);
  for (const page of pages(old, PAGE)) {
    const unwanted = (await readFingerprints(session, page, signal)).filter(({ at }) => at < since);
    await context.driverState.skip(
      unwanted.map(({ uid, fingerprint }) => ({ key: keyOf(mailboxRef, uid), fingerprint })),
    );
    skipped += unwanted.length;
    checkpoint = { ...checkpoint, sortedTo: page.at(-1) ?? checkpoint.sortedTo };
    await writeCheckpoint(session, checkpoint);
  }
  // With Now everything below the boundary is settled; with a date some of those mails are wanted and still to be received.
  const watermark = since === Number.POSITIVE_INFINITY ? checkpoint.boundary : checkpoint.watermark;
  checkpoint = { ...checkpoint, sortedTo: checkpoint.boundary, watermark };
  await writeCheckpoint(session, checkpoint);
  context.log.info(
    { folder: mailboxRef.folder, since: context.settings.Since, skipped, wanted: old.length - skipped },
    'mailbox opened for the first time',
  );
  return checkpoint;
}
