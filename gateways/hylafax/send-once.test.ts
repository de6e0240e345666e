// That nothing is queued twice: lost answers, crashes, repeats, jobs that nobody finds any more.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attemptOf } from '../../test/conformance/context.js';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import {
  attemptNumber,
  faxOf,
  type HylafaxBed,
  hylafaxBed,
  SEND_REQUEST,
  untilReceipts,
} from '../../test/servers/hylafax-fixture.js';
import type { ScriptJob } from '../../test/servers/hylafax-script.js';

let bed: HylafaxBed;
beforeEach(async () => {
  bed = await hylafaxBed();
});
afterEach(() => bed.close());

const idle = () => {};

describe('nothing is queued twice', () => {
  const losing = (when: 'before' | 'after') => {
    bed.server.trouble = (command) => (command === 'JSUBM' ? { is: 'lost', when } : undefined);
  };

  it('a submission whose answer is lost is found again by the tag', async () => {
    losing('after');
    const sender = await bed.sender();
    expect(await sender.send()).toMatchObject({ kind: 'unknown', ids: ['1'] });
    bed.server.trouble = undefined;
    expect(await sender.lookup()).toMatchObject({ kind: 'sent', deliverySystemId: '1', state: 'delivered' });
    expect(bed.server.jobs).toHaveLength(1);
  });

  it('a submission that never arrived is surely not sent, and the next try is the only job', async () => {
    losing('before');
    const sender = await bed.sender();
    expect(await sender.send()).toMatchObject({ kind: 'unknown' });
    bed.server.trouble = undefined;
    expect(await sender.lookup()).toMatchObject({ kind: 'deferred' });
    expect(await sender.send(faxOf(), attemptNumber(2))).toMatchObject({ kind: 'sent', state: 'delivered' });
    expect(bed.server.jobs).toHaveLength(1);
  });

  it('a submission whose answer is lost is followed, and its end told', async () => {
    losing('after');
    bed.server.work = idle;
    expect(await (await bed.sender()).send()).toMatchObject({ kind: 'unknown', ids: ['1'] });
    bed.server.trouble = undefined;
    bed.change(await bed.job(), { state: 'D', sent: 1, dials: 1 });
    await untilReceipts(bed.receipts, 1);
    expect(bed.receipts).toMatchObject([{ id: '1', state: 'delivered' }]);
  });

  it.each([
    ['taken back', '', 'deferred'],
    ['in doubt when it cannot be taken back', '504 Cannot delete job 1.', 'unknown'],
  ])('a job that the scheduler did not answer for is %s', async (_, reply, kind) => {
    bed.server.trouble = (command) => {
      if (command === 'JSUBM') return { is: 'says', reply: '460 Failed to submit job 1: no response.' };
      return command === 'JDELE 1' && reply !== '' ? { is: 'says', reply } : undefined;
    };
    expect(await (await bed.sender()).send()).toMatchObject({ kind });
    expect(bed.server.commands).toContain('JDELE 1');
  });

  it('the failure of an earlier try says nothing about a later one that never arrived', async () => {
    bed.ends({ status: 'Busy signal detected' });
    const sender = await bed.sender();
    expect(await sender.send()).toMatchObject({ kind: 'rejected' });
    losing('before');
    expect(await sender.send(faxOf(), attemptNumber(2))).toMatchObject({ kind: 'unknown', ids: ['2'] });
    bed.server.trouble = undefined;
    expect(await sender.lookup(faxOf(), attemptNumber(2))).toMatchObject({ kind: 'deferred' });
  });

  it('a send request that nothing is known of was surely not submitted', async () => {
    expect(await (await bed.sender()).lookup()).toMatchObject({ kind: 'deferred' });
  });

  it('a draft with the tag of the send request, left behind by a crash, is deleted before it is sent again', async () => {
    const sender = await bed.sender();
    bed.server.trouble = (command) => (command === 'JSUBM' ? { is: 'says', reply: '200 Job 1 submitted.' } : undefined);
    const attempt = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(), attempt);
    await bed.server.until('a look at the queue', /^LIST doneq/);
    attempt.abort();
    await outcome;
    // As if the server had stopped in the middle of the submission, and the gateway before its answer.
    bed.server.jobs.splice(0, 9, { ...draft('1'), tag: SEND_REQUEST });
    await bed.driverState.deleteRecords('followed', ['1']);
    await bed.driverState.deleteRecords('submitted', [`${SEND_REQUEST} 1`]);
    bed.server.trouble = undefined;
    expect(await sender.lookup()).toMatchObject({ kind: 'deferred' });
    expect(bed.server.jobs).toHaveLength(0);
  });

  it('a job that an operator suspended stays, and is waited for', async () => {
    bed.server.work = idle;
    const sender = await bed.sender();
    const attempt = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(), attempt);
    (await bed.submitted()).state = 'T';
    attempt.abort();
    expect(await outcome).toMatchObject({ kind: 'sent', state: 'accepted' });
    const asked = attemptOf(SEND_REQUEST);
    const looks = () => bed.server.commands.filter((command) => command === 'LIST doneq').length;
    const before = looks();
    const found = sender.lookup(faxOf(), asked);
    await waitFor('the lookup, and a look at the queue after it', () => looks() >= before + 3);
    asked.abort();
    expect(await found).toMatchObject({ kind: 'sent', detail: expect.stringContaining('suspended by an operator') });
    expect(bed.server.jobs).toHaveLength(1);
  });

  it('another try at a send request whose job is under way joins that job', async () => {
    bed.server.work = idle;
    const sender = await bed.sender();
    const first = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(), first);
    const job = await bed.submitted();
    first.abort();
    await outcome;
    const second = sender.send(faxOf(), attemptNumber(2));
    bed.change(job, { state: 'D', sent: 1, dials: 1 });
    expect(await second).toMatchObject({ kind: 'sent', deliverySystemId: '1', state: 'delivered' });
    expect(bed.server.jobs).toHaveLength(1);
  });

  it('another try at a send request whose job failed is a job of its own', async () => {
    bed.ends({ status: 'Busy signal detected' });
    const sender = await bed.sender();
    await sender.send();
    bed.ends({ state: 'D', sent: 1 });
    expect(await sender.send(faxOf(), attemptNumber(2))).toMatchObject({ kind: 'sent', deliverySystemId: '2' });
  });

  it('a job that was submitted and is in no queue is not said to be unsent', async () => {
    bed.server.work = idle;
    const sender = await bed.sender();
    const attempt = attemptOf(SEND_REQUEST);
    const outcome = sender.send(faxOf(), attempt);
    await bed.submitted();
    attempt.abort();
    await outcome;
    bed.server.jobs.splice(0, 1);
    await sender.close();
    expect(await (await bed.sender()).lookup()).toBe('not found');
  });

  const begun = async (minutesAgo: number) => {
    const value = { job: '7', sendRequest: SEND_REQUEST, pages: 1, at: Date.now() - minutesAgo * 60_000 };
    await bed.driverState.putRecords('begun', [{ key: `${SEND_REQUEST} 7`, value }]);
    return bed.sender();
  };

  it('one whose submission was in doubt so long ago that HylaFAX may have forgotten it is not said to be unsent', async () => {
    expect(await (await begun(11)).lookup()).toBe('not found');
  });

  it('one whose submission was in doubt a moment ago is known to be unsent when it is in no queue', async () => {
    expect(await (await begun(1)).lookup()).toMatchObject({ kind: 'deferred' });
  });

  it('what nobody asks about any more is forgotten', async () => {
    await begun(15 * 24 * 60);
    expect(await bed.driverState.listRecords('begun', '', 9)).toEqual([]);
  });

  it('nor when it vanished while the send was waiting: two looks without it are no proof', async () => {
    bed.server.work = idle;
    const sender = await bed.sender();
    const outcome = sender.send();
    await bed.submitted();
    bed.server.jobs.splice(0, 1);
    expect(await outcome).toMatchObject({ kind: 'unknown', ids: ['1'] });
    expect(await sender.lookup()).toBe('not found');
    expect(bed.server.jobs).toEqual([]);
  });

  it('an end that comes before the journal has noted the job is told to the send that waits for it', async () => {
    await bed.close();
    const driverState = createDriverState();
    // Longer than a look at the queues takes.
    const slow = async () => {
      for (let time = 0; time < 3; time++) await bed.check('O');
    };
    bed = await hylafaxBed({
      driverState: {
        ...driverState,
        putRecords: async (collection, records) => {
          if (collection === 'followed') await slow();
          return driverState.putRecords(collection, records);
        },
      },
    });
    expect(await (await bed.sender()).send()).toMatchObject({ kind: 'sent', state: 'delivered' });
    expect(bed.receipts).toEqual([]);
  });

  it('what the journal cannot note is not submitted', async () => {
    await bed.close();
    const driverState = { ...createDriverState(), keep: () => Promise.reject(new Error('the disk is full')) };
    bed = await hylafaxBed({ driverState });
    expect(await (await bed.sender()).send()).toMatchObject({
      kind: 'deferred',
      detail: expect.stringContaining('the disk is full'),
    });
    expect(bed.server.commands).not.toContain('JSUBM');
  });
});

function draft(id: string): ScriptJob {
  const counts = { sent: 0, pages: 1, dials: 0, maxDials: 12 };
  const words = { tag: '', status: '', number: '', document: Buffer.alloc(0), parameters: new Map<string, string>() };
  return { id, state: 'T', ...counts, ...words };
}
