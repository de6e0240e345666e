// What the listener answers to AUTH, RCPT and DATA.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { SMTPServerOptions, SMTPServerSession } from 'smtp-server';
import type { GatewayContext } from '../../src/driver/contract.js';
import { receiveData, submit } from './data.js';
import { accepts } from './recipients.js';
import { reply } from './replies.js';
import type { SmtpListenerSettings } from './settings.js';
import type { Submissions } from './submissions.js';

/** Recipients per mail: the number that every server has to accept (RFC 5321 4.5.3.1.8). */
const MAX_RECIPIENTS = 100;
/** Wrong passwords per connection. */
const MAX_GUESSES = 3;

type Handlers = Required<Pick<SMTPServerOptions, 'onAuth' | 'onRcptTo' | 'onData' | 'onClose'>>;

/** What is known about one connection. */
interface Client {
  readonly gone: AbortController;
  guesses: number;
}

export function handlers(
  context: GatewayContext<SmtpListenerSettings>,
  submissions: Submissions,
  cut: (session: SMTPServerSession) => void,
): Handlers {
  const { settings } = context;
  const clients = new Map<string, Client>();
  const counter = { receiving: 0 };
  const clientOf = ({ id }: SMTPServerSession): Client => {
    const client = clients.get(id) ?? { gone: new AbortController(), guesses: 0 };
    clients.set(id, client);
    return client;
  };
  return {
    onAuth({ username, password }, session, done) {
      if (same(username, settings.User) && same(password, settings.Password)) return done(null, { user: username });
      const client = clientOf(session);
      client.guesses += 1;
      done(
        client.guesses < MAX_GUESSES ? reply(535, 'wrong user or password') : reply(421, 'too many wrong passwords'),
      );
    },
    onRcptTo({ address }, session, done) {
      if (session.envelope.rcptTo.length >= MAX_RECIPIENTS) return done(reply(452, 'too many recipients'));
      if (!accepts(settings.Recipients, address, settings.Name)) return done(reply(550, 'no such recipient here'));
      done();
    },
    onData(stream, session, done) {
      const gone = clientOf(session).gone.signal;
      receiveData(stream, gone, { settings, submissions, counter, cut: () => cut(session) })
        .then((mail) => (mail instanceof Error ? mail : submit(mail, session, gone, context, submissions)))
        .then((answer) => (answer instanceof Error ? done(answer) : done(null, answer)), done);
    },
    onClose(session) {
      clients.get(session.id)?.gone.abort();
      clients.delete(session.id);
    },
  };
}

/** Constant-time comparison. */
function same(given: string | null | undefined, wanted: string | undefined): boolean {
  if (given === undefined || given === null || wanted === undefined) return false;
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(wanted));
}
