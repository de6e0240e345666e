// "Test connection" for a mailbox: step by step, with evidence, changing nothing (EXAMINE, RFC 3501, 6.3.2).
import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import type { MailboxObject } from 'imapflow';
import { type CheckStep, GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import { mailboxOf } from '../../src/driver/shared/oauth/sign-in.js';
import { type Connection, connectImap } from './connection.js';
import { address, imapError } from './errors.js';
import { requireFolder, selectFolder } from './folders.js';
import { CONNECT_MS } from './options.js';
import { lacking, myRights } from './rights.js';
import { portOf, type Settings } from './settings.js';

type Context = GatewayContext<Settings>;

interface Step {
  readonly name: string;
  /** Gives the evidence, or throws what is wrong. */
  run(): Promise<string> | string;
}

export async function* check(context: Context, signal: AbortSignal): AsyncGenerator<CheckStep> {
  const { settings } = context;
  const evidence: Evidence = { connection: undefined, error: undefined, mailbox: undefined };
  try {
    for (const { name, run } of [
      ...reachSteps(context, evidence, signal),
      ...mailboxSteps(context, evidence, signal),
    ]) {
      const step = await tried(name, run, settings);
      yield step;
      if (!step.ok || signal.aborted) return;
    }
  } finally {
    await evidence.connection?.close();
  }
}

async function tried(name: string, run: Step['run'], settings: Settings): Promise<CheckStep> {
  try {
    return { name, ok: true, detail: await run() };
  } catch (thrown) {
    const error = imapError(thrown, settings);
    return { name, ok: false, detail: error.advice ? `${error.message}. ${error.advice}` : error.message };
  }
}

/** What earlier steps have found, for later steps. */
interface Evidence {
  connection: Connection | undefined;
  error: unknown;
  mailbox: MailboxObject | undefined;
}

function reachSteps(context: Context, evidence: Evidence, signal: AbortSignal): Step[] {
  const { settings } = context;
  const steps: Step[] = [];
  if (isIP(settings.Host) === 0) steps.push({ name: `Name ${settings.Host}`, run: () => resolveName(settings.Host) });
  steps.push({ name: `TCP connection to ${address(settings)}`, run: () => openTcp(context, signal) });
  // One connection and login give the evidence for the next steps; each of them fails when its own evidence is missing.
  const connected = async (find: () => string | undefined) => {
    if (!evidence.connection) await connectOnce(context, evidence, signal);
    const found = find();
    if (found === undefined)
      throw evidence.error ?? new GatepostError('gateway/failed', 'the server sent nothing about it');
    return found;
  };
  const tls = {
    name: `TLS (${settings.Security})`,
    run: () => connected(() => tlsEvidence(context, evidence.connection)),
  };
  const greeting = { name: 'Greeting', run: () => connected(() => evidence.connection?.client.greeting) };
  const login = {
    name: `Login as ${mailboxOf(settings)}`,
    run: () => connected(() => (evidence.error === undefined ? 'accepted' : undefined)),
  };
  if (settings.Security !== 'None') steps.push(tls);
  return [...steps, greeting, login];
}

function mailboxSteps(context: Context, evidence: Evidence, signal: AbortSignal): Step[] {
  const { settings } = context;
  const connected = async (work: (connection: Connection) => Promise<string>) => {
    if (!evidence.connection) throw new GatepostError('gateway/failed', 'there is no connection');
    return work(evidence.connection);
  };
  const folders = (['MoveTo', 'RefuseTo'] as const).filter((name) => settings[name] !== undefined);
  return [
    {
      name: `Folder "${settings.Folder}"`,
      run: () =>
        connected(async (connection) => {
          evidence.mailbox = await selectFolder(connection, settings, { readOnly: true, signal });
          return `${evidence.mailbox.exists} mails, UIDVALIDITY ${evidence.mailbox.uidValidity}`;
        }),
    },
    {
      name: 'Rights',
      run: () => connected((connection) => rightsEvidence(connection, settings, evidence.mailbox?.path ?? '')),
    },
    ...folders.map((name) => ({
      name: `${name} "${settings[name]}"`,
      run: () => connected(async (connection) => requireFolder(connection, settings, name).then(() => 'is there')),
    })),
    { name: 'Capabilities', run: () => connected(async (connection) => capabilities(connection, settings)) },
  ];
}

async function resolveName(host: string): Promise<string> {
  const found = await lookup(host, { all: true });
  return found.map((entry) => entry.address).join(', ');
}

function openTcp({ settings, clock, network }: Context, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...network.to(settings.Host), port: portOf(settings) });
    const end = (finish: () => void) => {
      cancel();
      signal.removeEventListener('abort', abandon);
      socket.destroy();
      finish();
    };
    const abandon = () => end(() => reject(signal.reason));
    const late = Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' });
    const cancel = clock.schedule(CONNECT_MS, () => end(() => reject(late)));
    signal.addEventListener('abort', abandon, { once: true });
    socket.once('connect', () => {
      const remote = `${socket.remoteAddress}`;
      end(() => resolve(`open (${remote})`));
    });
    socket.once('error', (error) => end(() => reject(error)));
  });
}

async function connectOnce(context: Context, evidence: Evidence, signal: AbortSignal): Promise<void> {
  try {
    await connectImap(context, signal, (connection) => {
      evidence.connection = connection;
    });
  } catch (error) {
    evidence.error = error;
  }
}

function tlsEvidence({ settings, clock }: Context, connection: Connection | undefined): string | undefined {
  const tls = connection?.client.tls;
  if (!tls) return undefined;
  const protocol = `${tls.version} ${tls.standardName}`;
  if (!connection.certificate) return `${protocol}; the certificate was not checked (AllowUntrustedCertificate)`;
  return `${protocol}; ${describeCertificate(connection.certificate, settings, clock.now())}`;
}

const DAY_MS = 24 * 3600_000;

function describeCertificate(certificate: PeerCertificate, settings: Settings, now: number): string {
  const name = settings.TlsName ?? settings.Host;
  const end = new Date(certificate.valid_to).getTime();
  const days = Math.floor((end - now) / DAY_MS);
  const issuer = certificate.issuer.O ?? certificate.issuer.CN;
  return `certificate for ${name} by ${issuer}, valid until ${new Date(end).toISOString().slice(0, 10)} (${days} days)`;
}

/** EXAMINE does not show whether the folder may be changed; only a server with access lists (RFC 4314) can be asked. */
async function rightsEvidence(connection: Connection, settings: Settings, folder: string): Promise<string> {
  const rights = connection.has('ACL') ? await myRights(connection, folder) : undefined;
  if (rights === undefined) return 'the server does not show the rights; they are checked when the gateway starts';
  const missing = lacking(rights, settings.AfterReceive);
  if (!missing) return `${rights}: enough for AfterReceive "${settings.AfterReceive}"`;
  throw new GatepostError(
    'gateway/read-only',
    `the user has the rights "${rights}" on "${folder}" and lacks ${missing}`,
    {
      advice: `Grant it, or use another AfterReceive than "${settings.AfterReceive}".`,
    },
  );
}

function capabilities(connection: Connection, settings: Settings): string {
  const notes = [
    connection.has('IDLE')
      ? 'IDLE: new mail is announced'
      : `no IDLE: new mail is found every ${settings.PollSeconds} s`,
    connection.has('MOVE') ? 'MOVE' : 'no MOVE: mails are copied and then deleted',
    connection.has('UIDPLUS')
      ? 'UIDPLUS'
      : 'no UIDPLUS: deleted mails keep the mark \\Deleted until the folder is expunged',
  ];
  return notes.join('; ');
}
