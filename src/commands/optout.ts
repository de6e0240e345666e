// Owns `gatepost optout`: see who does not want messages, enter somebody, take somebody out. The journal belongs to the
// running connector, so changes are asked of it.

import type { JournalReader } from '../journal/open.js';
import { type Clock, isoTime } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import { type OptOutRequest, requestOptOut } from '../pipeline/control-queue.js';
import type { GatewayNames } from './log.js';
import { logTime, type Output, oneLine, table } from './output.js';

export interface OptOutOptions {
  /** As the gateway setting OptOutGroup says, or the id or name of a gateway. */
  group?: string;
}

export interface OptOutDeps {
  journal: Pick<JournalReader, 'optOuts'>;
  names: GatewayNames;
  /** OptOutGroup of the gateways that have one, by gateway id. */
  groups?: ReadonlyMap<string, string>;
  dataDir: string;
  clock: Clock;
  output: Output;
}

export async function optOutList(options: OptOutOptions, deps: OptOutDeps): Promise<number> {
  const { journal, names, output } = deps;
  const entries = await journal.optOuts(options.group === undefined ? undefined : groupOf(options.group, deps));
  if (entries.length === 0) {
    output.say('nobody has opted out\n');
    return 0;
  }
  const rows = entries.map(({ address, group, at, source, detail }) =>
    [address, names.get(group) ?? group, logTime(isoTime(at)), source, detail ?? ''].map(oneLine),
  );
  output.out(table(['address', 'group', 'since (UTC)', 'source', 'detail'], rows));
  return 0;
}

export async function optOutAdd(address: string, options: OptOutOptions, deps: OptOutDeps): Promise<number> {
  if (options.group === undefined) {
    throw new GatepostError('optout/group', 'optout add needs to know for which group of gateways', {
      advice: 'give --group: the OptOutGroup of the gateways, or the id or name of a gateway',
    });
  }
  const request = { group: groupOf(options.group, deps), address: addressOf(address) };
  ask({ ...request, wish: 'out', at: deps.clock.now() }, deps);
  return 0;
}

/** Without a group: out of every group that has this address. */
export async function optOutRemove(address: string, options: OptOutOptions, deps: OptOutDeps): Promise<number> {
  const { journal, clock } = deps;
  const all = await journal.optOuts(options.group === undefined ? undefined : groupOf(options.group, deps));
  const exact = all.filter((entry) => entry.address === address.trim());
  const found = exact.length > 0 ? exact : all.filter((entry) => entry.address === normal(address));
  if (found.length === 0) {
    throw new GatepostError('optout/unknown', `${oneLine(address)} has not opted out${inGroup(options)}`, {
      advice: 'see who has with: gatepost optout list',
    });
  }
  for (const entry of found) ask({ group: entry.group, address: entry.address, wish: 'in', at: clock.now() }, deps);
  return 0;
}

function ask(request: OptOutRequest, { dataDir, names, output }: OptOutDeps): void {
  requestOptOut(dataDir, request);
  const address = oneLine(request.address);
  const group = oneLine(names.get(request.group) ?? request.group);
  const what = request.wish === 'out' ? `gets no more messages from ${group}` : `may get messages from ${group} again`;
  output.out(`${address} ${what}: within a second when gatepost runs, else as soon as it does\n`);
}

const inGroup = ({ group }: OptOutOptions) => (group === undefined ? '' : ` of ${oneLine(group)}`);

/** Send requests are compared with the registry of the gateway's OptOutGroup; without one it is a group of its own, under its id. */
function groupOf(asked: string, { names, groups }: Pick<OptOutDeps, 'names' | 'groups'>): string {
  const wanted = asked.trim().toLowerCase();
  const ids = [...names].filter(([id, name]) => id === wanted || name.toLowerCase() === wanted).map(([id]) => id);
  const [id, ...others] = ids;
  if (others.length > 0) {
    throw new GatepostError('optout/ambiguous', `${ids.length} gateways are called "${oneLine(asked)}"`, {
      advice: `give the id of the one you mean: ${ids.join(', ')}`,
    });
  }
  if (id !== undefined) return groups?.get(id) ?? id;
  if (asked.trim() !== '') return asked.trim();
  throw new GatepostError('optout/group', '--group is empty', {
    advice: 'give the OptOutGroup of the gateways, or the id or name of a gateway',
  });
}

/** What people put into numbers to read them better. */
function normal(address: string): string {
  return address.replace(/[\s()./-]/g, '').replace(/^00/, '+');
}

/** E.164 (`+` and at most 15 digits), or a short code: as send requests are compared with the registry. */
function addressOf(address: string): string {
  const number = normal(address);
  if (/^\+[1-9]\d{6,14}$/.test(number) || /^[1-9]\d{2,7}$/.test(number)) return number;
  throw new GatepostError('optout/address', `"${oneLine(address)}" is no number with its country code`, {
    advice: 'write it as +420601234567; a short code as it is',
  });
}
