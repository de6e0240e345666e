// The composition root: one builder for each subsystem. `startService` is the order in which they start; everything closes
// in reverse, each part and all of them together in bounded time, the journal last.
import { createReadStream, mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { attachmentFolder, type Config } from './config.js';
import { createReader } from './content/create-reader.js';
import type { FaxComposer } from './content/fax/process/compose-task.js';
import { lazyFaxComposer } from './content/fax/render/lazy-composer.js';
import type { Reader } from './content/reader.js';
import type { EmbeddedServer } from './embedded-server/server.js';
import { type LinkSigner, linkSigner, loadLinkKey } from './http/links.js';
import { createMetrics, type PrometheusMetrics } from './http/metrics.js';
import { type PublicUrl, publicUrl } from './http/public-url.js';
import { type HttpPort, startHttp } from './http/server.js';
import type { JournalOptions } from './journal/open.js';
import type { Journal } from './journal/types/journal.js';
import type { Clock, Random } from './kit/clock.js';
import { type Closers, closers } from './kit/closers.js';
import { GatepostError, messageOf } from './kit/errors.js';
import { lockFile } from './kit/file-lock.js';
import type { Log } from './kit/log.js';
import { type Loop, loop } from './kit/loop.js';
import { once } from './kit/once.js';
import type { Redactor } from './kit/redact.js';
import { stopper } from './kit/stopper.js';
import type { GatewayView } from './model/gateway-view.js';
import { controlQueue } from './pipeline/control-queue.js';
import type { DriverTable } from './pipeline/gateways/config.js';
import { type GatewayRegistry, gatewayRegistry } from './pipeline/gateways/registry.js';
import { secretsFrom } from './pipeline/gateways/secrets.js';
import { type GatewaySync, gatewaySync } from './pipeline/gateways/sync.js';
import { type SendRequests, sendRequests } from './pipeline/outbound/send-requests.js';
import { type AckTracker, ackTracker } from './pipeline/server/ack-tracker.js';
import { dispatch } from './pipeline/server/dispatch.js';
import type { ServerLink } from './pipeline/server/link.js';
import { channelsOf, clientTls, embeddedServerTls, serverPassword } from './server-settings.js';
import { type Client, type ClientHandlers, type ClientState, createClient } from './simprot/client.js';

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
  /** Drains the gateways, answers what can be answered, closes everything. Never takes longer than 10 s. */
  stop(): Promise<void>;
}

/** Orchestrators kill 10 s after they asked to stop; the journal's time comes on top of the total. */
const STOP = {
  totalMs: 8_500,
  /** What is under way gets this long. */
  graceMs: 6_000,
  gatewaysMs: 8_000,
  partMs: 1_000,
  httpMs: 2_500,
  journalMs: 1_000,
} as const;
/** A removed or changed gateway may finish what is under way for this long, ms. */
const DRAIN_MS = 15_000;
const MB = 1024 * 1024;
const DAY_MS = 86_400_000;
/** How often old entries are swept out, ms. */
const SWEEP_MS = 6 * 3_600_000;

export async function startService(config: Config, platform: Platform): Promise<Service> {
  const stack = closers({ clock: platform.clock, totalMs: STOP.totalMs });
  const close = once(() => closeAll(stack, platform.log));
  try {
    return await start(config, platform, stack, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function start(config: Config, platform: Platform, stack: Closers, stop: () => Promise<void>): Promise<Service> {
  const password = serverPassword(config);
  platform.redactor.add(password);
  const journal = await openStorage(config, platform, stack);
  const embedded = await startEmbedded(config, password, platform, stack);
  const client = createServerClient(config, { password, port: embedded?.port }, platform);
  stack.add('connection to the server', () => client.stop(), STOP.partMs);
  const address = publicUrl(config.http.publicUrl);
  const common: Common = {
    config,
    platform,
    journal,
    metrics: createMetrics(platform),
    address,
    signer: await createSigner(config, address, platform),
    serverLink: linkOf(client),
    life: stopper(),
  };
  const fax = faxComposer(config, platform);
  stack.add('fax composer', () => fax.close(), STOP.partMs);
  const reader = startReader(config, platform);
  const acks = ackTracker({ ...platform, journal, signal: common.life.signal });
  const registry = createRegistry(common, { reader, fax, acks });
  const sync = createSync(common, registry);
  const http = await openHttp(common, { client, registry, sync }, stack);
  const requests = createSendRequests(common, registry);
  stack.add('pending answers', () => endAnswers(requests, common.life), STOP.partMs);
  // The reader ends with the gateways: a message that is still being read comes again after the restart.
  const stopGateways = () => Promise.all([registry.stop(STOP.graceMs), reader.close()]);
  stack.add('gateways', async () => void (await stopGateways()), STOP.gatewaysMs);
  startChores(common, registry, stack);
  // First of all to stop: no list starts a gateway any more.
  stack.add('list of gateways', () => sync.stop(), STOP.partMs);
  client.start(handlers(common, { requests, sync, acks }));
  return serviceOf({ http, embedded, client, registry, sync, stop });
}

/** What most builders need. */
interface Common {
  config: Config;
  platform: Platform;
  journal: Journal;
  metrics: PrometheusMetrics;
  address: PublicUrl;
  signer: LinkSigner;
  serverLink: ServerLink;
  /** Aborts when no answer can be written any more. */
  life: AbortController;
}

async function closeAll(stack: Closers, log: Log): Promise<void> {
  await stack.close().catch((failure: AggregateError) => {
    for (const error of failure.errors) log.warn({ err: messageOf(error) }, 'a part did not stop cleanly');
  });
}

function serviceOf(parts: {
  http: HttpPort;
  embedded: EmbeddedServer | null;
  client: Client;
  registry: GatewayRegistry;
  sync: GatewaySync;
  stop: () => Promise<void>;
}): Service {
  const { http, embedded, client, registry, sync, stop } = parts;
  return {
    http: { port: http.port, url: http.url },
    serverPort: embedded?.port ?? null,
    state: () => client.state,
    views: () => registry.views(),
    listed: () => sync.listed,
    stop,
  };
}

async function openStorage(config: Config, platform: Platform, stack: Closers): Promise<Journal> {
  const { clock, log, openJournal = openHere } = platform;
  makeFolder(config.dataDir);
  const journal = await openJournal(config.journal, { clock, log, directory: attachmentFolder(config) });
  const unlock = await lockDataFolder(config.dataDir).catch(async (error) => {
    await journal.close();
    throw error;
  });
  stack.add('data folder', unlock);
  stack.add('journal', () => journal.close(), STOP.journalMs, STOP.journalMs);
  return journal;
}

/** After the journal, whose own lock names the process that has it. */
async function lockDataFolder(path: string): Promise<() => void> {
  const unlock = lockFile(join(path, 'gatepost.lock'));
  if (unlock) return unlock;
  throw new GatepostError('config/data-folder-busy', `the data folder ${path} is in use by another gatepost process`, {
    advice: 'stop that process first, or give this one a data folder of its own (dataDir, GATEPOST_DATA_DIR)',
  });
}

/** Loaded when needed: with the journal on a thread of its own, this thread does not need the SQL layer. */
async function openHere(url: string, options: JournalOptions): Promise<Journal> {
  const { openJournal } = await import('./journal/open.js');
  return openJournal(url, options);
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

async function startEmbedded(
  config: Config,
  password: string,
  { clock, log }: Platform,
  stack: Closers,
): Promise<EmbeddedServer | null> {
  if (config.server.mode !== 'embedded') return null;
  const { startEmbeddedServer } = await import('./embedded-server/server.js');
  const server = await startEmbeddedServer({
    host: config.server.host,
    port: config.server.port,
    account: config.server.account,
    password,
    gatewaysFile: config.frontdesk.gateways,
    storePath: config.frontdesk.store,
    ...embeddedServerTls(config),
    clock,
    log: log.child({ part: 'embedded server' }),
  });
  stack.add('embedded server', () => server.close(), STOP.partMs);
  return server;
}

function createServerClient(
  config: Config,
  { password, port = config.server.port }: { password: string; port: number | undefined },
  { clock, random, log }: Platform,
): Client {
  const { host, account, peerAddresses } = config.server;
  return createClient({
    host,
    port,
    tls: clientTls(config),
    account,
    password,
    peerAddresses,
    instance: `${hostname()}-${process.pid}`,
    encoding: config.wire.content,
    maxBodyBytes: config.wire.maxBodyMB * MB,
    clock,
    random,
    log,
  });
}

function linkOf(client: Client): ServerLink {
  return {
    get up() {
      return client.state.is === 'up';
    },
    untilUp: (signal) => client.untilUp(signal),
    send: (code, content) => client.send(code, content),
    reset: (reason) => client.reset(reason),
  };
}

function startReader({ fax }: Config, { clock, log }: Platform): Reader {
  const ocr = fax.ocr && { languages: fax.ocrLanguages, secondsPerFax: fax.ocrSeconds };
  return createReader({ clock, log, ocr });
}

/** Its image and PDF libraries are loaded with the first fax. */
function faxComposer({ fax }: Config, { clock, log, env }: Platform): FaxComposer {
  const program = (setting: string) => (setting === 'auto' ? undefined : setting === 'off' ? null : setting);
  const [chromium, ghostscript] = [program(fax.chromium), program(fax.ghostscript)];
  return lazyFaxComposer(async () => {
    const { createFaxComposer } = await import('./content/fax/render/compose.js');
    return createFaxComposer({
      clock,
      log: log.child({ part: 'fax composer' }),
      env,
      ...(chromium !== undefined && { chromium }),
      ...(ghostscript !== undefined && { ghostscript }),
    });
  });
}

async function createSigner(config: Config, address: PublicUrl, { clock }: Platform): Promise<LinkSigner> {
  const key = await loadLinkKey(join(config.dataDir, 'link.key'));
  return linkSigner({ key, baseUrl: () => address.base, clock, lifetimeMs: config.retention.attachmentDays * DAY_MS });
}

function createRegistry(
  { config, platform, journal, metrics, address, signer, serverLink }: Common,
  content: { reader: Reader; fax: FaxComposer; acks: AckTracker },
): GatewayRegistry {
  const { inbound } = config;
  return gatewayRegistry({
    ...platform,
    ...content,
    journal,
    metrics,
    dataDir: config.dataDir,
    secrets: secretsFrom({ env: platform.env, folder: config.secretsDir }),
    serverLink,
    webhookUrl: (gatewayId) => address.webhook(gatewayId),
    link: (attachment, issuedAt) => signer.link(attachment, issuedAt),
    limits: {
      window: inbound.window,
      windowBytes: inbound.windowMB * MB,
      ackMs: inbound.ackSeconds * 1000,
      backoff: { first: inbound.retryFirstSeconds * 1000, longest: inbound.retryLongestSeconds * 1000 },
      rejections: inbound.refusals,
    },
    drainMs: DRAIN_MS,
  });
}

function createSync({ config, platform, serverLink }: Common, gateways: GatewayRegistry): GatewaySync {
  return gatewaySync({
    clock: platform.clock,
    log: platform.log,
    serverLink,
    gateways,
    channels: channelsOf(config),
    peerAddresses: config.server.peerAddresses,
    refreshMs: config.server.refreshSeconds * 1000,
  });
}

interface Parts {
  client: Client;
  registry: GatewayRegistry;
  sync: GatewaySync;
}

async function openHttp(common: Common, { client, registry, sync }: Parts, stack: Closers): Promise<HttpPort> {
  const { config, platform, journal, metrics, address, signer } = common;
  const server = () => client.state;
  const gateways = () => registry.views();
  const http = await startHttp({
    host: config.http.host,
    port: config.http.port,
    log: platform.log,
    clock: platform.clock,
    metrics,
    probes: {
      server,
      listed: () => sync.listed,
      gateways,
      healthy: () => journal.healthy(),
      redact: (text) => platform.redactor.redact(text),
    },
    webhooks: webhookSources(registry, metrics, address),
    attachments: { find: (id) => findAttachment(journal, id), links: signer },
  });
  stack.add('HTTP port', () => http.close(), STOP.httpMs);
  address.bound(http.url);
  metrics.watch({ server, gateways, journal });
  return http;
}

function webhookSources(registry: GatewayRegistry, metrics: PrometheusMetrics, address: PublicUrl) {
  return {
    urlOf: (gatewayId: string) => address.webhook(gatewayId),
    handle: registry.webhook.bind(registry),
    // Only for gateways of this process: requests with made-up ids must not add label values.
    inputRejected(gatewayId: string, reason: string) {
      if (registry.views().some(({ id }) => id === gatewayId)) metrics.inputRejected(gatewayId, reason);
    },
  };
}

async function findAttachment(journal: Journal, id: string) {
  const found = await journal.attachment(id);
  return found && { ...found, open: () => createReadStream(found.path) };
}

function createSendRequests(common: Common, gateways: GatewayRegistry): SendRequests {
  const { config, platform, journal, metrics, serverLink, life } = common;
  return sendRequests({
    ...platform,
    serverLink,
    gateways,
    journal,
    metrics,
    answerMs: config.outbound.answerSeconds * 1000,
    signal: life.signal,
  });
}

/** An answer that can be written still is; the others are given after the next start. */
async function endAnswers(requests: SendRequests, life: AbortController): Promise<void> {
  await requests.settled();
  life.abort(new Error('the connector is stopping'));
}

function handlers(
  { platform, metrics }: Common,
  { requests, sync, acks }: { requests: SendRequests; sync: GatewaySync; acks: AckTracker },
): ClientHandlers {
  requests
    .answerLeftovers()
    .catch((error) => platform.log.error({ err: messageOf(error) }, 'unanswered send requests could not be read'));
  return {
    onFrame: dispatch({ log: platform.log, acks, sync, sendRequests: requests, metrics }),
    onState(state) {
      if (state.is === 'up') {
        requests.connected();
        sync.connected();
        return;
      }
      acks.disconnected();
      sync.disconnected();
    },
  };
}

function startChores({ config, platform, journal }: Common, registry: GatewayRegistry, stack: Closers): void {
  const { clock, log } = platform;
  const commands = controlQueue({ dataDir: config.dataDir, journal, gateways: registry, clock, log });
  stack.add('control queue', () => commands.stop(), STOP.partMs);
  const sweeping = sweeper(config, journal, platform);
  stack.add('retention', () => sweeping.stop(), STOP.partMs);
}

function sweeper({ retention }: Config, journal: Journal, { clock, log }: Platform): Loop {
  return loop({ clock, log, name: 'removing old entries', failurePauseMs: SWEEP_MS / 64 }, async () => {
    const { removed } = await journal.sweep(retention);
    if (removed > 0) log.info({ removed }, 'old entries of the journal were removed');
    return SWEEP_MS;
  });
}
