// Job records of the gateway, which survive a restart. One send request has at most one record per job in each collection:
//   begun      (prepared) written before JSUBM. Without such a record nothing of the send request can be in HylaFAX's queue.
//   submitted  written once the job is in the queue. A submitted job that is in no queue any more was not unsent.
//   followed   written with `submitted`, deleted when the end of the job is reported.
import { type GatewayContext, messageOf } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { tagOf } from './job-list.js';

const BEGUN = 'begun';
const SUBMITTED = 'submitted';
const FOLLOWED = 'followed';
/** Records read at once; more than any server has jobs. */
const MAX_RECORDS = 10_000;
/** The server repeats a send request within minutes, an operator resolves one within days. */
const RETENTION_MS = 14 * 24 * 3_600_000;

/** The stored key of `messageId` is `order`; records of every version use it. */
const storedRecord = z.object({ job: z.string(), order: z.string(), pages: z.number(), at: z.number() });

export interface JobRecord {
  readonly job: string;
  /** MessageId of the send request. */
  readonly messageId: string;
  /** Pages of the document. */
  readonly pages: number;
  /** When the job was submitted, ms since the epoch. */
  readonly at: number;
}

export interface JobStore {
  /** Rejects when the record cannot be stored: then the job must not be submitted. */
  begin(record: JobRecord): Promise<void>;
  /** The job is in the queue. Never rejects: a journal that cannot write must not turn "submitted" into "unknown". */
  submitted(record: JobRecord): Promise<void>;
  /** The prepared jobs of a send request, oldest first. */
  preparedFor(messageId: string): Promise<JobRecord[]>;
  /** Stays true after the end of the job is reported. */
  isSubmitted(job: string, messageId: string): Promise<boolean>;
  /** The end of the job is reported. Never rejects. */
  ended(job: string): Promise<void>;
  /** The job is certainly not sent and never will be. Never rejects. */
  withdrawn(record: JobRecord): Promise<void>;
  /** Jobs of earlier runs whose end is not reported. */
  followed(): Promise<JobRecord[]>;
}

type StoreContext = Pick<GatewayContext<unknown>, 'driverState' | 'clock' | 'log'>;

export function createJobStore({ driverState, clock, log }: StoreContext): JobStore {
  async function list(collection: string, prefix: string): Promise<StoredJob[]> {
    return (await driverState.listRecords(collection, prefix, MAX_RECORDS)).flatMap(fromStored);
  }

  async function logged(event: string, job: string, work: Promise<unknown>): Promise<void> {
    await work.catch((error) => log.warn({ job, err: messageOf(error) }, event));
  }

  async function deleteOld(collection: string): Promise<void> {
    const old = (await list(collection, '')).filter(({ record }) => clock.now() - record.at > RETENTION_MS);
    const keys = old.map(({ key }) => key);
    if (keys.length > 0) await driverState.deleteRecords(collection, keys);
  }

  async function putSubmitted(record: JobRecord): Promise<void> {
    const value = toStored(record);
    await driverState.putRecords(SUBMITTED, [{ key: keyOf(record), value }]);
    // HylaFAX reuses the ids of jobs, and putRecords leaves a known key as it is.
    await driverState.deleteRecords(FOLLOWED, [record.job]);
    await driverState.putRecords(FOLLOWED, [{ key: record.job, value }]);
  }

  async function deleteBoth(record: JobRecord): Promise<void> {
    await driverState.deleteRecords(SUBMITTED, [keyOf(record)]);
    await driverState.deleteRecords(BEGUN, [keyOf(record)]);
  }

  return {
    begin: (record) => driverState.putRecords(BEGUN, [{ key: keyOf(record), value: toStored(record) }]),
    submitted: (record) => logged('submitted job not stored, restart forgets it', record.job, putSubmitted(record)),
    async preparedFor(messageId) {
      const found = (await list(BEGUN, `${tagOf(messageId)} `)).map(({ record }) => record);
      return found.sort((a, b) => a.at - b.at);
    },
    async isSubmitted(job, messageId) {
      return (await list(SUBMITTED, `${tagOf(messageId)} ${job}`)).some(({ record }) => record.job === job);
    },
    ended: (job) => logged('job record not deleted', job, driverState.deleteRecords(FOLLOWED, [job])),
    withdrawn: (record) => logged('job record not deleted', record.job, deleteBoth(record)),
    async followed() {
      await deleteOld(BEGUN);
      await deleteOld(SUBMITTED);
      return (await list(FOLLOWED, '')).map(({ record }) => record);
    },
  };
}

interface StoredJob {
  readonly key: string;
  readonly record: JobRecord;
}

function keyOf({ messageId, job }: JobRecord): string {
  return `${tagOf(messageId)} ${job}`;
}

function toStored({ messageId, ...rest }: JobRecord): z.output<typeof storedRecord> {
  return { ...rest, order: messageId };
}

function fromStored({ key, value }: { key: string; value: unknown }): StoredJob[] {
  const stored = storedRecord.safeParse(value);
  if (!stored.success) return [];
  const { order, ...rest } = stored.data;
  return [{ key, record: { ...rest, messageId: order } }];
}
