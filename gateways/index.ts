// The drivers, one line each, loaded when a gateway of the kind first appears. Removing a driver is removing
// its folder and its line.
import type { AnyDriver } from '../src/driver/contract.js';

const lines = {
  ImapHost: async () => (await import('./imap/driver.js')).imapHost,
  SmtpHost: async () => (await import('./smtp/driver.js')).smtpHost,
  GraphMail: async () => (await import('./graph-mail/driver.js')).graphMail,
  SmtpListener: async () => (await import('./smtp-listener/driver.js')).smtpListener,
  DropFolder: async () => (await import('./drop-folder/driver.js')).dropFolder,
  HttpSms: async () => (await import('./http-sms/driver.js')).httpSms,
  Twilio: async () => (await import('./twilio/driver.js')).twilio,
  Smpp: async () => (await import('./smpp/driver.js')).smpp,
  FaxMail: async () => (await import('./fax-mail/driver.js')).faxMail(await mailDrivers()),
  TelnyxFax: async () => (await import('./telnyx-fax/driver.js')).telnyxFax,
  HylaFax: async () => (await import('./hylafax/driver.js')).hylaFax,
} satisfies Record<string, () => Promise<AnyDriver>>;

/** The device type words as they are written in the documentation. */
export const deviceWords: readonly string[] = Object.keys(lines);

/** The drivers by device type word in lower case, because the words are matched in any capitals. */
export const drivers: Readonly<Record<string, () => Promise<AnyDriver>>> = Object.fromEntries(
  Object.entries(lines).map(([word, load]) => [word.toLowerCase(), load]),
);

/** A fax service by mail is built on these two; where one is removed, that direction of it is gone and nothing else. */
async function mailDrivers() {
  return { mailbox: await drivers.imaphost?.(), relay: await drivers.smtphost?.() };
}
