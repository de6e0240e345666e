// Owns the composition: which parts there are, what each is handed, in which order they start, and that they stop in reverse.
import { randomBytes } from 'node:crypto';
import { createReadStream, mkdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { attachmentFolder, type Config } from './config.js';
import { createReader } from './content/create-reader.js';
import type { FaxComposer } from './content/fax/render/compose.js';
import type { FrontDesk } from './embedded-server/server.js';
import { type LinkSigner, linkSigner, loadLinkKey } from './http/links.js';
import { createMetrics } from './http/metrics.js';
import { startHttp } from './http/server.js';
import type { JournalOptions } from './journal/open.js';
import type { Journal } from './journal/types/journal.js';
import type { Clock, Random } from './kit/clock.js';
import { type Closers, closers } from './kit/closers.js';
import { GatepostError, messageOf } from './kit/errors.js';
import type { Log } from './kit/log.js';
import { loop } from './kit/loop.js';
import { once } from './kit/once.js';
import type { Redactor } from './kit/redact.js';
import { stopper } from './kit/stopper.js';
import type { GatewayView } from './model/gateway-view.js';
import { controlQueue } from './pipeline/control-queue.js';
import type { DriverTable } from './pipeline/gateways/config.js';
import { gatewayRegistry } from './pipeline/gateways/registry.js';
import { secretsFrom } from './pipeline/gateways/secrets.js';
import { gatewaySync } from './pipeline/gateways/sync.js';
import { replies as createReplies } from './pipeline/outbound/replies.js';
import { ackTracker } from './pipeline/server/ack-tracker.js';
import { dispatch } from './pipeline/server/dispatch.js';
import type { ServerLink } from './pipeline/server/link.js';
import { type Client, type ClientState, createClient } from './simprot/client.js';
import { type ChannelTable, DEFAULT_CHANNEL_TABLE } from './simprot/messages.js';

export interface Platform {
  clock: Clock;
  random: Random;
  log: Log;
  redactor: Redactor;
  env: Readonly<Record<string, string | undefined>>;
  drivers: DriverTable;
  /** Opens the journal on a thread of its own; on this thread, and so on this clock, when absent. */
  openJournal?: (url: string, options: JournalOptions) => Promise<Journal>;
}

export interface Service {
  readonly http: { port: number; url: string };
  /** Port of the embedded server; null when the server is a remote one. */
  readonly serverPort: number | null;
  state(): ClientState;
  views(): GatewayView[];
  listed(): boolean;
  /** Drains the gateways, answers what can be answered, closes everything. */
  stop(): Promise<void>;
}

/** What is under way when the service is told to stop gets this long, ms; below the 10 s after which orchestrators kill. */
const STOP_GRACE_MS = 6_000;
/** A removed or changed gateway may finish what is under way for this long, ms. */
const DRAIN_MS = 15_000;
const MB = 1024 * 1024;
const DAY_MS = 86_400_000;
/** How often old entries are swept out, ms. */
const SWEEP_MS = 6 * 3_600_000;

export async function startService(config: Config, platform: Platform): Promise<Service> {
  const stack = closers();
  try {
    return await compose(config, platform, stack);
  } catch (error) {
    await stack.close().catch((late) => platform.log.warn({ error: messageOf(late) }, 'not everything closed cleanly'));
    throw error;
  }
}

async function compose(config: Config, platform: Platform, stack: Closers): Promise<Service> {
  const { clock, random, log, redactor } = platform;
  makeFolder(config.dataDir);
  const password = config.server.password || madeUpPassword(config);
  redactor.add(password);

  const journal = await (platform.openJournal ?? openHere)(config.journal, {
    clock,
    log,
    directory: attachmentFolder(config),
  });
  stack.add('journal', () => journal.close());
  const desk = config.server.mode === 'embedded' ? await embedded(config, password, platform, stack) : null;

  const metrics = createMetrics({ clock, log });
  const life = stopper();
  const { ocr, ocrLanguages, ocrSeconds } = config.fax;
  const recognition = ocr && { languages: ocrLanguages, secondsPerFax: ocrSeconds };
  const reader = createReader({ clock, log, ocr: recognition });
  stack.add('reader', () => reader.close());
  const fax = faxComposer(config, platform);
  stack.add('fax composer', () => fax.close());

  let signer: LinkSigner | undefined;
  // Known once the port is bound, which is before the first gateway starts.
  let boundUrl = '';
  const webhookUrl = (gatewayId: string) => `${config.http.publicUrl || boundUrl}/webhooks/${gatewayId}`;
  let onFrame: (frame: { code: string; content: unknown }) => void = () => {};
  let onState: (state: ClientState) => void = () => {};
  const client = createClient({
    host: config.server.host,
    port: desk?.port ?? config.server.port,
    tls: config.server.tls ? tlsOf(config) : undefined,
    account: config.server.account,
    password,
    peerAddresses: config.server.peerAddresses,
    instance: `${hostname()}-${process.pid}`,
    encoding: config.wire.content,
    maxBodyBytes: config.wire.maxBodyMB * MB,
    clock,
    random,
    log,
    onFrame: (frame) => onFrame(frame),
    onState: (state) => onState(state),
  });
  stack.add('connection to the server', () => client.stop());
  const serverLink = serverLinkOf(client);
  const acks = ackTracker({ journal, clock, random, log, signal: life.signal });

  const gateways = gatewayRegistry({
    ...platform,
    journal,
    metrics,
    dataDir: config.dataDir,
    secrets: secretsFrom({ env: platform.env, folder: config.secretsDir }),
    serverLink,
    acks,
    reader,
    fax,
    webhookUrl,
    link: (attachment) => (signer ? signer.link(attachment) : ''),
    limits: {
      window: config.inbound.window,
      windowBytes: config.inbound.windowMB * MB,
      ackMs: config.inbound.ackSeconds * 1000,
      backoff: { first: config.inbound.retryFirstSeconds * 1000, longest: config.inbound.retryLongestSeconds * 1000 },
      rejections: config.inbound.refusals,
    },
    answerMs: config.outbound.answerSeconds * 1000,
    drainMs: DRAIN_MS,
  });
  const sync = gatewaySync({
    clock,
    log,
    serverLink,
    gateways,
    channels: channelsOf(config),
    peerAddresses: config.server.peerAddresses,
    refreshMs: config.server.refreshSeconds * 1000,
  });
  const sendRequests = createReplies({
    clock,
    log,
    serverLink,
    gateways,
    journal,
    metrics,
    answerMs: config.outbound.answerSeconds * 1000,
    signal: life.signal,
  });
  onFrame = dispatch({ log, acks, sync, sendRequests, metrics });
  onState = (state) => {
    if (state.is === 'up') return sync.connected();
    acks.disconnected();
    sync.disconnected();
  };

  const http = await startHttp({
    host: config.http.host,
    port: config.http.port,
    log,
    clock,
    metrics,
    probes: {
      server: () => client.state,
      listed: () => sync.listed,
      gateways: () => gateways.views(),
      healthy: () => journal.healthy(),
      redact: (text) => redactor.redact(text),
    },
    webhooks: {
      urlOf: webhookUrl,
      handle: (gatewayId, request) => gateways.webhook(gatewayId, request),
      // Of gateways that run here only: whoever posts to made-up ids must not fill the metrics with them.
      inputRejected(gatewayId, reason) {
        if (gateways.views().some(({ id }) => id === gatewayId)) metrics.inputRejected(gatewayId, reason);
      },
    },
    attachments: {
      async find(id) {
        const found = await journal.attachment(id);
        return found && { ...found, open: () => createReadStream(found.path) };
      },
      links: { verify: (...link) => (signer ? signer.verify(...link) : 'forged') },
    },
  });
  stack.add('HTTP port', () => http.close());
  boundUrl = http.url;
  const key = await loadLinkKey(join(config.dataDir, 'link.key'));
  const lifetimeMs = config.retention.attachmentDays * DAY_MS;
  signer = linkSigner({ key, baseUrl: config.http.publicUrl || http.url, clock, lifetimeMs });
  metrics.watch({
    server: () => client.state,
    gateways: () => gateways.views(),
    journal,
  });

  const asking = controlQueue({ dataDir: config.dataDir, journal, gateways, clock, log });
  stack.add('requests', () => asking.stop());
  const sweeping = sweeper(config, journal, platform);
  stack.add('retention', () => sweeping.stop());
  stack.add('waiting answers', () => life.abort(new Error('stopping')));
  // Last in, first out: draining gateways still have the connection to answer on.
  stack.add('gateways', () => gateways.stop(STOP_GRACE_MS));
  stack.add('list of gateways', () => sync.stop());
  const leftovers = sendRequests.answerLeftovers();
  leftovers.catch((error) =>
    log.error({ error: messageOf(error) }, 'unanswered orders of the last run could not be read'),
  );
  client.start();

  return {
    http: { port: http.port, url: http.url },
    serverPort: desk?.port ?? null,
    state: () => client.state,
    views: () => gateways.views(),
    listed: () => sync.listed,
    stop: once(() => stack.close()),
  };
}

/** Loaded when needed: with the journal on a thread of its own, its SQL layer would be here for nothing. */
async function openHere(url: string, options: JournalOptions): Promise<Journal> {
  const { openJournal } = await import('./journal/open.js');
  return openJournal(url, options);
}

/** Its image and PDF libraries are loaded with the first fax, so that nobody else carries them. */
function faxComposer({ fax }: Config, { clock, log, env }: Platform): FaxComposer {
  const program = (setting: string) => (setting === 'auto' ? {} : { path: setting === 'off' ? null : setting });
  const [chromium, ghostscript] = [program(fax.chromium), program(fax.ghostscript)];
  let made: Promise<FaxComposer> | undefined;
  const make = async () =>
    (await import('./content/fax/render/compose.js')).createFaxComposer({
      clock,
      log: log.child({ part: 'fax composer' }),
      env,
      ...('path' in chromium && { chromium: chromium.path }),
      ...('path' in ghostscript && { ghostscript: ghostscript.path }),
    });
  return {
    async compose(...sendRequest) {
      made ??= make();
      return (await made).compose(...sendRequest);
    },
    close: async () => (await made)?.close(),
  };
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new GatepostError('config/data-folder', `cannot create the data folder ${path}: ${messageOf(error)}`, {
      advice:
        'create it for the user that runs gatepost, or set dataDir (GATEPOST_DATA_DIR) to a folder that can be written',
      cause: error,
    });
  }
}

/** Both ends of the connection are in this process, so nobody needs to know it. A remote server has its own idea of it. */
function madeUpPassword(config: Config): string {
  if (config.server.mode === 'embedded') return randomBytes(24).toString('base64url');
  throw new GatepostError('config/invalid', 'server.password is missing: the account needs one to log in with', {
    advice: 'set GATEPOST_SERVER_PASSWORD, or server.password in the configuration',
  });
}

async function embedded(config: Config, password: string, platform: Platform, stack: Closers): Promise<FrontDesk> {
  const { clock, log } = platform;
  const { startFrontDesk } = await import('./embedded-server/server.js');
  const desk = await startFrontDesk({
    host: config.server.host,
    port: config.server.port,
    account: config.server.account,
    password,
    gatewaysFile: config.frontdesk.gateways,
    storePath: config.frontdesk.store,
    ...deskTls(config),
    clock,
    log: log.child({ part: 'front desk' }),
  });
  stack.add('front desk', () => desk.close());
  return desk;
}

/** With TLS the embedded server needs a certificate of its own. */
export function deskTls(config: Config) {
  if (!config.server.tls) return {};
  const { cert, key } = tlsOf(config);
  if (cert && key) return { tls: { cert, key } };
  throw new GatepostError('config/invalid', 'server.tls is on, but the front desk has no certificate', {
    advice: 'name its PEM files in server.tlsCert and server.tlsKey, or leave server.tls out',
  });
}

export function tlsOf(config: Config) {
  const { tlsCa, tlsCert, tlsKey, tlsName, tlsVerify } = config.server;
  return {
    ca: pem(tlsCa, 'server.tlsCa'),
    cert: pem(tlsCert, 'server.tlsCert'),
    key: pem(tlsKey, 'server.tlsKey'),
    servername: tlsName || undefined,
    rejectUnauthorized: tlsVerify,
  };
}

function pem(path: string, key: string): string | undefined {
  if (path === '') return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new GatepostError('config/invalid', `${key}: cannot read ${path}: ${messageOf(error)}`, {
      advice: 'name an existing PEM file that the user running gatepost may read',
      cause: error,
    });
  }
}

export function channelsOf(config: Config): ChannelTable {
  const own = Object.entries(config.wire.channels);
  return own.length === 0
    ? DEFAULT_CHANNEL_TABLE
    : Object.fromEntries(own.map(([number, channel]) => [Number(number), channel]));
}

function serverLinkOf(client: Client): ServerLink {
  return {
    get up() {
      return client.state.is === 'up';
    },
    untilUp: (signal) => client.untilUp(signal),
    send: (code, content) => client.send(code, content),
    reset: (reason) => client.reset(reason),
  };
}

function sweeper({ retention }: Config, journal: Journal, { clock, log }: Platform) {
  return loop({ clock, log, name: 'removing old entries', failurePauseMs: SWEEP_MS / 64 }, async () => {
    const { removed } = await journal.sweep(retention);
    if (removed > 0) log.info({ removed }, 'old entries of the journal were removed');
    return SWEEP_MS;
  });
}
