// Owns one conversation with hfaxd: connect, log in, ask, list, fetch, store. FTP at heart (RFC 959): one command after the
// other, each answer due in its time.
//
// A conversation is short: one piece of work, then goodbye. hfaxd remembers what it saw in recvq, by the file's name, for as
// long as the connection lives, and keeps uploaded documents until it ends; so a lasting connection would see stale faxes
// and fill the server's disk.
import { Client } from 'basic-ftp';
import { type Clock, deadline, GatepostError } from '../../src/driver/contract.js';
import type { Settings } from './settings.js';
import { receiveFile, receiveListing, sendDocument } from './transfer.js';
import { reasonOf, refusal } from './words.js';

/** A server that has said nothing for so long will not say anything any more, ms. */
const REPLY_MS = 30_000;
/** For a whole file or listing, either way, ms. */
const TRANSFER_MS = 180_000;
/** Some 30,000 faxes or jobs. */
const LARGEST_LISTING = 8 * 1024 * 1024;

export interface Talk {
  /** What the server said first. */
  readonly banner: string;
  /** The own address and that of the server, for a connection in the other direction. */
  readonly ends: { readonly local: string; readonly remote: string };
  login(): Promise<void>;
  /** Asks for administrator rights. */
  admin(): Promise<void>;
  /** The text of the answer, without its code. An answer that says no rejects (see `refusal`). */
  ask(command: string): Promise<string>;
  /** Undefined when the server says no. */
  tryAsk(command: string): Promise<string | undefined>;
  /** Lines of a folder's listing. */
  list(command: `LIST ${string}` | `NLST ${string}`): Promise<string[]>;
  /** A file from byte `from` on; rejects when there are more than `most`. */
  fetch(path: string, most: number, from?: number): Promise<Buffer>;
  /** Gives the server's name of the document, which lives as long as the conversation. */
  store(document: Uint8Array): Promise<string>;
  /** Sends a command that goes on for as long as the connection; calls `begun` when the server has agreed to it. Without a
   *  deadline: who asks for it closes the conversation. */
  stay(command: string, begun: () => void): Promise<void>;
  close(): void;
}

export interface TalkContext {
  readonly settings: Pick<Settings, 'Host' | 'Port' | 'User' | 'Password' | 'AdminPassword'>;
  readonly clock: Clock;
}

/** Connected, not logged in. `signal` ends everything, now and later. */
export async function connectTo({ settings, clock }: TalkContext, signal: AbortSignal): Promise<Talk> {
  const { Host, Port } = settings;
  signal.throwIfAborted();
  // Deadlines are ours: the library's run on timers of their own.
  const client = new Client(0);
  const within = limiter(client, clock, signal);
  try {
    const { message } = await within('the greeting', REPLY_MS, () => client.connect(Host, Port));
    return talkOf(client, within, settings, textOf(message));
  } catch (error) {
    client.close();
    if (refusal(error)) throw refused({ settings, clock }, error);
    throw new GatepostError('hylafax/unreachable', `cannot reach HylaFAX at ${Host}:${Port}: ${reasonOf(error)}`, {
      advice: 'check Host and Port, whether hfaxd runs there, and whether a firewall is in between',
      cause: error,
    });
  }
}

/** Both ask for administrator rights only where there is a password for them. `useful`: it goes on without. `needed`: it does
 *  not, because hfaxd hides from others what is not theirs, and says nothing of it. */
export type Admin = 'no' | 'useful' | 'needed';

/** Connected and logged in. */
export async function openTalk(context: TalkContext, signal: AbortSignal, admin: Admin = 'no'): Promise<Talk> {
  const talk = await connectTo(context, signal);
  try {
    await talk.login().catch((error) => {
      throw refusal(error) ? refused(context, error) : error;
    });
    if (admin !== 'no' && context.settings.AdminPassword !== undefined) await rise(context, talk, admin);
    return talk;
  } catch (error) {
    talk.close();
    throw error;
  }
}

async function rise(context: TalkContext, talk: Talk, admin: Admin): Promise<void> {
  try {
    await talk.admin();
  } catch (error) {
    if (!refusal(error)) throw error;
    if (admin === 'needed') throw noAdmin(context, error);
  }
}

function noAdmin({ settings: { Host, Port, User } }: TalkContext, error: unknown): GatepostError {
  return new GatepostError(
    'hylafax/refused',
    `HylaFAX at ${Host}:${Port} gives ${User} no administrator rights: ${reasonOf(error)}`,
    { advice: 'check AdminPassword against the file hosts.hfaxd of the server, or leave it out', cause: error },
  );
}

function refused({ settings: { Host, Port, User } }: TalkContext, error: unknown): GatepostError {
  const wrongLogin = refusal(error)?.code === 530;
  return new GatepostError('hylafax/refused', `HylaFAX at ${Host}:${Port} refuses ${User}: ${reasonOf(error)}`, {
    advice: wrongLogin
      ? 'check User and Password against the file hosts.hfaxd of the server'
      : 'run "gatepost test" on this gateway to see which step fails',
    cause: error,
  });
}

type Within = <T>(what: string, ms: number, work: () => Promise<T>) => Promise<T>;

/** One step within its time. One that fails otherwise than by a refusal ends the conversation. */
function limiter(client: Client, clock: Clock, signal: AbortSignal): Within {
  return async (what, ms, work) => {
    const due = deadline(clock, ms, signal);
    try {
      return await due.race(work(), `waiting for ${what}`);
    } catch (error) {
      if (!refusal(error)) cut(client);
      throw error;
    } finally {
      due.dispose();
    }
  };
}

/** No byte that is still waiting leaves after this: a JSUBM must not arrive when nobody counts on it any more. */
function cut(client: Client): void {
  const { socket } = client.ftp;
  if (!socket.destroyed && socket.remoteAddress !== undefined) socket.resetAndDestroy();
  client.close();
}

function talkOf(client: Client, within: Within, settings: TalkContext['settings'], banner: string): Talk {
  const { User, Password, AdminPassword } = settings;
  const { localAddress, remoteAddress } = client.ftp.socket;
  const ask = async (command: string) => {
    // The name of the command is enough for a sentence, and all that may be said of a password.
    const what = `the answer to ${nameOf(command)}`;
    return textOf((await within(what, REPLY_MS, () => client.send(command))).message);
  };
  const transfer = <T>(what: string, work: () => Promise<T>) => within(what, TRANSFER_MS, work);
  return {
    banner,
    ends: { local: plainAddress(localAddress), remote: plainAddress(remoteAddress) },
    async login() {
      await within('the login', REPLY_MS, () => client.login(User, Password ?? ''));
      await ask('TZONE GMT');
      await ask('TYPE I');
    },
    async admin() {
      await ask(`ADMIN ${AdminPassword ?? ''}`);
    },
    ask,
    tryAsk: (command) => ask(command).catch(unlessRefused),
    async list(command) {
      const listing = await transfer(`the answer to ${command}`, () =>
        receiveListing(client, command, LARGEST_LISTING),
      );
      return listing.toString('utf8').split(/\r?\n/);
    },
    fetch: (path, most, from = 0) => transfer(path, () => receiveFile(client, path, most, from)),
    async store(document) {
      const opening = await transfer('the end of the upload', () => sendDocument(client, document));
      const name = /FILE: (\S+)/.exec(opening)?.[1];
      if (name) return name;
      throw new GatepostError('hylafax/protocol', `HylaFAX gave the document no name: ${textOf(opening)}`);
    },
    async stay(command, begun) {
      await client.ftp.handle(command, (response, task) => {
        if (response instanceof Error) task.reject(response);
        else if (response.code < 200) begun();
        else task.resolve(undefined);
      });
    },
    close: () => client.close(),
  };
}

function unlessRefused(error: unknown): undefined {
  if (!refusal(error)) throw error;
}

function nameOf(command: string): string {
  return command.split(' ', 1)[0] ?? '';
}

function textOf(message: string): string {
  return message.replace(/^\d{3}[ -]/gm, '').trim();
}

function plainAddress(address = ''): string {
  return address.replace(/^::ffff:/i, '');
}
