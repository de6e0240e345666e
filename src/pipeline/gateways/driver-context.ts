import type { DeliveryReceipt, DriverState, GatewayContext } from '../../driver/contract.js';
import type { Journal } from '../../journal/types/journal.js';
import type { Redactor } from '../../kit/redact.js';
import type { GatewayConfig } from './config.js';
import type { GatewayDeps } from './gateway.js';

/** What a pipeline wants to be told of its driver. */
export interface DriverHooks {
  /** The counterparty renumbered, and the journal has the new keys. */
  rekeyed?(changes: readonly { from: string; to: string }[]): void;
  /** Puts delivery receipts into the journal; without it they go straight into the journal. */
  reportReceipts?(receipts: readonly DeliveryReceipt[]): Promise<void>;
}

/** No device type word. */
const ALL_DRIVERS = '*';

/** What the driver of a gateway may use. */
export function driverContext(
  { driver, info, settings }: GatewayConfig,
  deps: Pick<
    GatewayDeps,
    | 'clock'
    | 'random'
    | 'log'
    | 'dataDir'
    | 'diskFull'
    | 'journal'
    | 'webhookUrl'
    | 'metrics'
    | 'shared'
    | 'secretStore'
    | 'policy'
    | 'redactor'
  >,
  { rekeyed, reportReceipts }: DriverHooks = {},
): GatewayContext<unknown> {
  return {
    gateway: { id: info.Id, displayName: info.DisplayName ?? info.Id, direction: info.Direction },
    settings,
    clock: deps.clock,
    random: deps.random,
    log: deps.log,
    driverState: driverStateOf(deps.journal, info.Id, info.Direction, rekeyed),
    shared: deps.shared(driver.device),
    accounts: deps.shared(ALL_DRIVERS),
    secretStore: deps.secretStore,
    network: deps.policy.network(driver.device),
    dataDir: deps.dataDir,
    diskFull: deps.diskFull ?? (async () => false),
    webhookUrl: deps.webhookUrl(info.Id),
    reportReceipts:
      reportReceipts ?? ((receipts) => deps.journal.applyReceipts(info.Id, redactedReceipts(receipts, deps.redactor))),
    // The supervisor puts its own in, one for each session.
    reportProblem: () => {},
    inputRejected: (reason) => deps.metrics.inputRejected(info.Id, reason),
  };
}

/** A counterparty may repeat in a receipt what it was told. */
export function redactedReceipts(
  receipts: readonly DeliveryReceipt[],
  { redact }: Pick<Redactor, 'redact'>,
): readonly DeliveryReceipt[] {
  return receipts.map((receipt) => ({ ...receipt, detail: receipt.detail && redact(receipt.detail) }));
}

function driverStateOf(
  journal: Journal,
  id: string,
  direction: 'I' | 'O',
  rekeyed: DriverHooks['rekeyed'],
): DriverState {
  return {
    async statesOf(keys) {
      const records = await journal.recordsOf(id, keys);
      return new Map([...records].map(([key, record]) => [key, record.state]));
    },
    skip: (entries) => journal.skip(id, entries),
    byFingerprint: (fingerprints) => journal.byFingerprint(id, fingerprints),
    async rekey(changes) {
      await journal.rekey(id, changes);
      rekeyed?.(changes);
    },
    getCheckpoint: (name) => journal.getCheckpoint(id, direction, name),
    putCheckpoint: (name, value) => journal.putCheckpoint(id, direction, name, value),
    putRecords: (collection, records) => journal.putRecords(id, collection, records),
    listRecords: (collection, prefix, limit) => journal.listRecords(id, collection, prefix, limit),
    deleteRecords: (collection, keys) => journal.deleteRecords(id, collection, keys),
    isSentId: async (sentId) => (await journal.delivery(id, sentId)) !== null,
  };
}
