import type { MailboxObject } from 'imapflow';
import { GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import { ackBatcher } from './ack-batcher.js';
import { connectImap } from './connection.js';
import { address } from './errors.js';
import { mailboxRefOf, requireFolder, requireRights, selectFolder } from './folders.js';
import type { Session } from './session.js';
import type { Settings } from './settings.js';
import { resumeTrouble } from './trouble.js';

export async function openSession(context: GatewayContext<Settings>): Promise<Session> {
  const { settings, clock } = context;
  warnOfUnprotectedConnection(context);
  const connection = await connectImap(context);
  try {
    const mailbox = await selectFolder(connection, settings);
    const mailboxRef = mailboxRefOf(settings, mailbox);
    requireRights(settings, mailbox);
    for (const name of ['MoveTo', 'RefuseTo'] as const) await requireFolder(connection, settings, name);
    resumeTrouble({ context });
    return {
      context,
      connection,
      mailboxRef,
      uidNext: uidNextOf(settings, mailbox),
      acks: ackBatcher(context, connection),
      mails: new Map(),
      suspects: new Map(),
      cursor: 0,
      usesIdle: settings.Idle && connection.has('IDLE'),
      uselessIdles: 0,
      selectedAt: clock.monotonic(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

export async function closeSession({ connection, acks }: Session): Promise<void> {
  await connection.close(() => acks.close());
}

/** Without it old and new mail cannot be distinguished at the first start. Every IMAP4rev1 server sends it (RFC 3501, 6.3.1). */
function uidNextOf(settings: Settings, { path, uidNext }: MailboxObject): number {
  if (uidNext > 0) return uidNext;
  throw new GatepostError('gateway/failed', `${address(settings)} gives "${path}" no UIDNEXT`, {
    advice: 'This mail server cannot be used without losing or repeating mail.',
  });
}

function warnOfUnprotectedConnection({ settings, log }: GatewayContext<Settings>): void {
  if (settings.Security === 'None')
    log.warn({ host: settings.Host, reason: 'Security is "None"' }, 'password and mail are sent unencrypted');
  else if (settings.AllowUntrustedCertificate)
    log.warn(
      { host: settings.Host, reason: 'AllowUntrustedCertificate is on' },
      'certificate of the server is not checked',
    );
}
