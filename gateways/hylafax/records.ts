// Owns what is remembered of jobs over restarts: that one was about to be submitted for a send request, that it was submitted, and
// that it was and has not been seen to end.
import { type GatewayContext, messageOf } from '../../src/driver/contract.js';
import { z } from '../../src/driver/settings.js';
import { tagOf } from './jobs.js';

/** About to be submitted: without such a note, nothing of a send request is in the queue. Kept for as long as somebody may ask. */
const BEGUN = 'begun';
/** Submitted, whatever became of it: such a one is not taken for unsent because it is in no queue. Kept as long. */
const SUBMITTED = 'submitted';
/** Submitted, and its end not told. */
const FOLLOWED = 'followed';
/** Read at a start. More than any server has under way. */
const MOST = 10_000;
/** A send request is asked about within minutes, or by a person within days. */
const KEEP_MS = 14 * 24 * 3_600_000;

const schema = z.object({ job: z.string(), sendRequest: z.string(), pages: z.number(), at: z.number() });

export interface JobRecord {
  readonly job: string;
  readonly sendRequest: string;
  /** Pages of the document. */
  readonly pages: number;
  /** When it was submitted, ms since the epoch. */
  readonly at: number;
}

export interface Records {
  /** Rejects when it cannot be kept: then nothing may be submitted. */
  begin(record: JobRecord): Promise<void>;
  /** The job is in the queue. Never rejects: a journal that cannot write must not turn "submitted" into doubt. */
  submitted(record: JobRecord): Promise<void>;
  /** What was about to be submitted for a send request, oldest first. */
  begunFor(sendRequest: string): Promise<JobRecord[]>;
  /** Also when its end is told. */
  isSubmitted(job: string, sendRequest: string): Promise<boolean>;
  /** The end is told. */
  ended(job: string): Promise<void>;
  /** It is sure that nothing came or will come of it. */
  withdrawn(record: JobRecord): Promise<void>;
  /** Submitted earlier, and their ends not told. */
  open(): Promise<JobRecord[]>;
}

export function records({
  driverState,
  clock,
  log,
}: Pick<GatewayContext<unknown>, 'driverState' | 'clock' | 'log'>): Records {
  const keyOf = ({ sendRequest, job }: JobRecord) => `${tagOf(sendRequest)} ${job}`;
  const read = async (collection: string, prefix: string) =>
    (await driverState.listRecords(collection, prefix, MOST)).flatMap(({ key, value }) => {
      const record = schema.safeParse(value);
      return record.success ? [{ key, record: record.data }] : [];
    });
  const quietly = (what: string, work: Promise<unknown>) =>
    work.then(
      () => {},
      (error) => log.warn({ error: messageOf(error) }, what),
    );
  const sweep = async (collection: string) => {
    const old = (await read(collection, '')).filter(({ record }) => clock.now() - record.at > KEEP_MS);
    const keys = old.map(({ key }) => key);
    if (keys.length > 0) await driverState.deleteRecords(collection, keys);
  };
  return {
    begin: (record) => driverState.putRecords(BEGUN, [{ key: keyOf(record), value: record }]),
    submitted(record) {
      // Ids of jobs come round again, and a key that is known would be left as it is.
      const work = driverState
        .putRecords(SUBMITTED, [{ key: keyOf(record), value: record }])
        .then(() => driverState.deleteRecords(FOLLOWED, [record.job]))
        .then(() => driverState.putRecords(FOLLOWED, [{ key: record.job, value: record }]));
      return quietly(`job ${record.job} could not be noted: after a restart its end would not be told`, work);
    },
    async begunFor(sendRequest) {
      const found = (await read(BEGUN, `${tagOf(sendRequest)} `)).map(({ record }) => record);
      return found.sort((a, b) => a.at - b.at);
    },
    async isSubmitted(job, sendRequest) {
      return (await read(SUBMITTED, `${tagOf(sendRequest)} ${job}`)).some(({ record }) => record.job === job);
    },
    ended: (job) => quietly(`the note of job ${job} could not be removed`, driverState.deleteRecords(FOLLOWED, [job])),
    withdrawn: (record) =>
      quietly(
        `the note of job ${record.job} could not be removed`,
        driverState
          .deleteRecords(SUBMITTED, [keyOf(record)])
          .then(() => driverState.deleteRecords(BEGUN, [keyOf(record)])),
      ),
    async open() {
      await sweep(BEGUN);
      await sweep(SUBMITTED);
      return (await read(FOLLOWED, '')).map(({ record }) => record);
    },
  };
}
