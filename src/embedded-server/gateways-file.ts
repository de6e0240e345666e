import type { Channel, Direction, GatewayInfo } from '../model/message.js';
import type { DeviceSettings } from '../simprot/device.js';

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
