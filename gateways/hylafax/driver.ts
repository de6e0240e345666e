import type { ComposedFax, Driver, FaxDocument } from '../../src/driver/contract.js';
import { faxRulesOf, reportToOf } from '../../src/driver/shared/fax-settings.js';
import { linkDaysOf } from '../../src/driver/shared/link-settings.js';
import { check } from './check.js';
import { receive } from './receive.js';
import { lookup, send } from './send.js';
import { openSession, type Session } from './session.js';
import { type Settings, settings } from './settings.js';

/** A send request spends nearly all of its time waiting for its call. */
const AT_ONCE = 50;

export const hylaFax: Driver<Settings, Session, FaxDocument, ComposedFax> = {
  device: 'HylaFax',
  channel: 'Fax',
  summary: 'Sends and receives faxes through a HylaFAX server; follows each call to its end.',
  settings,
  open: openSession,
  close: (session) => session.close(),
  check,
  linkDays: linkDaysOf,
  receive,
  send,
  lookup,
  faxRules: (settings) => faxRulesOf(settings, 'tiff'),
  reportTo: reportToOf,
  sender: ({ StationId }) => ({ address: StationId }),
  concurrency: () => AT_ONCE,
  // The protocol of HylaFAX knows no encryption.
  destinations: ({ Host }) => [{ host: Host, isProtected: false, secrets: ['Password', 'AdminPassword'] }],
};
