// Owns SmtpListener: takes mail by SMTP on a port of its own. The client gets its 250 only after the server's ack, so
// until then the mail is the client's; what cannot be taken now is answered 451 and comes again.
import type { Driver, GatewayContext } from '../../src/driver/contract.js';
import { checkSteps } from './check.js';
import { type Intake, openIntake } from './intake.js';
import { type Listener, listen } from './server.js';
import { isLoopback, type SmtpListenerSettings, settings } from './settings.js';

export interface SmtpListenerSession {
  readonly intake: Intake;
  readonly listener: Listener;
}

export const smtpListener: Driver<SmtpListenerSettings, SmtpListenerSession> = {
  device: 'SmtpListener',
  channel: 'Email',
  summary: 'Takes mail by SMTP on a port of its own and answers 250 only after the contact center has it.',
  settings,
  open,
  close: ({ listener }) => listener.close(),
  check: checkSteps,
  receive: ({ intake }, signal) => intake.inboundMessages(signal),
};

async function open(context: GatewayContext<SmtpListenerSettings>): Promise<SmtpListenerSession> {
  const { settings, clock, driverState, log } = context;
  if (!isLoopback(settings.Host) && settings.Recipients.length === 0 && !settings.User)
    log.warn({ host: settings.Host }, 'takes mail from everywhere for everybody: set Recipients, or User and Password');
  const intake = openIntake(clock, driverState, settings.AckSeconds * 1000);
  return { intake, listener: await listen(context, intake) };
}
