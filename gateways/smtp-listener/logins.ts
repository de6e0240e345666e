// AUTH: a wrong password costs the address a growing pause in which no login is tried, so that guessing in parallel or over
// new connections gains nothing.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { SMTPServerOptions } from 'smtp-server';
import type { GatewayContext } from '../../src/driver/contract.js';
import type { Addresses } from './addresses.js';
import type { Clients } from './clients.js';
import { reply } from './replies.js';
import type { SmtpListenerSettings } from './settings.js';

/** Wrong passwords per connection. */
const MAX_GUESSES = 3;

export function logins(
  { settings, log, inputRejected }: GatewayContext<SmtpListenerSettings>,
  { addresses, clients }: { addresses: Addresses; clients: Clients },
): Required<SMTPServerOptions>['onAuth'] {
  return ({ username, password }, session, done) => {
    const { remoteAddress } = session;
    if (addresses.loginBlocked(remoteAddress)) {
      inputRejected('login_blocked');
      return done(reply(421, 'too many refused logins from your address, try again later'));
    }
    const client = clients.of(session.id);
    if (same(username, settings.User) && same(password, settings.Password)) {
      addresses.loginAccepted(remoteAddress);
      clients.become(client, 'waiting');
      return done(null, { user: username });
    }
    client.guesses += 1;
    inputRejected('login');
    const failures = addresses.loginRefused(remoteAddress);
    // The name is not logged: people type passwords into the wrong field.
    if (isLogged(failures)) log.warn({ client: remoteAddress, failures }, 'login refused');
    const last = client.guesses >= MAX_GUESSES;
    done(last ? reply(421, 'too many wrong passwords') : reply(535, 'wrong user or password'));
  };
}

/** 1, 2, 3, then 10, 100, 1000, ...: a guesser must not fill the log. */
export function isLogged(failures: number): boolean {
  return failures <= 3 || Number.isInteger(Math.log10(failures));
}

/** Constant-time comparison. */
function same(given: string | null | undefined, wanted: string | undefined): boolean {
  if (given === undefined || given === null || wanted === undefined) return false;
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(wanted));
}
