// No fax is queued twice: lost replies, crashes, repeated attempts, jobs that vanish from the queues.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attemptOf } from '../../test/conformance/context.js';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import {
  attemptNumber,
  faxOf,
  type HylafaxFixture,
  hylafaxFixture,
  SEND_REQUEST,
  untilReceipts,
} from '../../test/servers/hylafax-fixture.js';
import type { ScriptJob } from '../../test/servers/hylafax-script.js';

let fixture: HylafaxFixture;
beforeEach(async () => {
  fixture = await hylafaxFixture();
});
afterEach(() => fixture.close());

const idle = () => {};

describe('no fax is queued twice', () => {
  const losing = (when: 'before' | 'after') => {
    fixture.server.trouble = (command) => (command === 'JSUBM' ? { is: 'lost', when } : undefined);
  };

  it('finds a submission whose reply was lost by its tag', async () => {
    losing('after');
    const sender = await fixture.sender();
    expect(await sender.send()).toMatchObject({ kind: 'unknown', ids: ['1'] });
    fixture.server.trouble = undefined;
    expect(await sender.lookup()).toMatchObject({ kind: 'sent', deliverySystemId: '1', state: 'delivered' });
    expect(fixture.server.jobs).toHaveLength(1);
  });

  it('defers a submission that never arrived, and the next attempt makes the only job', async () => {
    losing('before');
    const sender = await fixture.sender();
    expect(await sender.send()).toMatchObject({ kind: 'unknown' });
    fixture.server.trouble = undefined;
    expect(await sender.lookup()).toMatchObject({ kind: 'deferred' });
    expect(await sender.send(faxOf(), attemptNumber(2))).toMatchObject({ kind: 'sent', state: 'delivered' });
    expect(fixture.server.jobs).toHaveLength(1);
  });

  it('tracks a submission whose reply was lost and reports its end', async () => {
    losing('after');
    fixture.server.work = idle;
    expect(await (await fixture.sender()).send()).toMatchObject({ kind: 'unknown', ids: ['1'] });
    fixture.server.trouble = undefined;
    fixture.change(await fixture.job(), { state: 'D', sent: 1, dials: 1 });
    await untilReceipts(fixture.receipts, 1);
    expect(fixture.receipts).toMatchObject([{ id: '1', state: 'delivered' }]);
  });

  it.each([
    ['deferred when the job can be deleted', '', 'deferred'],
    ['unknown when the job cannot be deleted', '504 Cannot delete job 1.', 'unknown'],
  ])('a job that the scheduler did not confirm is %s', async (_, reply, kind) => {
    fixture.server.trouble = (command) => {
      if (command === 'JSUBM') return { is: 'says', reply: '460 Failed to submit job 1: no response.' };
      return command === 'JDELE 1' && reply !== '' ? { is: 'says', reply } : undefined;
    };
    expect(await (await fixture.sender()).send()).toMatchObject({ kind });
    expect(fixture.server.commands).toContain('JDELE 1');
  });

  it('the failure of an earlier attempt does not decide a later one that never arrived', async () => {
    fixture.ends({ status: 'Busy signal detected' });
    const sender = await fixture.sender();
    expect(await sender.send()).toMatchObject({ kind: 'rejected' });
    losing('before');
    expect(await sender.send(faxOf(), attemptNumber(2))).toMatchObject({ kind: 'unknown', ids: ['2'] });
    fixture.server.trouble = undefined;
    expect(await sender.lookup(faxOf(), attemptNumber(2))).toMatchObject({ kind: 'deferred' });
  });

  it('defers a send request without any record', async () => {
    expect(await (await fixture.sender()).lookup()).toMatchObject({ kind: 'deferred' });
  });

  it('deletes a draft that a crash left behind before the fax is sent again', async () => {
    const sender = await fixture.sender();
    fixture.server.trouble = (command) =>
      command === 'JSUBM' ? { is: 'says', reply: '200 Job 1 submitted.' } : undefined;
    const attempt = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(), attempt);
    await fixture.server.until('a listing of the queue', /^LIST doneq/);
    attempt.abort();
    await outcome;
    // As if the server had stopped during the submission, and the gateway before the reply.
    fixture.server.jobs.splice(0, 9, { ...draft('1'), tag: SEND_REQUEST });
    await fixture.driverState.deleteRecords('followed', ['1']);
    await fixture.driverState.deleteRecords('submitted', [`${SEND_REQUEST} 1`]);
    fixture.server.trouble = undefined;
    expect(await sender.lookup()).toMatchObject({ kind: 'deferred' });
    expect(fixture.server.jobs).toHaveLength(0);
  });

  it('leaves a job that an operator suspended, and waits for it', async () => {
    fixture.server.work = idle;
    const sender = await fixture.sender();
    const attempt = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(), attempt);
    (await fixture.submitted()).state = 'T';
    attempt.abort();
    expect(await outcome).toMatchObject({ kind: 'sent', state: 'accepted' });
    const asked = attemptOf(SEND_REQUEST);
    const listings = () => fixture.server.commands.filter((command) => command === 'LIST doneq').length;
    const before = listings();
    const found = sender.lookup(faxOf(), asked);
    await waitFor('the lookup, and a listing of the queue after it', () => listings() >= before + 3);
    asked.abort();
    expect(await found).toMatchObject({ kind: 'sent', detail: expect.stringContaining('suspended by an operator') });
    expect(fixture.server.jobs).toHaveLength(1);
  });

  it('another attempt waits for the job of the earlier attempt that is in progress', async () => {
    fixture.server.work = idle;
    const sender = await fixture.sender();
    const first = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(), first);
    const job = await fixture.submitted();
    first.abort();
    await outcome;
    const second = sender.send(faxOf(), attemptNumber(2));
    fixture.change(job, { state: 'D', sent: 1, dials: 1 });
    expect(await second).toMatchObject({ kind: 'sent', deliverySystemId: '1', state: 'delivered' });
    expect(fixture.server.jobs).toHaveLength(1);
  });

  it('another attempt gets a job of its own when the earlier job failed', async () => {
    fixture.ends({ status: 'Busy signal detected' });
    const sender = await fixture.sender();
    await sender.send();
    fixture.ends({ state: 'D', sent: 1 });
    expect(await sender.send(faxOf(), attemptNumber(2))).toMatchObject({ kind: 'sent', deliverySystemId: '2' });
  });

  it('does not call a submitted job unsent because it is in no queue', async () => {
    fixture.server.work = idle;
    const sender = await fixture.sender();
    const attempt = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(), attempt);
    await fixture.submitted();
    attempt.abort();
    await outcome;
    fixture.server.jobs.splice(0, 1);
    await sender.close();
    expect(await (await fixture.sender()).lookup()).toBe('not found');
  });

  const prepared = async (minutesAgo: number) => {
    const value = { job: '7', order: SEND_REQUEST, pages: 1, at: Date.now() - minutesAgo * 60_000 };
    await fixture.driverState.putRecords('begun', [{ key: `${SEND_REQUEST} 7`, value }]);
    return fixture.sender();
  };

  it('does not call a job unsent that was submitted longer ago than HylaFAX shows ended jobs', async () => {
    expect(await (await prepared(11)).lookup()).toBe('not found');
  });

  it('defers a job that was submitted a moment ago and is in no queue', async () => {
    expect(await (await prepared(1)).lookup()).toMatchObject({ kind: 'deferred' });
  });

  it('deletes old records', async () => {
    await prepared(15 * 24 * 60);
    expect(await fixture.driverState.listRecords('begun', '', 9)).toEqual([]);
  });

  it('does not call a job unsent that vanished while the send was waiting', async () => {
    fixture.server.work = idle;
    const sender = await fixture.sender();
    const outcome = sender.send();
    await fixture.submitted();
    fixture.server.jobs.splice(0, 1);
    expect(await outcome).toMatchObject({ kind: 'unknown', ids: ['1'] });
    expect(await sender.lookup()).toBe('not found');
    expect(fixture.server.jobs).toEqual([]);
  });

  it('returns an end that comes before the journal has stored the job to the waiting send', async () => {
    await fixture.close();
    const driverState = createDriverState();
    // Longer than a listing of the queues takes.
    const slow = async () => {
      for (let time = 0; time < 3; time++) await fixture.check('O');
    };
    fixture = await hylafaxFixture({
      driverState: {
        ...driverState,
        putRecords: async (collection, records) => {
          if (collection === 'followed') await slow();
          return driverState.putRecords(collection, records);
        },
      },
    });
    expect(await (await fixture.sender()).send()).toMatchObject({ kind: 'sent', state: 'delivered' });
    expect(fixture.receipts).toEqual([]);
  });

  it('does not submit a job that the journal cannot store', async () => {
    await fixture.close();
    const driverState = { ...createDriverState(), putRecords: () => Promise.reject(new Error('the disk is full')) };
    fixture = await hylafaxFixture({ driverState });
    expect(await (await fixture.sender()).send()).toMatchObject({
      kind: 'deferred',
      detail: expect.stringContaining('the disk is full'),
    });
    expect(fixture.server.commands).not.toContain('JSUBM');
  });
});

function draft(id: string): ScriptJob {
  const counts = { sent: 0, pages: 1, dials: 0, maxDials: 12 };
  const words = { tag: '', status: '', number: '', document: Buffer.alloc(0), parameters: new Map<string, string>() };
  return { id, state: 'T', ...counts, ...words };
}
