// Owns what happens before the first mail is offered: the very first start on a mailbox, and a mailbox that was
// renumbered (new UIDVALIDITY, RFC 3501, 2.3.1.1), whose mails are recognized by their fingerprints.
import type { InboundState } from '../../src/driver/contract.js';
import { keyOf, mailboxName, pages, readKey } from './identity.js';
import { listUids, readFingerprints } from './mailbox.js';
import { type Note, readNote, writeNote } from './note.js';
import type { Session } from './session.js';
import { sinceOf } from './settings.js';

/** Mails that are asked about at a time. */
const PAGE = 500;

/** Leaves a note with the present UIDVALIDITY, everything not wanted recorded as ignored, everything known under its present key. */
export async function prepare(session: Session, signal: AbortSignal): Promise<Note> {
  const note = await readNote(session);
  const unfinished = note !== undefined && note.sortedTo < note.boundary;
  if (note && note.uidValidity === session.place.uidValidity) return unfinished ? sortOld(session, note, signal) : note;
  if (note && !unfinished) return rematch(session, note, signal);
  return firstStart(session, signal);
}

/** The boundary is noted before anything else, so that a crash in between cannot make newer mail look old. */
async function firstStart(session: Session, signal: AbortSignal): Promise<Note> {
  const { context, place } = session;
  const everything = sinceOf(context.settings) === Number.NEGATIVE_INFINITY;
  const uids = everything ? [] : await listUids(session, 1, signal);
  const note: Note = {
    uidValidity: place.uidValidity,
    startedAt: context.clock.now(),
    boundary: uids.at(-1) ?? 0,
    sortedTo: 0,
    watermark: 0,
    aside: [],
    messages: exists(session),
  };
  await writeNote(session, note);
  return sortOld(session, note, signal);
}

async function sortOld(session: Session, note: Note, signal: AbortSignal): Promise<Note> {
  const { context } = session;
  const since = sinceOf(context.settings);
  let current = note;
  let ignored = 0;
  const old = current.sortedTo < current.boundary ? await listUids(session, current.sortedTo + 1, signal) : [];
  const upTo = old.filter((uid) => uid <= note.boundary);
  for (const page of pages(upTo, PAGE)) {
    const found = await readFingerprints(session, page, signal);
    const unwanted = found.filter(({ at }) => at < since);
    await context.driverState.skip(
      unwanted.map(({ uid, fingerprint }) => ({ key: keyOf(session.place, uid), fingerprint })),
    );
    ignored += unwanted.length;
    current = { ...current, sortedTo: page.at(-1) ?? current.sortedTo };
    await writeNote(session, current);
  }
  // With Now everything below the boundary is settled; with a date some of it is wanted and still has to be looked at.
  const watermark = since === Number.POSITIVE_INFINITY ? current.boundary : current.watermark;
  current = { ...current, sortedTo: current.boundary, watermark };
  await writeNote(session, current);
  context.log.info(
    { folder: session.place.folder, since: context.settings.Since, ignored, wanted: upTo.length - ignored },
    `first start on this mailbox: ${ignored} older mails are left alone`,
  );
  return current;
}

/** Known mails get their new keys; the others are new and will be received. */
async function rematch(session: Session, before: Note, signal: AbortSignal): Promise<Note> {
  const { context, place } = session;
  let matched = 0;
  let fresh = 0;
  for (const page of pages(await listUids(session, 1, signal), PAGE)) {
    const result = await rematchPage(session, before, page, signal);
    matched += result.matched;
    fresh += result.fresh;
  }
  const fromNow = { uidValidity: place.uidValidity, boundary: 0, sortedTo: 0, watermark: 0, aside: [] };
  const note: Note = { ...before, ...fromNow, messages: exists(session) };
  await writeNote(session, note);
  const gone = Math.max(0, before.messages - matched);
  context.log.info(
    { folder: place.folder, from: before.uidValidity, to: place.uidValidity, matched, new: fresh, gone },
    `UIDVALIDITY changed: ${matched} mails matched again by fingerprint, ${fresh} new, ${gone} gone`,
  );
  return note;
}

async function rematchPage(session: Session, before: Note, uids: readonly number[], signal: AbortSignal) {
  const { driverState } = session.context;
  const found = await readFingerprints(session, uids, signal);
  // An interrupted rematch leaves some that have their new key already.
  const known = await driverState.statesOf(found.map(({ uid }) => keyOf(session.place, uid)));
  const open = found.filter(({ uid }) => !known.has(keyOf(session.place, uid)));
  const records = await driverState.byFingerprint([...new Set(open.map(({ fingerprint }) => fingerprint))]);
  const offers = candidates(session, before, records);
  const changes: { from: string; to: string }[] = [];
  for (const { uid, fingerprint } of open) {
    // Each record is used once: of two mails with equal fingerprints, both are accounted for.
    const from = offers.get(fingerprint)?.shift();
    if (from) changes.push({ from, to: keyOf(session.place, uid) });
  }
  await driverState.rekey(changes);
  return { matched: changes.length + known.size, fresh: open.length - changes.length };
}

/** When fewer mails are left than there are records, the unsettled ones go first: nothing is skipped. */
const SEND_REQUEST: readonly InboundState[] = ['pending', 'acknowledged', 'quarantined', 'confirmed', 'skipped'];

function candidates(
  { place }: Session,
  before: Note,
  records: readonly { fingerprint: string; key: string; state: InboundState }[],
): Map<string, string[]> {
  const mailbox = mailboxName(place);
  const usable = records.flatMap((record) => {
    const key = readKey(record.key);
    const old = key && key.mailbox === mailbox && key.uidValidity !== place.uidValidity;
    return old ? [{ ...record, ...key, latest: key.uidValidity === before.uidValidity ? 0 : 1 }] : [];
  });
  usable.sort(
    (a, b) => a.latest - b.latest || SEND_REQUEST.indexOf(a.state) - SEND_REQUEST.indexOf(b.state) || a.uid - b.uid,
  );
  const offers = new Map<string, string[]>();
  for (const { fingerprint, key } of usable) {
    const list = offers.get(fingerprint);
    if (list) list.push(key);
    else offers.set(fingerprint, [key]);
  }
  return offers;
}

function exists({ link }: Session): number {
  return link.client.mailbox === false ? 0 : link.client.mailbox.exists;
}
