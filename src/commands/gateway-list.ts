import { readFileSync } from 'node:fs';
import type { Config } from '../config.js';
import { readGateways } from '../embedded-server/gateways.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import type { GatewayInfo } from '../model/message.js';
import { fetchGateways } from './fetch-gateways.js';

type ListDeps = Parameters<typeof fetchGateways>[1];

/** The gateways as the contact-center server, or the file of the embedded one, has them. */
export async function gatewaysOf(config: Config, deps: ListDeps): Promise<GatewayInfo[]> {
  if (config.server.mode === 'remote') return fetchGateways(config, deps);
  try {
    const file = config.frontdesk.gateways;
    return readGateways(readFileSync(file, 'utf8'), file).entries.map((entry) => entry.info);
  } catch (error) {
    throw new GatepostError(
      'test/unreadable',
      `cannot read the gateways in ${config.frontdesk.gateways}: ${messageOf(error)}`,
      {
        advice: 'name the configuration with --config',
        cause: error,
      },
    );
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
