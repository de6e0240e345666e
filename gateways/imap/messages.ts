// The inbound messages of a mailbox, and what confirming and rejecting one does to its mail.
import type { InboundMessage, RawMail } from '../../src/driver/contract.js';
import { mailboxOf } from '../../src/driver/shared/oauth/sign-in.js';
import { fingerprintOf, keyOf, messageIdOf } from './identity.js';
import type { Download } from './mailbox.js';
import type { Action } from './mailbox-changes.js';
import type { Session } from './session.js';
import type { Settings } from './settings.js';

/** For a mail that the contact center has acknowledged already: only the confirm is missing. */
export function acknowledgedMessage(session: Session, uid: number, size: number | undefined): InboundMessage {
  return {
    ...answers(session, uid, size),
    key: keyOf(session.mailboxRef, uid),
    fingerprint: '',
    content: null,
    bytes: 0,
  };
}

export function fetchedMessage(session: Session, mail: Download, cut: boolean): InboundMessage {
  const { facts, raw } = mail;
  return {
    ...answers(session, facts.uid, facts.size),
    key: keyOf(session.mailboxRef, facts.uid),
    fingerprint: fingerprintOf({ ...facts, messageId: messageIdOf(raw), start: raw }),
    content: contentOf(session, mail, cut),
    bytes: raw.byteLength,
  };
}

function answers(session: Session, uid: number, size: number | undefined): Pick<InboundMessage, 'confirm' | 'reject'> {
  return {
    confirm: () => confirm(session, uid, size),
    reject: (reason) => reject(session, uid, reason),
  };
}

async function confirm(session: Session, uid: number, size: number | undefined): Promise<void> {
  const action = afterReceive(session.context.settings, size);
  try {
    if (action) await session.acks.apply(uid, action);
    else if (session.connection.down) throw session.connection.down;
  } catch (error) {
    session.mails.set(uid, 'failed');
    throw error;
  }
  session.mails.set(uid, 'done');
}

/** Undefined: nothing is to be done. An unknown size counts as too large, because deleting cannot be undone. */
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

async function reject(session: Session, uid: number, reason: string): Promise<void> {
  const { RefuseTo } = session.context.settings;
  await session.acks.apply(uid, RefuseTo ? { do: 'move', to: RefuseTo } : { do: 'flag', flags: ['\\Flagged'] });
  if (RefuseTo) session.mails.delete(uid);
  else session.mails.set(uid, 'rejected');
  const done = RefuseTo ? `moved to "${RefuseTo}"` : 'flagged';
  session.context.log.info({ message_key: keyOf(session.mailboxRef, uid), reason, done }, 'mail rejected');
}

/** A mail found in quarantine: it stays, or its interrupted move to RefuseTo is finished in the background. */
export function trackRejected(session: Session, uid: number): void {
  session.mails.set(uid, 'rejected');
  if (!session.context.settings.RefuseTo) return;
  reject(session, uid, 'it is in quarantine').catch((err) =>
    session.context.log.warn({ message_key: keyOf(session.mailboxRef, uid), err }, 'rejected mail not moved'),
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
  const flagged = settings.AfterReceive === 'Delete' ? ' and is not deleted but flagged' : '';
  return `The mail has ${size} bytes, more than the limit of ${limit} (MaxMessageBytes), so only its beginning was received; the whole mail stays in the mailbox of ${mailboxOf(settings)}, ${where}${flagged}.`;
}
