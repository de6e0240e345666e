// A client of hfaxd, which speaks a dialect of FTP (RFC 959): one command at a time, each reply within its time. A client does
// one piece of work and is closed: hfaxd caches what it saw in recvq, by file name, for as long as the connection lives, and
// stores uploaded documents until the connection ends. A lasting connection would see stale faxes and fill the server's disk.

import { Client } from 'basic-ftp';
import { type Clock, deadline, GatepostError, type Network } from '../../src/driver/contract.js';
import { connectionFault } from '../../src/driver/shared/connection-faults.js';
import { decodeText } from './legacy-text.js';
import { reasonOf, refusal } from './protocol-text.js';
import type { Settings } from './settings.js';
import { receiveFile, receiveListing, sendDocument } from './transfer.js';

/** Time for one reply, ms. */
const REPLY_MS = 30_000;
/** Time for one file or listing, in either direction, ms. */
const TRANSFER_MS = 180_000;
/** Some 30,000 faxes or jobs. */
const MAX_LISTING_BYTES = 8 * 1024 * 1024;

export interface HfaxdClient {
  /** The greeting of the server. */
  readonly banner: string;
  /** Both addresses of the connection, for a connection in the other direction. */
  readonly ends: { readonly local: string; readonly remote: string };
  login(): Promise<void>;
  /** Asks for administrator rights. */
  admin(): Promise<void>;
  /** The text of the reply, without its code. Rejects for a negative reply (see `refusal`). */
  ask(command: string): Promise<string>;
  /** The same; undefined for a negative reply. */
  tryAsk(command: string): Promise<string | undefined>;
  /** Lines of a folder's listing. */
  list(command: `LIST ${string}` | `NLST ${string}`): Promise<string[]>;
  /** A file from byte `from` on; rejects when there are more than `maxBytes`. */
  fetch(path: string, maxBytes: number, from?: number): Promise<Buffer>;
  /** Uploads a document. Returns the server's name of it, valid as long as the connection. */
  store(document: Uint8Array): Promise<string>;
  /** Sends a command that lasts as long as the connection; calls `onAccepted` when the server has accepted it. Has no deadline:
   *  the caller closes the client. */
  hold(command: string, onAccepted: () => void): Promise<void>;
  close(): void;
}

/** Runs `work` with a client that is logged in, and closes the client afterwards. */
export type WithClient = <T>(
  signal: AbortSignal,
  work: (client: HfaxdClient) => Promise<T>,
  admin?: AdminRights,
) => Promise<T>;

export interface ClientContext {
  readonly settings: Pick<Settings, 'Host' | 'Port' | 'User' | 'Password' | 'AdminPassword'>;
  readonly clock: Clock;
  readonly network: Network;
}

/** Connected, not logged in. `signal` ends the client, also later. */
export async function connectClient(context: ClientContext, signal: AbortSignal): Promise<HfaxdClient> {
  const { settings, clock, network } = context;
  const { Host, Port } = settings;
  signal.throwIfAborted();
  // 0: no timeouts of the library, which run on its own timers. `limiter` has the deadlines.
  const client = new Client(0);
  const within = limiter(client, clock, signal);
  try {
    const { message } = await within('the greeting', REPLY_MS, async () =>
      client.connect(await network.addressOf(Host), Port),
    );
    return clientOf(client, within, settings, textOf(message));
  } catch (error) {
    client.close();
    if (refusal(error)) throw refused(context, error);
    const reason = connectionFault(error)?.text ?? reasonOf(error);
    throw new GatepostError('hylafax/unreachable', `cannot use HylaFAX at ${Host}:${Port}: ${reason}`, {
      advice: 'check Host and Port, whether hfaxd runs there, and the firewalls in between',
      cause: error,
    });
  }
}

/** Administrator rights are requested only when AdminPassword is set. `useful`: the work goes on when the server denies them.
 *  `needed`: the client fails then, because hfaxd silently hides protected files from other users. */
export type AdminRights = 'no' | 'useful' | 'needed';

/** Connected and logged in. */
export async function openClient(
  context: ClientContext,
  signal: AbortSignal,
  admin: AdminRights = 'no',
): Promise<HfaxdClient> {
  const client = await connectClient(context, signal);
  try {
    await client.login().catch((error) => {
      throw refusal(error) ? refused(context, error) : error;
    });
    if (admin !== 'no' && context.settings.AdminPassword !== undefined) await requestAdmin(context, client, admin);
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

async function requestAdmin(context: ClientContext, client: HfaxdClient, admin: AdminRights): Promise<void> {
  try {
    await client.admin();
  } catch (error) {
    if (!refusal(error)) throw error;
    if (admin === 'needed') throw noAdmin(context, error);
  }
}

function noAdmin({ settings: { Host, Port, User } }: ClientContext, error: unknown): GatepostError {
  return new GatepostError(
    'hylafax/refused',
    `HylaFAX at ${Host}:${Port} denies ${User} administrator rights: ${reasonOf(error)}`,
    { advice: 'check AdminPassword against the file hosts.hfaxd of the server, or leave it out', cause: error },
  );
}

function refused({ settings: { Host, Port, User } }: ClientContext, error: unknown): GatepostError {
  const wrongLogin = refusal(error)?.code === 530;
  return new GatepostError('hylafax/refused', `HylaFAX at ${Host}:${Port} rejects ${User}: ${reasonOf(error)}`, {
    advice: wrongLogin
      ? 'check User and Password against the file hosts.hfaxd of the server'
      : 'run "gatepost test" on this gateway to see which step fails',
    cause: error,
  });
}

type Within = <T>(what: string, ms: number, work: () => Promise<T>) => Promise<T>;

/** Runs one command within its time. Any failure other than a negative reply ends the client. */
function limiter(client: Client, clock: Clock, signal: AbortSignal): Within {
  return async (what, ms, work) => {
    const due = deadline(clock, ms, signal);
    try {
      return await due.race(work(), `waiting for ${what}`);
    } catch (error) {
      if (!refusal(error)) reset(client);
      throw error;
    } finally {
      due.dispose();
    }
  };
}

/** Resets the connection: a JSUBM that is still in the send buffer must not reach the server after it was given up. */
function reset(client: Client): void {
  const { socket } = client.ftp;
  if (!socket.destroyed && socket.remoteAddress !== undefined) socket.resetAndDestroy();
  client.close();
}

function clientOf(client: Client, within: Within, settings: ClientContext['settings'], banner: string): HfaxdClient {
  const { User, Password, AdminPassword } = settings;
  const { localAddress, remoteAddress } = client.ftp.socket;
  const ask = async (command: string) => {
    // Only the name of the command: its argument may be a password.
    const what = `the reply to ${nameOf(command)}`;
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
    tryAsk: (command) => ask(command).catch(undefinedIfRefused),
    async list(command) {
      const listing = await transfer(`the reply to ${command}`, () =>
        receiveListing(client, command, MAX_LISTING_BYTES),
      );
      // Line by line: a name in Latin-1 must not spoil the others.
      return listing
        .toString('latin1')
        .split(/\r?\n/)
        .map((line) => decodeText(Buffer.from(line, 'latin1')));
    },
    fetch: (path, maxBytes, from = 0) => transfer(path, () => receiveFile(client, path, maxBytes, from)),
    async store(document) {
      const opening = await transfer('the end of the upload', () => sendDocument(client, document));
      const name = /FILE: (\S+)/.exec(opening)?.[1];
      if (name) return name;
      throw new GatepostError('hylafax/protocol', `HylaFAX gave the document no name: ${textOf(opening)}`);
    },
    async hold(command, onAccepted) {
      await client.ftp.handle(command, (response, task) => {
        if (response instanceof Error) task.reject(response);
        else if (response.code < 200) onAccepted();
        else task.resolve(undefined);
      });
    },
    close: () => client.close(),
  };
}

function undefinedIfRefused(error: unknown): undefined {
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
