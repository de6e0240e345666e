// Owns "test connection" for a mailbox: step by step, with the evidence, changing nothing (EXAMINE, RFC 3501, 6.3.2).
import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import type { PeerCertificate } from 'node:tls';
import type { MailboxObject } from 'imapflow';
import { type CheckStep, GatepostError, type GatewayContext } from '../../src/driver/contract.js';
import { address, explain } from './explain.js';
import { dial, type Link } from './link.js';
import { CONNECT_MS } from './options.js';
import { lacking, myRights } from './rights.js';
import { requireFolder, selectFolder } from './session.js';
import { portOf, type Settings } from './settings.js';

type Context = GatewayContext<Settings>;

interface Step {
  readonly name: string;
  /** Gives the evidence, or throws what is wrong. */
  run(): Promise<string> | string;
}

export async function* check(context: Context, signal: AbortSignal): AsyncGenerator<CheckStep> {
  const { settings } = context;
  const line: Line = { link: undefined, error: undefined, mailbox: undefined };
  try {
    for (const { name, run } of [...reachSteps(context, line, signal), ...mailboxSteps(context, line, signal)]) {
      const step = await tried(name, run, settings);
      yield step;
      if (!step.ok || signal.aborted) return;
    }
  } finally {
    await line.link?.close();
  }
}

async function tried(name: string, run: Step['run'], settings: Settings): Promise<CheckStep> {
  try {
    return { name, ok: true, detail: await run() };
  } catch (thrown) {
    const error = explain(thrown, settings);
    return { name, ok: false, detail: error.advice ? `${error.message}. ${error.advice}` : error.message };
  }
}

/** What the steps hand on to each other. */
interface Line {
  link: Link | undefined;
  error: unknown;
  mailbox: MailboxObject | undefined;
}

function reachSteps(context: Context, line: Line, signal: AbortSignal): Step[] {
  const { settings } = context;
  const steps: Step[] = [];
  if (isIP(settings.Host) === 0) steps.push({ name: `Name ${settings.Host}`, run: () => resolveName(settings.Host) });
  steps.push({ name: `TCP connection to ${address(settings)}`, run: () => knock(context, signal) });
  // One connection and login give the evidence for the next steps; each of them fails when its own evidence is missing.
  const connected = async (evidence: () => string | undefined) => {
    if (!line.link) await connectOnce(context, line, signal);
    const found = evidence();
    if (found === undefined)
      throw line.error ?? new GatepostError('gateway/failed', 'the server said nothing about it');
    return found;
  };
  const tls = { name: `TLS (${settings.Security})`, run: () => connected(() => tlsEvidence(context, line.link)) };
  const greeting = { name: 'Greeting', run: () => connected(() => line.link?.client.greeting) };
  const login = {
    name: `Login as ${settings.User}`,
    run: () => connected(() => (line.error === undefined ? 'accepted' : undefined)),
  };
  if (settings.Security !== 'None') steps.push(tls);
  return [...steps, greeting, login];
}

function mailboxSteps(context: Context, line: Line, signal: AbortSignal): Step[] {
  const { settings } = context;
  const linked = async (work: (link: Link) => Promise<string>) => {
    if (!line.link) throw new GatepostError('gateway/failed', 'there is no connection');
    return work(line.link);
  };
  const folders = (['MoveTo', 'RefuseTo'] as const).filter((name) => settings[name] !== undefined);
  return [
    {
      name: `Folder "${settings.Folder}"`,
      run: () =>
        linked(async (link) => {
          line.mailbox = await selectFolder(link, settings, { readOnly: true, signal });
          return `${line.mailbox.exists} mails, UIDVALIDITY ${line.mailbox.uidValidity}`;
        }),
    },
    { name: 'Rights', run: () => linked((link) => rightsEvidence(link, settings, line.mailbox?.path ?? '')) },
    ...folders.map((name) => ({
      name: `${name} "${settings[name]}"`,
      run: () => linked(async (link) => requireFolder(link, settings, name).then(() => 'is there')),
    })),
    { name: 'Capabilities', run: () => linked(async (link) => capabilities(link, settings)) },
  ];
}

async function resolveName(host: string): Promise<string> {
  const found = await lookup(host, { all: true });
  return found.map((entry) => entry.address).join(', ');
}

function knock({ settings, clock }: Context, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: settings.Host, port: portOf(settings) });
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

async function connectOnce(context: Context, line: Line, signal: AbortSignal): Promise<void> {
  try {
    await dial(context, signal, (link) => {
      line.link = link;
    });
  } catch (error) {
    line.error = error;
  }
}

function tlsEvidence({ settings, clock }: Context, link: Link | undefined): string | undefined {
  const tls = link?.client.tls;
  if (!tls) return undefined;
  const protocol = `${tls.version} ${tls.standardName}`;
  if (!link.certificate) return `${protocol}; the certificate was not checked (AllowUntrustedCertificate)`;
  return `${protocol}; ${describe(link.certificate, settings, clock.now())}`;
}

const DAY_MS = 24 * 3600_000;

function describe(certificate: PeerCertificate, settings: Settings, now: number): string {
  const name = settings.TlsName ?? settings.Host;
  const end = new Date(certificate.valid_to).getTime();
  const days = Math.floor((end - now) / DAY_MS);
  const issuer = certificate.issuer.O ?? certificate.issuer.CN;
  return `certificate for ${name} by ${issuer}, valid until ${new Date(end).toISOString().slice(0, 10)} (${days} days)`;
}

/** EXAMINE says nothing about changing, so only a server with access lists (RFC 4314) can be asked beforehand. */
async function rightsEvidence(link: Link, settings: Settings, folder: string): Promise<string> {
  const rights = link.has('ACL') ? await myRights(link, folder) : undefined;
  if (rights === undefined) return 'the server does not tell; they show when the gateway starts';
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

function capabilities(link: Link, settings: Settings): string {
  const notes = [
    link.has('IDLE') ? 'IDLE: new mail is announced' : `no IDLE: new mail is found every ${settings.PollSeconds} s`,
    link.has('MOVE') ? 'MOVE' : 'no MOVE: mails are copied and then deleted',
    link.has('UIDPLUS')
      ? 'UIDPLUS'
      : 'no UIDPLUS: deleted mails keep the mark \\Deleted until somebody expunges the folder',
  ];
  return notes.join('; ');
}
