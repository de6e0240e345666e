// A mail with several faxes. Each fax is an inbound message of its own, with the key of the mail and ";FAX=n". The mail is
//   open       some of its faxes are neither confirmed nor rejected -> settled by the last of them
//   settled    all faxes confirmed: the mail is confirmed, then recorded as skipped under its own key;
//              some fax rejected:   the mail is rejected, and not recorded, so that a fax that an operator requeues is found again
// A crash in the state open, or before the record, makes the mailbox offer the mail again; the journal then knows which of its
// faxes are settled. No fax waits for another, and the mails behind are not blocked.
import {
  type FaxDocument,
  type GatewayContext,
  type InboundMessage,
  type InboundState,
  messageOf,
  type RawMail,
} from '../../src/driver/contract.js';
import type { Describe } from './describe.js';
import type { FaxFile } from './open-mail.js';

export type InboundMail = Omit<InboundMessage, 'content'> & { content: RawMail };

type Context = Pick<GatewayContext<unknown>, 'driverState' | 'log'>;

export async function* severalFaxes(
  mail: InboundMail,
  files: readonly FaxFile[],
  describe: Describe,
  context: Context,
): AsyncGenerator<InboundMessage<FaxDocument>> {
  const keys = await keysOf(mail, files.length, context);
  const states = await context.driverState.statesOf(keys);
  const settle = settler(mail, keys, states, context);
  if (keys.every((key) => isSettled(states.get(key)))) return await settle.again();
  for (const [at, file] of files.entries()) {
    const key = keys[at] ?? '';
    const state = states.get(key);
    if (isSettled(state)) continue;
    const content = state === 'acknowledged' ? null : describe(file.bytes, at + 1);
    const endings = { confirm: () => settle.confirmed(key), reject: (reason: string) => settle.rejected(key, reason) };
    yield { key, fingerprint: '', content, bytes: file.bytes.byteLength, ...endings };
  }
}

/** Versions up to 1.0 gave the last fax the key of the mail; a last fax that such a version opened keeps that key. */
async function keysOf({ key }: InboundMail, count: number, { driverState }: Context): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, at) => `${key};FAX=${at + 1}`);
  const own = (await driverState.statesOf([key])).get(key);
  return own === 'pending' ? [...keys.slice(0, -1), key] : keys;
}

function settler(
  mail: InboundMail,
  keys: readonly string[],
  states: ReadonlyMap<string, InboundState>,
  { driverState, log }: Context,
) {
  const open = new Set(keys.filter((key) => !isSettled(states.get(key))));
  const rejected = new Map<string, string>();
  for (const key of keys)
    if (states.get(key) === 'quarantined') rejected.set(key, 'a fax of this mail is in quarantine');

  async function settleMail(): Promise<void> {
    const [reason] = rejected.values();
    if (reason !== undefined) return mail.reject(reason);
    await mail.confirm();
    // After the confirmation: a recorded mail is never offered again.
    await driverState.skip([{ key: mail.key, fingerprint: mail.fingerprint }]);
  }

  async function settled(key: string): Promise<void> {
    open.delete(key);
    if (open.size === 0) await settleMail();
  }

  return {
    confirmed(key: string) {
      rejected.delete(key);
      return settled(key);
    },
    rejected(key: string, reason: string) {
      rejected.set(key, reason);
      return settled(key);
    },
    /** Never rejects: the mailbox offers the mail again in the next session. */
    async again() {
      await settleMail().catch((error) =>
        log.warn({ message_key: mail.key, err: messageOf(error) }, 'mail with several faxes not settled'),
      );
    },
  };
}

function isSettled(state: InboundState | undefined): boolean {
  return state === 'confirmed' || state === 'skipped' || state === 'quarantined';
}
