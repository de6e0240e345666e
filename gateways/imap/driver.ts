// ImapHost: an IMAP mailbox whose mails are received. It does not send.

import type { Driver } from '../../src/driver/contract.js';
import { linkDaysOf } from '../../src/driver/shared/link-settings.js';
import { accountDestinations } from '../../src/driver/shared/oauth/sign-in.js';
import { check } from './check.js';
import { receive } from './fetch-loop.js';
import { closeSession, openSession } from './open.js';
import type { Session } from './session.js';
import { type Settings, settings } from './settings.js';

export const imapHost: Driver<Settings, Session> = {
  device: 'ImapHost',
  channel: 'Email',
  summary: 'Receives the mails of a folder on an IMAP server, announced at once where the server can.',
  settings,
  open: openSession,
  close: closeSession,
  check,
  linkDays: linkDaysOf,
  receive,
  oauthPurpose: 'Imap',
  destinations: (given) =>
    accountDestinations(given, given.Host, given.Security !== 'None' && !given.AllowUntrustedCertificate),
};
