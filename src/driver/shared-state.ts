import type { Shared } from './contract.js';

/** The shared state of one service: one map of values for each device type word. */
export type SharedByDevice = (device: string) => Shared;

export function sharedByDevice(): SharedByDevice {
  const devices = new Map<string, Map<string, unknown>>();
  return (device) => {
    const values = devices.get(device) ?? new Map<string, unknown>();
    devices.set(device, values);
    return <T>(key: string, make: () => T): T => {
      if (!values.has(key)) values.set(key, make());
      // Only the driver's own `make` fills the key, so the value has the type that the driver asks for.
      return values.get(key) as T;
    };
  };
}
