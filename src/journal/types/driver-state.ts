import type { GatewayId } from './inbound.js';

export interface DriverRecord {
  key: string;
  value: unknown;
  at: number;
}

/** Only the driver removes them. */
export interface DriverRecords {
  /** A known key is left as it is. 256 KB of JSON each at most: else `journal/too-large`, and none is stored. In slices, as `skip`. */
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
