import type { AnyDriver, SettingsSchema } from '../../driver/contract.js';
import { isRecord, metaOfWritten } from '../../driver/settings.js';
import { GatepostError, messageOf } from '../../kit/errors.js';
import { nearest } from '../../kit/nearest.js';
import type { Redactor } from '../../kit/redact.js';
import type { GatewayInfo } from '../../model/message.js';
import { parseDevice } from '../../simprot/device.js';
import { ewsReplacement } from './ews-host.js';
import type { SecretName } from './policy/policy.js';
import { isReference, referenceName, type Secrets } from './secrets.js';

/** Device type word in lower case -> its driver, loaded when first needed. */
export type DriverTable = Readonly<Record<string, () => Promise<AnyDriver>>>;

export interface GatewayConfig {
  info: GatewayInfo;
  driver: AnyDriver;
  settings: unknown;
  /** The secrets among the settings, by the names of their references. */
  secretNames?: readonly SecretName[];
}

export interface GatewayProblem {
  /** The setting as written; null when the problem is with the device as a whole. */
  setting: string | null;
  message: string;
  /** True when it only concerns this machine (a secret that is not set here), not the settings. */
  local: boolean;
  /** The member of the gateway that the device does not fit; absent when the problem is with the device itself. */
  about?: 'channel' | 'direction' | undefined;
}

export type GatewayConfigResult = { ok: true; config: GatewayConfig } | { ok: false; problems: GatewayProblem[] };

export interface GatewayConfigDeps {
  drivers: DriverTable;
  secrets: Secrets;
  redactor: Redactor;
}

/** Type words of FrontStage's own services: not ours to run, and no mistake of the administrator. */
const BUILT_IN = ['Pop3Host', 'SmtpDirect', 'MaternaConnect', 'EMIConnect', 'HgcA2PConnect', 'BridgeConnect'];

const EWS_HOST = 'ewshost';

export async function resolveGateway(info: GatewayInfo, deps: GatewayConfigDeps): Promise<GatewayConfigResult> {
  const device = parseDevice(info.Device);
  if (device.type?.toLowerCase() === EWS_HOST)
    return bad(null, ewsReplacement(device.type, device.ok ? device.settings : undefined));
  if (!device.ok) return bad(null, device.message);
  const load = deps.drivers[device.type.toLowerCase()];
  if (!load) return bad(null, await unknownDevice(device.type, deps.drivers));
  const driver = await load();
  // The settings are checked all the same: an administrator sees every problem at once.
  const problems = incompatibilities(info, driver);
  const input = resolveSecrets(device.settings, driver.settings, deps, problems);
  const result = driver.settings.parse(input);
  if (!result.ok) problems.push(...result.problems.map((problem) => ({ ...problem, local: false })));
  if (!result.ok || problems.length > 0) return { ok: false, problems };
  const secretNames = secretNamesIn(device.settings, driver.settings);
  return { ok: true, config: { info, driver, settings: result.settings, secretNames } };
}

function bad(setting: string | null, message: string): GatewayConfigResult {
  return { ok: false, problems: [{ setting, message, local: false }] };
}

async function unknownDevice(type: string, drivers: DriverTable): Promise<string> {
  if (BUILT_IN.some((word) => word.toLowerCase() === type.toLowerCase())) {
    return `device type ${type} is run by FrontStage itself, not by this connector`;
  }
  const words = await Promise.all(Object.values(drivers).map(async (load) => (await load()).device));
  const near = nearest(type, words);
  return `unknown device type "${type}"; ${near ? `did you mean "${near}"?` : `there are ${words.join(', ')}`}`;
}

function incompatibilities(info: GatewayInfo, driver: AnyDriver): GatewayProblem[] {
  const problems: GatewayProblem[] = [];
  const add = (about: 'channel' | 'direction', message: string) =>
    void problems.push({ setting: null, message, local: false, about });
  if (info.Channel !== driver.channel)
    add('channel', `${driver.device} serves the channel ${driver.channel}, not ${info.Channel}`);
  if (info.Direction === 'I' && !driver.receive)
    add('direction', `${driver.device} only sends: its direction must be O, not I`);
  if (info.Direction === 'O' && !driver.send)
    add('direction', `${driver.device} only receives: its direction must be I, not O`);
  return problems;
}

/**
 * References are only followed in settings meant for it, so that settings cannot send a secret to a counterparty. `within`
 * begins the names of settings that are held by another: `Mailbox.`.
 */
function resolveSecrets(
  settings: Readonly<Record<string, unknown>>,
  schema: SettingsSchema<unknown>,
  deps: GatewayConfigDeps,
  problems: GatewayProblem[],
  within = '',
): Record<string, unknown> {
  const resolved = Object.entries(settings).map(([as, value]) => {
    const meta = metaOfWritten(schema, as);
    const name = within + as;
    if (meta?.holds && isRecord(value))
      return [as, resolveSecrets(value, meta.holds.settings, deps, problems, `${name}.`)] as const;
    if (typeof value !== 'string') return [as, value] as const;
    return [as, resolveOne(name, value, meta, deps, problems)] as const;
  });
  return Object.fromEntries(resolved);
}

function secretNamesIn(
  settings: Readonly<Record<string, unknown>>,
  schema: SettingsSchema<unknown>,
  within = '',
): SecretName[] {
  return Object.entries(settings).flatMap(([as, value]) => {
    const meta = metaOfWritten(schema, as);
    if (meta?.holds) return isRecord(value) ? secretNamesIn(value, meta.holds.settings, `${within}${as}.`) : [];
    const name = typeof value === 'string' ? referenceName(value) : undefined;
    return name === undefined ? [] : [{ setting: within + as, name }];
  });
}

function resolveOne(
  as: string,
  value: string,
  meta: { secret?: boolean; reference?: boolean } | undefined,
  { secrets, redactor }: GatewayConfigDeps,
  problems: GatewayProblem[],
): string {
  if (!meta?.secret && !meta?.reference) {
    const message = `holds the reference ${value}, which only passwords, keys and the like may: write the value itself`;
    if (isReference(value)) problems.push({ setting: as, message, local: false });
    return value;
  }
  try {
    const resolved = secrets.resolve(value);
    // Also of a reference in a setting that is no secret by itself: the file may hold one all the same.
    if (meta.secret || isReference(value)) redactor.add(resolved);
    return resolved;
  } catch (error) {
    const local = error instanceof GatepostError && error.code === 'secret/missing';
    problems.push({ setting: as, message: sentence(error), local });
    return value;
  }
}

function sentence(error: unknown): string {
  const advice = error instanceof GatepostError && error.advice ? `; ${error.advice}` : '';
  return messageOf(error) + advice;
}

/** All problems as one line. */
export function problemLine(problems: readonly Omit<GatewayProblem, 'local'>[]): string {
  return problems.map(({ setting, message }) => (setting ? `${setting} ${message}` : message)).join('; ');
}
