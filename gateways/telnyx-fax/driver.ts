// Owns the TelnyxFax driver: faxes by way of Telnyx, in by looking and by being pushed, out with the end of the call where
// it comes in time.
import type { ComposedFax, Driver, FaxDocument } from '../../src/driver/contract.js';
import { faxRulesOf, reportToOf } from '../../src/driver/shared/fax-settings.js';
import { check } from './check.js';
import { receive } from './poll.js';
import { webhook } from './push.js';
import { lookup, send } from './send.js';
import { openSession, type Session } from './session.js';
import { type Settings, settings } from './settings.js';

/** A send request spends nearly all of its time waiting for its call to end, so many are under way at once. */
const AT_ONCE = 20;

export const telnyxFax: Driver<Settings, Session, FaxDocument, ComposedFax> = {
  device: 'TelnyxFax',
  channel: 'Fax',
  summary: 'Receives and sends faxes through Telnyx, without a modem or a line of your own; tells how each call ended.',
  settings,
  open: openSession,
  close: (session) => session.close(),
  check,
  receive,
  send,
  lookup,
  webhook,
  faxRules: (settings) => faxRulesOf(settings, 'pdf'),
  sender: ({ Number: number }) => ({ address: number }),
  concurrency: () => AT_ONCE,
  reportTo: reportToOf,
};
