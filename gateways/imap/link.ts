// Owns the connection: opened under one deadline, watched for silence, declared down once and for all.
// Everything asked of the server goes through `ask`, so that nothing waits for ever on a line that is alive but silent.
import type { PeerCertificate } from 'node:tls';
import { ImapFlow } from 'imapflow';
import { GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import { address, explain } from './explain.js';
import { CONNECT_MS, type Ears, optionsOf } from './options.js';
import type { Settings } from './settings.js';

/** How long a server may stay silent over something trivial (NOOP, the end of IDLE), ms. */
export const TRIVIAL_MS = 30_000;
/** How long it may stay silent over something that makes it work: a search, a move of many mails, ms. */
const WORK_MS = 120_000;
/** What still waits to be confirmed and the goodbye are given this long, ms. */
const GOODBYE_MS = 5_000;

export interface AskOptions {
  signal?: AbortSignal;
  /** Ms of silence after which the connection counts as dead. */
  silence?: number;
}

export interface Link {
  readonly client: ImapFlow;
  /** Why nothing more can be asked; undefined while all is well. */
  readonly down: GatepostError | undefined;
  /** The server announced mail since this was last set to false. */
  receipts: boolean;
  /** The certificate the server showed. */
  readonly certificate: PeerCertificate | undefined;
  /** Runs one command. Rejects with one clear sentence, when `signal` aborts, or when the server stays silent. */
  ask<T>(what: string, work: () => Promise<T>, options?: AskOptions): Promise<T>;
  /** As `ask`, for commands whose failure the library reports as false: that becomes an error with the server's words. */
  demand<T>(what: string, work: () => Promise<T | false | undefined>, options?: AskOptions): Promise<T>;
  has(capability: string): boolean;
  /** Calls `wake` at the next announcement, or `broken` when the link goes down. Returns what undoes it. */
  listen(wake: () => void, broken: (error: GatepostError) => void): () => void;
  fail(error: GatepostError): void;
  /** Says goodbye after `first` is done; bounded. Twice is fine. */
  close(first?: () => Promise<void>): Promise<void>;
}

/** `onLink` gets the link before it is connected: what it has learned is worth seeing even when connecting fails. */
export async function dial(
  context: GatewayContext<Settings>,
  signal?: AbortSignal,
  onLink: (link: Link) => void = () => {},
): Promise<Link> {
  const { settings, clock } = context;
  const ears: Ears = { words: '', certificate: undefined };
  const client = new ImapFlow(await optionsOf(context, ears));
  const link = makeLink(context, client, ears);
  onLink(link);
  const late = clock.schedule(CONNECT_MS, () =>
    link.fail(
      new GatepostError(
        'gateway/unreachable',
        `${address(settings)} did not finish connection and login within ${CONNECT_MS / 1000} s`,
        { advice: 'Check Host, Port and Security, and how busy the mail server is.' },
      ),
    ),
  );
  const abandon = () => link.fail(new GatepostError('gateway/closed', 'connecting was given up'));
  signal?.addEventListener('abort', abandon, { once: true });
  if (signal?.aborted) abandon();
  try {
    await client.connect();
    return link;
  } catch (error) {
    const reason = link.down ?? explain(error, settings);
    link.fail(reason);
    throw reason;
  } finally {
    late();
    signal?.removeEventListener('abort', abandon);
  }
}

function makeLink(context: GatewayContext<Settings>, client: ImapFlow, ears: Ears): Link {
  const { settings } = context;
  const listeners = new Set<{ wake(): void; broken(error: GatepostError): void }>();
  let down: GatepostError | undefined;
  let leaving = false;

  const link: Link = {
    client,
    receipts: false,
    get down() {
      return down;
    },
    get certificate() {
      return ears.certificate;
    },
    has: (capability) => client.capabilities.has(capability),
    ask: (what, work, options) => ask(context, link, what, work, options),
    async demand(what, work, options) {
      ears.words = '';
      const result = await link.ask(what, work, options);
      if (link.down) throw link.down;
      if (result !== false && result !== undefined) return result;
      throw new GatepostError('gateway/refused', `${address(settings)}: ${what}: ${ears.words || 'refused'}`, {
        advice:
          'The words are those of the mail server; check the rights of the user and the folders named in the settings.',
      });
    },
    listen(wake, broken) {
      const listener = { wake, broken };
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    fail(error) {
      if (down) return;
      down = error;
      client.close();
      for (const { broken } of [...listeners]) broken(error);
    },
    async close(first) {
      leaving = true;
      await goodbye(context, link, first);
    },
  };
  client.on('error', (error) => link.fail(explain(error, settings)));
  client.on('close', () => link.fail(leaving ? left(settings) : lost(settings, client.byeReason)));
  client.on('exists', ({ count, prevCount }) => {
    if (count <= prevCount) return;
    link.receipts = true;
    for (const { wake } of [...listeners]) wake();
  });
  return link;
}

function lost(settings: Settings, words: string | undefined): GatepostError {
  return new GatepostError(
    'gateway/connection-lost',
    `${address(settings)} closed the connection${words ? `: ${words}` : ''}`,
    {
      advice: 'It is opened again by itself; if this repeats, look into the log of the mail server.',
    },
  );
}

function left(settings: Settings): GatepostError {
  return new GatepostError('gateway/closed', `the connection to ${address(settings)} was closed by us`);
}

/** Bytes that arrive are a sign of life, also those of another answer that has to come first. */
function ask<T>(
  context: GatewayContext<Settings>,
  link: Link,
  what: string,
  work: () => Promise<T>,
  { signal, silence = WORK_MS }: AskOptions = {},
): Promise<T> {
  if (link.down) return Promise.reject(link.down);
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    let heard = link.client.stats().received;
    let cancel = () => {};
    const watch = () => {
      cancel = context.clock.schedule(silence, () => {
        const { received } = link.client.stats();
        if (received === heard) return link.fail(silent(context.settings, what, silence));
        heard = received;
        watch();
      });
    };
    const leave = () => {
      cancel();
      unlisten();
      signal?.removeEventListener('abort', abandon);
    };
    const broken = (error: unknown) => {
      leave();
      reject(error);
    };
    const abandon = () => broken(signal?.reason);
    const unlisten = link.listen(() => {}, broken);
    signal?.addEventListener('abort', abandon, { once: true });
    watch();
    work().then(
      (result) => {
        leave();
        resolve(result);
      },
      (error) => broken(link.down ?? explain(error, context.settings)),
    );
  });
}

function silent(settings: Settings, what: string, ms: number): GatepostError {
  return new GatepostError('gateway/silent', `${address(settings)} has not answered for ${ms / 1000} s (${what})`, {
    advice: 'The connection is given up and opened afresh; if this repeats, look at the network in between.',
  });
}

async function goodbye(
  context: GatewayContext<Settings>,
  link: Link,
  first: () => Promise<void> = async () => {},
): Promise<void> {
  const farewell = async () => {
    await first();
    if (!link.down) await link.client.logout();
  };
  await new Promise<void>((resolve) => {
    const cancel = context.clock.schedule(GOODBYE_MS, resolve);
    const end = () => {
      cancel();
      resolve();
    };
    farewell().then(end, end);
  });
  link.fail(left(context.settings));
}
