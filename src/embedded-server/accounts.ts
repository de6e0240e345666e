// Who may log in at the embedded server, and for which SimProt addresses: a login sees the gateways and messages of its own
// addresses only.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Login } from '../simprot/messages.js';

export interface Account {
  readonly name: string;
  readonly password: string;
  /** SimProt addresses that its connectors may serve; absent: all. */
  readonly peerAddresses?: readonly string[] | undefined;
}

export type LoginResult = { ok: true; account: Account } | { ok: false; reason: string };

const WRONG = 'the account or its password is wrong';

/** Every account is compared, in constant time, so that the time of the answer does not tell which names exist. */
export function authenticate({ Account, Password, PeerAddress }: Login, accounts: readonly Account[]): LoginResult {
  const fitting = accounts.filter(({ name, password }) => {
    const nameFits = timingSafeEqual(digest(Account), digest(name));
    const passwordFits = timingSafeEqual(digest(Password), digest(password));
    return nameFits && passwordFits && password !== '';
  });
  const [account] = fitting;
  if (!account) return { ok: false, reason: WRONG };
  const foreign = PeerAddress.find((peer) => !mayServe(account, peer));
  if (foreign === undefined) return { ok: true, account };
  const reason = `the account ${account.name} may not serve the address ${foreign.slice(0, 80)}: add it to peerAddresses of this account`;
  return { ok: false, reason };
}

/** Addresses are compared without capitals and surrounding blanks. */
export function mayServe({ peerAddresses }: Account, peer: string): boolean {
  const plain = (text: string) => text.trim().toLowerCase();
  return peerAddresses === undefined || peerAddresses.some((own) => plain(own) === plain(peer));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
