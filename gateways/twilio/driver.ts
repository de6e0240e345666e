import type { ComposedText, Driver, TextMessage } from '../../src/driver/contract.js';
import { httpDestination } from '../../src/driver/shared/http-client.js';
import { linkDaysOf } from '../../src/driver/shared/link-settings.js';
import { textRulesOf } from '../../src/driver/shared/text-settings.js';
import { check } from './check.js';
import { receive } from './poll.js';
import { webhook } from './push.js';
import { lookup, send } from './send.js';
import { openSession, type Session } from './session.js';
import { type Settings, settings } from './settings.js';

/** A send spends nearly all of its time waiting for the carrier, so many run at once. */
const CONCURRENCY = 50;

export const twilio: Driver<Settings, Session, TextMessage, ComposedText> = {
  device: 'Twilio',
  channel: 'SMS',
  summary: "Receives and sends text messages through Twilio; reports the carrier's delivery states.",
  settings,
  open: openSession,
  close: (session) => session.close(),
  check,
  linkDays: linkDaysOf,
  receive,
  send,
  lookup,
  webhook,
  textRules: (settings) => textRulesOf(settings, settings.Number),
  sender: ({ Number: number }) => ({ address: number }),
  concurrency: () => CONCURRENCY,
  destinations: ({ BaseUrl }) => [
    httpDestination(BaseUrl ?? 'https://api.twilio.com', ['AuthToken', 'ApiSecret', 'ApiKey']),
  ],
};
