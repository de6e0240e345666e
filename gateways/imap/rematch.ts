// A mailbox that was renumbered (new UIDVALIDITY, RFC 3501, 2.3.1.1): its mails are recognized by their fingerprints and
// get their new keys. Mails that nothing is known of are new and will be received.
// When the initial sync had not finished, the unknown mails may also be old ones that it had not recorded yet. Those are
// skipped when their INTERNALDATE is certainly before the first start; the others are received.
import type { InboundState } from '../../src/driver/contract.js';
import { type Checkpoint, writeCheckpoint } from './checkpoint.js';
import { keyOf, mailboxName, PAGE, pages, readKey } from './identity.js';
import { existing, type Fingerprinted, listUids, readFingerprints } from './mailbox.js';
import type { Session } from './session.js';
import { sinceOf } from './settings.js';

/** INTERNALDATE comes from the clock of the mail server, which may be wrong, even by its time zone. */
const CLOCK_TOLERANCE_MS = 24 * 3600_000;

export interface KnownMail {
  readonly fingerprint: string;
  readonly key: string;
  readonly state: InboundState;
}

export async function rematch(
  session: Session,
  before: Checkpoint,
  syncUnfinished: boolean,
  signal: AbortSignal,
): Promise<Checkpoint> {
  const { context, mailboxRef } = session;
  const counts = { matched: 0, new: 0, skipped: 0 };
  for (const page of pages(await listUids(session, 1, signal), PAGE)) {
    const { matched, unknown } = await rematchPage(session, before, page, signal);
    const old = syncUnfinished ? unknown.filter(({ at }) => isOld(at, before, sinceOf(context.settings))) : [];
    await context.driverState.skip(old.map(({ uid, fingerprint }) => ({ key: keyOf(mailboxRef, uid), fingerprint })));
    counts.matched += matched;
    counts.new += unknown.length - old.length;
    counts.skipped += old.length;
  }
  const { uidValidity } = mailboxRef;
  const restart = { uidValidity, boundary: 0, sortedTo: 0, watermark: 0, rejected: [] };
  const checkpoint: Checkpoint = { ...before, ...restart, messages: existing(session) };
  await writeCheckpoint(session, checkpoint);
  const gone = syncUnfinished ? undefined : Math.max(0, before.messages - counts.matched);
  context.log.info(
    { folder: mailboxRef.folder, from: before.uidValidity, to: uidValidity, ...counts, gone },
    'UIDVALIDITY changed, mails matched by fingerprint',
  );
  return checkpoint;
}

/** True for a mail that was there before the first start and that `Since` does not want. False when that is not certain, and for a mail without a date. */
export function isOld(at: number, { startedAt }: Pick<Checkpoint, 'startedAt'>, since: number): boolean {
  return at > 0 && at < since && at < startedAt - CLOCK_TOLERANCE_MS;
}

async function rematchPage(
  session: Session,
  before: Checkpoint,
  uids: readonly number[],
  signal: AbortSignal,
): Promise<{ matched: number; unknown: Fingerprinted[] }> {
  const { driverState } = session.context;
  const found = await readFingerprints(session, uids, signal);
  // An interrupted rematch leaves some that have their new key already.
  const known = await driverState.statesOf(found.map(({ uid }) => keyOf(session.mailboxRef, uid)));
  const open = found.filter(({ uid }) => !known.has(keyOf(session.mailboxRef, uid)));
  const records = await driverState.byFingerprint([...new Set(open.map(({ fingerprint }) => fingerprint))]);
  const candidates = candidatesOf(session, before, records);
  const changes: { from: string; to: string }[] = [];
  const unknown: Fingerprinted[] = [];
  for (const mail of open) {
    // Each record is used once: of two mails with equal fingerprints, both are accounted for.
    const from = candidates.get(mail.fingerprint)?.shift();
    if (from) changes.push({ from, to: keyOf(session.mailboxRef, mail.uid) });
    else unknown.push(mail);
  }
  await driverState.rekey(changes);
  return { matched: changes.length + known.size, unknown };
}

/** When fewer mails are left than there are records, the unsettled ones go first: none of them is skipped. */
const UNSETTLED_FIRST: readonly InboundState[] = ['pending', 'acknowledged', 'quarantined', 'confirmed', 'skipped'];

function candidatesOf(
  { mailboxRef }: Session,
  before: Checkpoint,
  records: readonly KnownMail[],
): Map<string, string[]> {
  const mailbox = mailboxName(mailboxRef);
  const usable = records.flatMap((record) => {
    const key = readKey(record.key);
    const old = key && key.mailbox === mailbox && key.uidValidity !== mailboxRef.uidValidity;
    return old ? [{ ...record, ...key, latest: key.uidValidity === before.uidValidity ? 0 : 1 }] : [];
  });
  const rank = (state: InboundState) => UNSETTLED_FIRST.indexOf(state);
  usable.sort((a, b) => a.latest - b.latest || rank(a.state) - rank(b.state) || a.uid - b.uid);
  const candidates = new Map<string, string[]>();
  for (const { fingerprint, key } of usable) {
    const keys = candidates.get(fingerprint);
    if (keys) keys.push(key);
    else candidates.set(fingerprint, [key]);
  }
  return candidates;
}
