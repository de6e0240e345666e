// SmtpListener: accepts mail by SMTP on a port of its own. The client gets its 250 only after the server's acknowledgement;
// until then the mail is the client's. A mail that cannot be accepted now is answered 451, and the client sends it again.

import { join } from 'node:path';
import type { Driver, GatewayContext } from '../../src/driver/contract.js';
import { linkDaysOf } from '../../src/driver/shared/link-settings.js';
import { checkSteps } from './check.js';
import { type Listener, listen } from './server.js';
import { isLoopback, type SmtpListenerSettings, settings } from './settings.js';
import { openSpool, type Spool } from './spool-file.js';
import { openSubmissions, type Submissions } from './submissions.js';

export interface SmtpListenerSession {
  readonly submissions: Submissions;
  readonly spool: Spool;
  readonly listener: Listener;
}

export const smtpListener: Driver<SmtpListenerSettings, SmtpListenerSession> = {
  device: 'SmtpListener',
  channel: 'Email',
  summary: 'Accepts mail by SMTP on a port of its own and answers 250 only after the contact center has it.',
  settings,
  open,
  close: ({ listener }) => listener.close(),
  check: checkSteps,
  linkDays: linkDaysOf,
  receive: ({ submissions }, signal) => submissions.inboundMessages(signal),
};

async function open(context: GatewayContext<SmtpListenerSettings>): Promise<SmtpListenerSession> {
  const { settings, clock, driverState, log, dataDir } = context;
  if (!isLoopback(settings.Host) && settings.Recipients.length === 0 && !settings.User)
    log.warn(
      { host: settings.Host, next: 'set Recipients, or User and Password' },
      'listener accepts mail from every client',
    );
  const submissions = openSubmissions(clock, driverState, settings.AckSeconds * 1000);
  const spool = openSpool(join(dataDir, 'smtp-listener'));
  return { submissions, spool, listener: await listen(context, submissions, spool) };
}
