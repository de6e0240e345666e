// Owns the embedded server's gateways file: from YAML text to the gateways it serves, every problem with its line.
// What a device's settings mean is the drivers' business; here only their form is read.
import { randomUUID } from 'node:crypto';
import { isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import type { Channel, Direction, GatewayInfo } from '../model/message.js';
import type { DeviceSettings } from '../simprot/device.js';
import { type Reading, readEntry, report } from './entry.js';
import { resolve, startOf } from './yaml-nodes.js';

export interface GatewayProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** The gateway's name as far as it is known, null when the whole file is meant. */
  readonly gateway: string | null;
  /** The key or setting that is wrong, null when the whole entry is meant. */
  readonly setting: string | null;
  /** One clause that continues the name: `is missing: ...`. */
  readonly message: string;
}

/** The device of one entry, with the places of its settings; read also when the rest of the entry is wrong. */
export interface DeviceEntry {
  readonly gateway: string;
  readonly channel: Channel | null;
  readonly direction: Direction | null;
  readonly type: string;
  readonly settings: DeviceSettings;
  /** Where the entry begins. */
  readonly line: number;
  readonly deviceLine: number;
  /** The line of a setting (names compared without case), else that of the device. */
  settingLine(name: string): number;
}

export interface GatewayEntry {
  readonly info: GatewayInfo;
  readonly line: number;
  readonly column: number;
  readonly device: DeviceEntry;
}

export interface GatewaysFile {
  /** Those without a problem, in the order of the file. */
  readonly entries: readonly GatewayEntry[];
  /** Of all entries whose device could be read. */
  readonly devices: readonly DeviceEntry[];
  readonly problems: readonly GatewayProblem[];
  /** True when the file as a whole could not be understood, so that `entries` says nothing about what was meant. */
  readonly broken: boolean;
}

/** Far more than hundreds of gateways need. UTF-16 code units. */
export const LONGEST_FILE = 4 * 1024 * 1024;

/** Reads the text of a gateways file; never throws. `newGuid` makes the GUID that is offered in place of a bad one. */
export function readGateways(text: string, file: string, newGuid: () => string = randomUUID): GatewaysFile {
  const lines = new LineCounter();
  const reading: Reading = { file, lines, newGuid, problems: [], devices: [], entries: [], seen: new Map() };
  if (text.length > LONGEST_FILE) {
    report(reading, { at: 0, gateway: null, setting: null }, `is longer than ${LONGEST_FILE} characters`);
    return { ...reading, broken: true };
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  for (const error of document.errors) {
    report(reading, { at: error.pos[0], gateway: null, setting: null }, yamlMessage(error.message));
  }
  if (document.errors.length > 0) return { ...reading, broken: true };
  const list = resolve(document, document.contents);
  if (list === null || (isScalar(list) && list.value === null)) return { ...reading, broken: false };
  if (!isSeq(list)) {
    report(
      reading,
      { at: startOf(list), gateway: null, setting: null },
      'must be a list: each gateway begins with "- id: ..."',
    );
    return { ...reading, broken: true };
  }
  list.items.forEach((item, index) => {
    readEntry(reading, document, item, index);
  });
  return { ...reading, broken: false };
}

/** `config/gateways.yaml:12: gateway "Info mailbox", channel: is "Mail", ...` */
export function formatProblem(problem: GatewayProblem): string {
  const gateway = problem.gateway === null ? '' : ` gateway "${problem.gateway}"`;
  const setting = problem.setting === null ? '' : `${gateway ? ',' : ''} ${problem.setting}`;
  const subject = `${gateway}${setting}`;
  return `${problem.file}:${problem.line}:${subject}${subject ? ': ' : ' '}${problem.message}`;
}

function yamlMessage(message: string): string {
  const advice = /reserved character/.test(message) ? ': put the value in quotes' : '';
  return `is not valid YAML: ${message.replace(/\s+/g, ' ')}${advice}`;
}
