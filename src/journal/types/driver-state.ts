import type { GatewayId } from './inbound.js';

export interface DriverRecord {
  key: string;
  value: unknown;
  at: number;
}

/** Nobody but the driver removes them. */
export interface DriverRecords {
  /** A known key is left as it is. 256 KB of JSON each at most: `journal/too-large`, and none is kept. In slices, as `ignore`. */
  putRecords(
    gatewayId: GatewayId,
    collection: string,
    records: readonly { key: string; value: unknown }[],
  ): Promise<void>;
  /** By key, those beginning with `prefix`, at most `limit` (10,000). */
  listRecords(
    gatewayId: GatewayId,
    collection: string,
    prefix: string,
    limit: number,
  ): Promise<readonly DriverRecord[]>;
  deleteRecords(gatewayId: GatewayId, collection: string, keys: readonly string[]): Promise<void>;
}
