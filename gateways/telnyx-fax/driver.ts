import type { ComposedFax, Driver, FaxDocument } from '../../src/driver/contract.js';
import { faxRulesOf, reportToOf } from '../../src/driver/shared/fax-settings.js';
import { httpDestination } from '../../src/driver/shared/http-client.js';
import { linkDaysOf } from '../../src/driver/shared/link-settings.js';
import { HOME } from './api.js';
import { check } from './check.js';
import { lookup } from './lookup.js';
import { receive } from './poll.js';
import { webhook } from './push.js';
import { send } from './send.js';
import { openSession, type Session } from './session.js';
import { type Settings, settings } from './settings.js';

/** A send spends nearly all of its time waiting for its call to end, so many run at once. */
const CONCURRENCY = 20;

export const telnyxFax: Driver<Settings, Session, FaxDocument, ComposedFax> = {
  device: 'TelnyxFax',
  channel: 'Fax',
  summary:
    'Receives and sends faxes through Telnyx, without a modem or a line of your own; reports how each call ended.',
  settings,
  open: openSession,
  close: (session) => session.close(),
  check,
  linkDays: linkDaysOf,
  receive,
  send,
  lookup,
  webhook,
  faxRules: (settings) => faxRulesOf(settings, 'pdf'),
  sender: ({ Number: number }) => ({ address: number }),
  concurrency: () => CONCURRENCY,
  destinations: ({ BaseUrl }) => [httpDestination(BaseUrl ?? HOME, ['ApiKey'])],
  reportTo: reportToOf,
};
