import { type Document, isMap, isScalar, type LineCounter, type YAMLMap } from 'yaml';
import { nearest } from '../kit/nearest.js';
import type { Channel, Direction, GatewayInfo } from '../model/message.js';
import { formatDevice, parseDevice } from '../simprot/device.js';
import { guid } from '../simprot/messages.js';
import type { DeviceEntry, GatewayEntry, GatewayProblem } from './gateways-file.js';
import { isEmpty, type Member, membersOf, resolve, startOf } from './yaml-nodes.js';

export const DEFAULT_PEER_ADDRESS = '@gatepost';

const KEYS = ['id', 'displayName', 'channel', 'direction', 'device', 'peerAddress', 'languageId'] as const;
type Key = (typeof KEYS)[number];
const FILE_CHANNELS = ['Email', 'SMS', 'Fax'] as const;

const EXAMPLES: Readonly<Record<Key, string>> = {
  id: 'the GUID of the gateway',
  displayName: 'the name that agents see',
  channel: FILE_CHANNELS.join(', ').replace(/, (\w+)$/, ' or $1'),
  direction: 'I for inbound or O for outbound',
  device: `for example device: 'ImapHost { "Host": "mail.example.com" }'`,
  peerAddress: 'the SimProt address of the connector, "@gatepost" unless told otherwise',
  languageId: 'the GUID of a language',
};

/** One file while it is read. */
export interface Reading {
  file: string;
  lines: LineCounter;
  newGuid: () => string;
  problems: GatewayProblem[];
  devices: DeviceEntry[];
  entries: GatewayEntry[];
  /** Keys (id and direction) seen so far, with the line of the first. */
  seen: Map<string, number>;
}

export interface Location {
  at: number;
  gateway: string | null;
  setting: string | null;
}

/** One entry while it is read: its members, what it is called, and where it begins. */
interface Item {
  reading: Reading;
  document: Document.Parsed;
  members: Map<string, Member>;
  label: string;
  at: number;
}

export function readEntry(reading: Reading, document: Document.Parsed, node: unknown, index: number): void {
  const map = resolve(document, node);
  const label = `number ${index + 1}`;
  if (!isMap(map)) {
    report(
      reading,
      { at: startOf(map), gateway: label, setting: null },
      `is not a map: write it as ${KEYS[0]}: ..., ${KEYS[1]}: ...`,
    );
    return;
  }
  const item: Item = { reading, document, members: membersOf(document, map), label, at: startOf(map) };
  item.label = plain(item, 'displayName') || plain(item, 'id') || label;
  const before = reading.problems.length;
  for (const [name, member] of item.members) if (!isKey(name)) wrong(item, name, unknownKey(name), member.keyAt);
  const info = readInfo(item);
  const device = readDevice(item, info);
  if (device) reading.devices.push(device);
  const { Id, Channel, Direction } = info;
  if (Id && Direction) claim(item, Id, Direction);
  if (reading.problems.length > before || !device || !Id || !Channel || !Direction) return;
  const location = reading.lines.linePos(item.at);
  const Device = formatDevice(device.type, device.settings);
  reading.entries.push({
    info: { ...info, Id, Channel, Direction, Device },
    line: location.line,
    column: location.col,
    device,
  });
}

type Half = Omit<GatewayInfo, 'Id' | 'Channel' | 'Direction' | 'Device'> & {
  Id: string | undefined;
  Channel: Channel | undefined;
  Direction: Direction | undefined;
};

function readInfo(item: Item): Half {
  const languageId = item.members.has('languageId') ? readGuid(item, 'languageId') : null;
  return {
    Id: readGuid(item, 'id'),
    DisplayName: readText(item, 'displayName') ?? null,
    Channel: readWord(item, 'channel', FILE_CHANNELS),
    Direction: readDirection(item),
    PeerAddress: readPeerAddress(item),
    LanguageId: languageId ?? null,
  };
}

function readGuid(item: Item, key: Key): string | undefined {
  const text = readText(item, key);
  if (text === undefined) return undefined;
  const parsed = guid.safeParse(text);
  if (parsed.success) return parsed.data;
  const fresh = key === 'id' ? `; here is a fresh one: ${item.reading.newGuid()}` : '';
  wrong(item, key, `is "${short(text)}", which is not a GUID (8-4-4-4-12 hexadecimal digits)${fresh}`);
  return undefined;
}

function readWord<Word extends string>(item: Item, key: Key, words: readonly Word[]): Word | undefined {
  const text = readText(item, key);
  if (text === undefined) return undefined;
  const found = words.find((word) => word.toLowerCase() === text.toLowerCase());
  if (!found) wrong(item, key, `is "${short(text)}" and must be ${EXAMPLES[key]}`);
  return found;
}

function readDirection(item: Item): Direction | undefined {
  if (/^b$/i.test(plain(item, 'direction'))) {
    wrong(item, 'direction', 'is B: write two entries with the same id, one with direction I and one with direction O');
    return undefined;
  }
  return readWord(item, 'direction', ['I', 'O']);
}

function readPeerAddress(item: Item): string {
  if (!item.members.has('peerAddress')) return DEFAULT_PEER_ADDRESS;
  const text = readText(item, 'peerAddress') ?? DEFAULT_PEER_ADDRESS;
  if (!/^[@=~!]\S/.test(text)) {
    wrong(
      item,
      'peerAddress',
      `is "${short(text)}" and must begin with @ (account), = (extension), ~ (right) or ! (application)`,
    );
  }
  return text;
}

/** A key of an entry is the text it stands for; missing and empty ones are reported. */
function readText(item: Item, key: Key): string | undefined {
  const member = item.members.get(key);
  const text = plain(item, key);
  if (text !== '') return text;
  if (!member || isEmpty(member.node)) wrong(item, key, `is missing: ${EXAMPLES[key]}`);
  else wrong(item, key, `must be a text: ${EXAMPLES[key]}`);
  return undefined;
}

function plain(item: Item, key: Key): string {
  const node = item.members.get(key)?.node;
  if (!isScalar(node) || node.value === null || node.value === undefined) return '';
  // The source, because 007 or 1e3 as a name is those letters, not a number.
  const source = typeof node.value === 'string' ? node.value : (node.source ?? String(node.value));
  return source.trim();
}

function readDevice(item: Item, { Channel: channel, Direction: direction }: Half): DeviceEntry | undefined {
  const member = item.members.get('device');
  if (!member || isEmpty(member.node)) {
    wrong(item, 'device', `is missing: ${EXAMPLES.device}`);
    return undefined;
  }
  const { reading } = item;
  const common = {
    gateway: item.label,
    channel: channel ?? null,
    direction: direction ?? null,
    line: reading.lines.linePos(item.at).line,
    deviceLine: reading.lines.linePos(startOf(member.node)).line,
  };
  if (isMap(member.node)) return readDeviceMap(item, member.node, common);
  const parsed = parseDevice(plain(item, 'device'));
  if (parsed.ok)
    return { ...common, type: parsed.type, settings: parsed.settings, settingLine: () => common.deviceLine };
  wrong(item, 'device', parsed.message, startOf(member.node));
  return undefined;
}

type Common = Pick<DeviceEntry, 'gateway' | 'channel' | 'direction' | 'line' | 'deviceLine'>;

function readDeviceMap(item: Item, map: YAMLMap, common: Common): DeviceEntry | undefined {
  const members = membersOf(item.document, map);
  const word = members.get('type')?.node;
  if (!isScalar(word) || typeof word.value !== 'string' || !/^[A-Za-z0-9_]+$/.test(word.value)) {
    wrong(item, 'device', 'needs a type word: type: ImapHost', startOf(word ?? map));
    return undefined;
  }
  const { type: _type, ...settings }: Record<string, unknown> = map.toJS(item.document);
  const settingLine = (name: string) => lineOf(item, map, name.split('.')) ?? common.deviceLine;
  return { ...common, type: word.value, settings, settingLine };
}

/** `Mailbox`, `Host` is the line of Host inside Mailbox, or of Mailbox when that holds none. */
function lineOf(item: Item, map: YAMLMap, [name = '', ...inside]: readonly string[]): number | undefined {
  const found = [...membersOf(item.document, map)].find(([given]) => given.toLowerCase() === name.toLowerCase());
  if (!found) return undefined;
  const [, { node, keyAt }] = found;
  const deeper = inside.length > 0 && isMap(node) ? lineOf(item, node, inside) : undefined;
  return deeper ?? item.reading.lines.linePos(keyAt).line;
}

/** (Id, Direction) is the key of a gateway: a second entry with the same one is a mistake. */
function claim(item: Item, id: string, direction: Direction): void {
  const { seen, lines } = item.reading;
  const key = `${id} ${direction}`;
  const first = seen.get(key);
  if (first === undefined) seen.set(key, lines.linePos(item.at).line);
  else
    wrong(item, 'id', `and direction ${direction} are those of the gateway in line ${first} already: ids must differ`);
}

function isKey(name: string): name is Key {
  return KEYS.some((key) => key === name);
}

function unknownKey(name: string): string {
  const near = nearest(name, KEYS);
  return near
    ? `is not a key of a gateway; did you mean "${near}"?`
    : `is not a key of a gateway; there are ${KEYS.join(', ')}`;
}

function wrong(item: Item, setting: string, message: string, at?: number): void {
  const member = item.members.get(setting);
  report(item.reading, { at: at ?? member?.keyAt ?? item.at, gateway: item.label, setting }, message);
}

export function report({ file, lines, problems }: Reading, { at, gateway, setting }: Location, message: string): void {
  const { line, col } = lines.linePos(at);
  problems.push({ file, line: Math.max(1, line), column: Math.max(1, col), gateway, setting, message });
}

function short(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
