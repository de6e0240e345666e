import type { Config } from '../config.js';
import { sleep } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import { embeddedAccounts, embeddedServerTls } from '../server-settings.js';
import { type Platform, type Service, startService } from '../service.js';
import type { Output } from './output.js';

/** How long the welcome waits for the first list of gateways, ms; the service itself waits for ever. */
const WELCOME_MS = 10_000;

export async function startCommand(
  config: Config,
  platform: Platform,
  output: Output,
  stop: AbortSignal,
): Promise<number> {
  const service = await startService(config, platform);
  platform.log.info(
    { http: service.http.url, admin: service.adminUrl, config: config.file ?? 'defaults' },
    'gatepost has started',
  );
  void welcome(config, service, platform, output, stop);
  await aborted(stop);
  platform.log.info({}, 'gatepost is stopping: finishing what is under way');
  await service.stop();
  platform.log.info({}, 'gatepost has stopped');
  return 0;
}

export async function embeddedServerCommand(
  config: Config,
  platform: Platform,
  output: Output,
  stop: AbortSignal,
): Promise<number> {
  const { host, port, account, password } = config.server;
  if (!password) {
    throw new GatepostError('config/invalid', 'server.password is missing: connectors need one to log in with', {
      advice: 'set GATEPOST_SERVER_PASSWORD for the embedded server and for its connectors',
    });
  }
  const { startEmbeddedServer } = await import('../embedded-server/server.js');
  const server = await startEmbeddedServer({
    host,
    port,
    account,
    password,
    peerAddresses: config.server.peerAddresses,
    accounts: embeddedAccounts(config, platform.env, platform.redactor),
    gatewaysFile: config.frontdesk.gateways,
    storePath: config.frontdesk.store,
    ...embeddedServerTls(config),
    clock: platform.clock,
    log: platform.log,
  });
  if (output.isTerminal)
    output.say(`\nThe embedded server listens on ${host}:${server.port} and serves ${config.frontdesk.gateways}.\n\n`);
  await aborted(stop);
  await server.close();
  return 0;
}

/** What runs, and what to do next: for whoever tries it out, and on a terminal. The log has it for machines. */
async function welcome(
  config: Config,
  service: Service,
  { clock }: Platform,
  output: Output,
  stop: AbortSignal,
): Promise<void> {
  if (!output.isTerminal && config.server.mode === 'remote') return;
  for (let waited = 0; !service.listed() && waited < WELCOME_MS && !stop.aborted; waited += 100)
    await sleep(clock, 100);
  // The gateways' own first lines come right after the list.
  await sleep(clock, 300);
  if (stop.aborted) return;
  const gateways = service.views().map(({ displayName, direction, device, state, problem }) => {
    const arrow = direction === 'I' ? '→ in ' : '← out';
    return `  ${arrow}  ${displayName.padEnd(28)} ${device.padEnd(14)} ${problem ? `${state}: ${problem}` : state}\n`;
  });
  output.out(
    `\nGateways\n${gateways.join('') || '  none yet\n'}\n${config.server.mode === 'embedded' ? nextSteps(config, service.views()) : ''}`,
  );
  output.out(`Probes and metrics: ${service.adminUrl}/ready  ${service.adminUrl}/metrics\nStop with Ctrl-C.\n\n`);
}

/** Names only folders of gateways that are there. */
function nextSteps(config: Config, views: readonly { readonly device: string; readonly direction: string }[]): string {
  const drop = views.some(({ device, direction }) => device === 'DropFolder' && direction === 'I');
  const pickup = views.some(({ device, direction }) => device === 'DropFolder' && direction === 'O');
  return [
    'What to do next (in a second terminal)',
    ...(drop ? [`  drop a mail in:      cp config/welcome.eml ${config.dataDir}/drop/`] : []),
    '  see it arrive:       npx gatepost desk inbox',
    '  answer it:           npx gatepost desk reply <id> --text "Thank you, we are on it."',
    ...(pickup ? [`  find the answer in:  ${config.dataDir}/pickup/`] : []),
    '  follow the log:      npx gatepost log --follow',
    '',
    '',
  ].join('\n');
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
