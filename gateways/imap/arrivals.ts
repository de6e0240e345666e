// Owns what the flow gets to hold of a mail, and what its verdicts mean for the mailbox.
import { type InboundMessage, messageOf, type RawMail } from '../../src/driver/contract.js';
import { fingerprintOf, keyOf, messageIdOf } from './identity.js';
import type { Download } from './mailbox.js';
import type { Session } from './session.js';
import type { Settings } from './settings.js';
import type { Action } from './settler.js';

/** For a mail that the contact center has taken already, so that only the confirm is missing. */
export function knownInboundMessage(session: Session, uid: number, size: number | undefined): InboundMessage {
  return { ...verdicts(session, uid, size), key: keyOf(session.place, uid), fingerprint: '', content: null, bytes: 0 };
}

export function newInboundMessage(session: Session, mail: Download, cut: boolean): InboundMessage {
  const { facts, raw } = mail;
  return {
    ...verdicts(session, facts.uid, facts.size),
    key: keyOf(session.place, facts.uid),
    fingerprint: fingerprintOf({ ...facts, messageId: messageIdOf(raw), start: raw }),
    content: contentOf(session, mail, cut),
    bytes: raw.byteLength,
  };
}

function verdicts(session: Session, uid: number, size: number | undefined): Pick<InboundMessage, 'confirm' | 'reject'> {
  return {
    confirm: () => confirm(session, uid, size),
    reject: (reason) => refuse(session, uid, reason),
  };
}

async function confirm(session: Session, uid: number, size: number | undefined): Promise<void> {
  const action = afterReceive(session.context.settings, size);
  try {
    if (action) await session.settler.settle(uid, action);
    else if (session.link.down) throw session.link.down;
  } catch (error) {
    session.pending.set(uid, 'failed');
    throw error;
  }
  session.pending.set(uid, 'done');
}

/** Undefined: nothing is to be done. A size that nobody knows counts as too large, because deleting cannot be undone. */
function afterReceive(settings: Settings, size = Number.POSITIVE_INFINITY): Action | undefined {
  switch (settings.AfterReceive) {
    case 'Keep':
      return undefined;
    case 'Seen':
      return { do: 'flag', flags: ['\\Seen'] };
    case 'Move':
      return { do: 'move', to: settings.MoveTo ?? '' };
    case 'Delete':
      return size > settings.MaxMessageBytes ? { do: 'flag', flags: ['\\Seen', '\\Flagged'] } : { do: 'delete' };
  }
}

async function refuse(session: Session, uid: number, reason: string): Promise<void> {
  const { RefuseTo } = session.context.settings;
  await session.settler.settle(uid, RefuseTo ? { do: 'move', to: RefuseTo } : { do: 'flag', flags: ['\\Flagged'] });
  if (RefuseTo) session.pending.delete(uid);
  else session.pending.set(uid, 'aside');
  const where = RefuseTo ? `moved to "${RefuseTo}"` : 'flagged';
  session.context.log.info({ key: keyOf(session.place, uid), reason }, `a mail went to quarantine and was ${where}`);
}

/** A mail found in quarantine: it stays, or its move to RefuseTo is finished without anybody waiting for it. */
export function putAside(session: Session, uid: number): void {
  session.pending.set(uid, 'aside');
  if (!session.context.settings.RefuseTo) return;
  refuse(session, uid, 'it is in quarantine').catch((error) =>
    session.context.log.warn(
      { key: keyOf(session.place, uid), error: messageOf(error) },
      'a quarantined mail could not be moved',
    ),
  );
}

function contentOf({ context }: Session, { facts, raw }: Download, cut: boolean): RawMail {
  const content: RawMail = { kind: 'mail', raw, receivedAt: facts.at };
  if (!cut) return content;
  return { ...content, cut: { size: facts.size, reason: cutReason(context.settings, facts.size) } };
}

function cutReason(settings: Settings, size: number): string {
  const limit = settings.MaxMessageBytes;
  const where = settings.AfterReceive === 'Move' ? `folder "${settings.MoveTo}"` : `folder "${settings.Folder}"`;
  const kept = settings.AfterReceive === 'Delete' ? ' and is not deleted but flagged' : '';
  return `The mail has ${size} bytes, more than the limit of ${limit} (MaxMessageBytes), so only its beginning was taken; the whole stays in the mailbox of ${settings.User}, ${where}${kept}.`;
}
