import { readFileSync } from 'node:fs';
import type { Config } from '../config.js';
import { formatProblem, readGateways } from '../embedded-server/gateways.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import { utf8Text } from '../kit/utf8-file.js';
import type { GatewayInfo } from '../model/message.js';
import { fetchGateways } from './fetch-gateways.js';

type ListDeps = Parameters<typeof fetchGateways>[1];

/** The gateways as the contact-center server, or the file of the embedded one, has them. */
export async function gatewaysOf(config: Config, deps: ListDeps): Promise<GatewayInfo[]> {
  if (config.server.mode === 'remote') return fetchGateways(config, deps);
  const file = config.frontdesk.gateways;
  const { entries, problems } = readGateways(textOf(file), file);
  const [first] = problems;
  if (entries.length > 0 || !first) return entries.map((entry) => entry.info);
  const more = problems.length > 1 ? ` and ${problems.length - 1} more` : '';
  throw new GatepostError('test/unreadable', `no gateway in ${file} is usable: ${formatProblem(first)}${more}`, {
    advice: `run "gatepost check ${file}" to see every problem`,
  });
}

function textOf(file: string): string {
  try {
    return utf8Text(readFileSync(file), file);
  } catch (error) {
    throw new GatepostError('test/unreadable', `cannot read the gateways in ${file}: ${messageOf(error)}`, {
      advice: 'name the configuration with --config',
      cause: error,
    });
  }
}

/** Those with this id, display name or beginning of an id. Throws when there is none. */
export function matching(infos: readonly GatewayInfo[], name: string, direction: string | undefined): GatewayInfo[] {
  const wanted = name.toLowerCase();
  const same = (info: GatewayInfo) => !direction || info.Direction === direction.toUpperCase();
  const exact = infos.filter((info) => info.Id === wanted || info.DisplayName?.toLowerCase() === wanted);
  const found = (exact.length > 0 ? exact : infos.filter((info) => info.Id.startsWith(wanted))).filter(same);
  if (found.length > 0) return found;
  const known = infos.map((info) => `${info.DisplayName ?? info.Id} (${info.Direction})`).join(', ');
  throw new GatepostError('test/unknown-gateway', `there is no gateway "${name}"`, {
    advice: known ? `known are ${known}` : 'the list of gateways is empty',
  });
}
