import { readFileSync } from 'node:fs';
import { type DeviceEntry, type GatewayEntry, readGateways } from '../embedded-server/gateways.js';
import { codeOf, GatepostError, messageOf } from '../kit/errors.js';
import { utf8Text } from '../kit/utf8-file.js';
import {
  type GatewayConfig,
  type GatewayConfigDeps,
  type GatewayProblem,
  resolveGateway,
} from '../pipeline/gateways/config.js';
import { isLoopbackHost } from '../pipeline/gateways/policy/hosts.js';
import type { GatewayPolicy } from '../pipeline/gateways/policy/policy.js';
import type { Output } from './output.js';

interface Finding {
  line: number;
  gateway: string | null;
  setting: string | null;
  message: string;
}

export interface CheckDeps extends GatewayConfigDeps {
  policy: GatewayPolicy;
}

export async function checkCommand(file: string, deps: CheckDeps, { out }: Output): Promise<number> {
  const { entries, devices, problems } = readGateways(readText(file), file);
  const findings: Finding[] = problems.map((problem) => ({ ...problem }));
  const notes: Finding[] = [];
  for (const device of devices) {
    for (const found of await findingsOf(device, entries, deps)) (found.local ? notes : findings).push(found);
  }
  findings.sort((a, b) => a.line - b.line);
  for (const finding of findings) out(`${file}:${finding.line}: ${sentence(finding)}\n`);
  for (const note of notes) out(`${file}:${note.line}: note: ${sentence(note)}\n`);
  const gateways = `${entries.length} gateway${entries.length === 1 ? '' : 's'}`;
  out(
    findings.length === 0
      ? `${file}: ${gateways}, no problems\n`
      : `${file}: ${findings.length} problem${findings.length === 1 ? '' : 's'}\n`,
  );
  return findings.length === 0 ? 0 : 1;
}

async function findingsOf(
  device: DeviceEntry,
  entries: readonly GatewayEntry[],
  deps: CheckDeps,
): Promise<(Finding & { local: boolean })[]> {
  // Entries with another fault are checked too, so that one run shows every problem of the file.
  const entry = entries.find((candidate) => candidate.device === device);
  const info = entry?.info ?? {
    Id: '00000000-0000-0000-0000-000000000000',
    Channel: device.channel ?? ('Email' as const),
    Direction: device.direction ?? ('I' as const),
    Device: `${device.type} ${JSON.stringify(device.settings)}`,
  };
  const result = await resolveGateway(info, deps);
  const refused = result.ok ? await refusedBy(deps.policy, result.config) : result.problems;
  const notes = result.ok && entry ? plaintextNotes(result.config) : [];
  const problems = [...refused, ...notes];
  return (
    problems
      // What is unreadable in the entry is no reason to find that the device does not fit it.
      .filter(({ about }) => entry || about === undefined || device[about] !== null)
      .map(({ setting, message, local }) => ({
        line: setting ? device.settingLine(setting) : device.deviceLine,
        gateway: device.gateway,
        setting,
        message,
        local,
      }))
  );
}

/** Settings whose secrets cross a network unprotected: no mistake, but worth saying. */
function plaintextNotes({ driver, settings }: GatewayConfig): GatewayProblem[] {
  const open = (driver.destinations?.(settings) ?? []).filter(
    ({ host, isProtected, secrets }) => !isProtected && secrets.length > 0 && !isLoopbackHost(host),
  );
  return open.map(({ host }) => ({
    setting: null,
    local: true,
    message: `the connection to ${host} has no TLS with a verified certificate: everybody on the way reads passwords and messages`,
  }));
}

async function refusedBy(policy: GatewayPolicy, config: GatewayConfig) {
  return (await policy.problemsOf(config)).map((problem) => ({ ...problem, local: false, about: undefined }));
}

function sentence({ gateway, setting, message }: Finding): string {
  return [gateway === null ? null : `gateway "${gateway}"`, setting]
    .filter(Boolean)
    .join(', ')
    .concat(gateway || setting ? ': ' : '', message);
}

function readText(file: string): string {
  try {
    return utf8Text(readFileSync(file), file);
  } catch (error) {
    if (codeOf(error) === 'file/not-utf8') throw error;
    throw new GatepostError('check/unreadable', `cannot read ${file}: ${messageOf(error)}`, {
      advice: 'give the path of a gateways file, for example config/gateways.yaml',
      cause: error,
    });
  }
}
