import { oneLine } from '../kit/terminal.js';
// The journal belongs to the running connector, so this process only queues the change for it.

import { readRecipient } from '../content/sms/numbers.js';
import type { JournalReader } from '../journal/open.js';
import { type Clock, isoTime } from '../kit/clock.js';
import { GatepostError } from '../kit/errors.js';
import { type OptOutRequest, requestOptOut } from '../pipeline/control-requests.js';
import type { GatewayNames } from './log.js';
import { logTime, type Output } from './output.js';
import { table } from './table.js';

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
    output.say('the opt-out registry is empty\n');
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
    throw new GatepostError('optout/group', 'optout add needs the group of gateways', {
      advice: 'give --group: the OptOutGroup of the gateways, or the id or name of a gateway',
    });
  }
  const request = { group: groupOf(options.group, deps), address: addressOf(address) };
  enqueue({ ...request, wish: 'out', at: deps.clock.now() }, deps);
  return 0;
}

/** Without a group, the address is removed from every group. */
export async function optOutRemove(address: string, options: OptOutOptions, deps: OptOutDeps): Promise<number> {
  const { journal, clock } = deps;
  const all = await journal.optOuts(options.group === undefined ? undefined : groupOf(options.group, deps));
  const exact = all.filter((entry) => entry.address === address.trim());
  const { to } = { to: address.trim(), ...readRecipient(address, undefined) };
  const found = exact.length > 0 ? exact : all.filter((entry) => entry.address === to);
  if (found.length === 0) {
    throw new GatepostError('optout/unknown', `${oneLine(address)} is not in the opt-out registry${inGroup(options)}`, {
      advice: 'list the registry with: gatepost optout list',
    });
  }
  for (const entry of found) enqueue({ group: entry.group, address: entry.address, wish: 'in', at: clock.now() }, deps);
  return 0;
}

function enqueue(request: OptOutRequest, { dataDir, names, output }: OptOutDeps): void {
  requestOptOut(dataDir, request);
  const address = oneLine(request.address);
  const group = oneLine(names.get(request.group) ?? request.group);
  const what = request.wish === 'out' ? `gets no more messages from ${group}` : `may get messages from ${group} again`;
  output.out(`${address} ${what}: within a second while gatepost runs, otherwise when it is started\n`);
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

/** The address as the outbound pipeline compares it with the registry: E.164, or a short code as it is. */
function addressOf(address: string): string {
  const recipient = readRecipient(address, undefined);
  if (recipient.ok) return recipient.to;
  throw new GatepostError('optout/address', `"${oneLine(address)}" is neither a phone number nor a short code`, {
    advice: 'write the number with its country code, for example +420601234567; a short code as it is',
  });
}
