// What the listener answers to a connection, AUTH, MAIL, RCPT and DATA.
import type { SMTPServerOptions, SMTPServerSession } from 'smtp-server';
import type { GatewayContext } from '../../src/driver/contract.js';
import type { Addresses } from './addresses.js';
import type { Clients } from './clients.js';
import { envelopeOf, receiveData, submit } from './data.js';
import { logins } from './logins.js';
import { accepts } from './recipients.js';
import { FULL, reply, TOO_LARGE } from './replies.js';
import type { SmtpListenerSettings } from './settings.js';
import type { Spool } from './spool-file.js';
import type { Submissions } from './submissions.js';

/** Recipients per mail: the number that every server has to accept (RFC 5321 4.5.3.1.8). */
const MAX_RECIPIENTS = 100;
/** Refused recipients per connection, as Postfix's smtpd_hard_error_limit: more is somebody who tries names. */
const MAX_REFUSED = 20;

type Handlers = Required<
  Pick<SMTPServerOptions, 'onConnect' | 'onAuth' | 'onMailFrom' | 'onRcptTo' | 'onData' | 'onClose'>
>;

export interface HandlerParts {
  readonly addresses: Addresses;
  readonly clients: Clients;
  readonly spool: Spool;
  readonly submissions: Submissions;
  /** Sends a last reply and disconnects the client. */
  cut(session: Pick<SMTPServerSession, 'id'>, code: number, text: string): void;
}

export function handlers(context: GatewayContext<SmtpListenerSettings>, parts: HandlerParts): Handlers {
  const { clients } = parts;
  return {
    ...envelopeHandlers(context, parts),
    onAuth: logins(context, parts),
    onConnect(session, done) {
      const refusal = parts.addresses.refusal(session.remoteAddress);
      if (!refusal) {
        clients.of(session.id);
        return done();
      }
      context.inputRejected(refusal);
      done(reply(421, 'too many connections from your address, try again later'));
    },
    onData(stream, session, done) {
      const client = clients.of(session.id);
      const { settings } = context;
      const answer = async () => {
        clients.become(client, 'data');
        const mail = await receiveData(stream, envelopeOf(session), {
          settings,
          spool: parts.spool,
          sent: (bytes) => clients.sent(client, bytes),
          cut: () => parts.cut(session, 552, TOO_LARGE),
        });
        clients.become(client, 'processing');
        if (mail instanceof Error) return mail;
        return submit(mail, session, client.gone.signal, context, parts.submissions);
      };
      answer().then((result) => {
        clients.become(client, 'waiting');
        if (result instanceof Error) done(result);
        else done(null, result);
      }, done);
    },
    onClose: (session) => clients.remove(session.id),
  };
}

function envelopeHandlers(
  { settings, inputRejected, diskFull }: GatewayContext<SmtpListenerSettings>,
  { clients, cut }: HandlerParts,
): Pick<Handlers, 'onMailFrom' | 'onRcptTo'> {
  return {
    onMailFrom(_, session, done) {
      clients.become(clients.of(session.id), 'waiting');
      diskFull().then((full) => done(full ? reply(452, FULL) : null), done);
    },
    onRcptTo({ address }, session, done) {
      const client = clients.of(session.id);
      if (session.envelope.rcptTo.length >= MAX_RECIPIENTS) return done(reply(452, 'too many recipients'));
      if (accepts(settings.Recipients, address, settings.Name)) {
        clients.become(client, 'waiting');
        return done();
      }
      client.refused += 1;
      inputRejected('recipient');
      if (client.refused >= MAX_REFUSED) return cut(session, 421, 'too many unknown recipients');
      done(reply(550, 'no such recipient here'));
    },
  };
}
