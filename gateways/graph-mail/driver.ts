import type { Destination, Driver } from '../../src/driver/contract.js';
import { httpDestination } from '../../src/driver/shared/http-client.js';
import { linkDaysOf } from '../../src/driver/shared/link-settings.js';
import { tokenUrlOf } from '../../src/driver/shared/oauth/provider.js';
import { AT_A_TIME } from './api.js';
import { check } from './check.js';
import { receive } from './receive.js';
import { lookup, send } from './send.js';
import { openSession, type Session } from './session.js';
import { accountOf, HOME, type Settings, settings } from './settings.js';

export const graphMail: Driver<Settings, Session> = {
  device: 'GraphMail',
  channel: 'Email',
  summary:
    'Receives and sends mail of a Microsoft 365 mailbox through Microsoft Graph, without IMAP, SMTP or a password.',
  settings,
  open: openSession,
  close: (session) => session.close(),
  check,
  receive,
  send,
  lookup,
  linkDays: linkDaysOf,
  sender: ({ From, FromName }) => ({ address: From, name: FromName }),
  concurrency: () => AT_A_TIME,
  whenUncertain: ({ WhenUncertain }) => WhenUncertain,
  destinations,
};

const SECRETS = ['ClientSecret', 'Certificate'];

/** The token can be used for the mailbox, so a host that gets it and is not Microsoft's counts as a host of the secrets. */
function destinations(given: Settings): Destination[] {
  return [
    httpDestination(given.BaseUrl ?? HOME, given.BaseUrl === undefined ? [] : SECRETS),
    httpDestination(tokenUrlOf(accountOf(given)), SECRETS),
  ];
}
