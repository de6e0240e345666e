import type { Config } from '../config.js';
import type { DriverState, GatewayContext } from '../driver/contract.js';
import { sharedByDevice } from '../driver/shared-state.js';
import { publicUrl } from '../http/public-url.js';
import type { Clock, Random } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { oneLine } from '../kit/terminal.js';
import {
  type GatewayConfig,
  type GatewayConfigDeps,
  problemLine,
  resolveGateway,
} from '../pipeline/gateways/config.js';
import type { GatewayPolicy } from '../pipeline/gateways/policy/policy.js';
import { gatewaysOf, matching } from './gateway-list.js';
import type { Output } from './output.js';

export interface TestDeps extends GatewayConfigDeps {
  policy: GatewayPolicy;
  clock: Clock;
  random: Random;
  log: Log;
}

export interface TestOptions {
  /** I or O, for a gateway that has both. */
  direction?: string;
  /** A device string to test in place of the stored one: values that are not saved yet. */
  device?: string;
}

export async function testCommand(
  name: string,
  options: TestOptions,
  config: Config,
  deps: TestDeps,
  output: Output,
): Promise<number> {
  const infos = matching(await gatewaysOf(config, deps), name, options.direction);
  let failed = false;
  for (const info of infos) {
    const wanted = options.device ? { ...info, Device: options.device } : info;
    const result = await resolveGateway(wanted, deps);
    output.out(
      `${wanted.DisplayName ?? wanted.Id} (${wanted.Direction === 'I' ? 'inbound' : 'outbound'}, ${wanted.Channel})\n`,
    );
    if (!result.ok) {
      output.out(`  ✗ settings: ${oneLine(problemLine(result.problems))}\n`);
      failed = true;
    } else failed = !(await runSteps(result.config, config, deps, output)) || failed;
  }
  return failed ? 1 : 0;
}

async function runSteps(
  gateway: GatewayConfig,
  config: Config,
  deps: TestDeps,
  { out, progress }: Output,
): Promise<boolean> {
  out('  ✓ settings: complete and understood\n');
  const refused = await deps.policy.problemsOf(gateway);
  if (refused.length > 0) {
    out(`  ✗ policy: ${oneLine(deps.redactor.redact(problemLine(refused)))}\n`);
    return false;
  }
  const context: GatewayContext<unknown> = {
    gateway: {
      id: gateway.info.Id,
      displayName: gateway.info.DisplayName ?? '',
      direction: gateway.info.Direction,
    },
    settings: gateway.settings,
    clock: deps.clock,
    random: deps.random,
    log: deps.log,
    driverState: noDriverState,
    shared: sharedByDevice()(gateway.driver.device),
    accounts: sharedByDevice()('*'),
    // The service alone keeps tokens; a test signs in with what the settings say.
    secretStore: { get: async () => undefined, put: async () => {} },
    network: deps.policy.network(gateway.driver.device),
    dataDir: config.dataDir,
    diskFull: async () => false,
    webhookUrl: config.http.publicUrl ? publicUrl(config.http.publicUrl).webhook(gateway.info.Id) : null,
    reportReceipts: async () => {},
    reportProblem: () => {},
    inputRejected: () => {},
  };
  const signal = new AbortController().signal;
  let ok = true;
  progress?.('  … connecting');
  for await (const step of gateway.driver.check(context, signal)) {
    ok = step.ok;
    progress?.('');
    out(`  ${step.ok ? '✓' : '✗'} ${step.name}: ${oneLine(deps.redactor.redact(step.detail))}\n`);
  }
  return ok;
}

/** A check asks the counterparty, not the journal. */
const noDriverState: DriverState = {
  statesOf: async () => new Map(),
  skip: async () => {},
  byFingerprint: async () => [],
  rekey: async () => {},
  getCheckpoint: async () => undefined,
  putCheckpoint: async () => {},
  putRecords: async () => {},
  listRecords: async () => [],
  deleteRecords: async () => {},
  isSentId: async () => false,
};
