// How calls end, what is said of those that outlast their answer, and that nothing is queued twice.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attemptOf } from '../../test/conformance/context.js';
import { createMemory } from '../../test/kit/memory.js';
import { until } from '../../test/kit/until.js';
import { attemptNumber, faxOf, type HylafaxBed, hylafaxBed, ORDER, untilNews } from '../../test/servers/hylafax-bed.js';
import type { ScriptJob } from '../../test/servers/hylafax-script.js';

let bed: HylafaxBed;
beforeEach(async () => {
  bed = await hylafaxBed();
});
afterEach(() => bed.close());

const idle = () => {};
/** The job, once the driver knows that it is submitted: it looks for it then. */
const submitted = async () => {
  const job = await jobOf();
  await bed.server.until('a look at the queue', /^LIST doneq/);
  return job;
};
const jobOf = () => until('a job', () => bed.server.jobs.find(({ state }) => state !== 'T'));
const change = (job: ScriptJob, to: Partial<ScriptJob>) => {
  Object.assign(job, to);
  bed.server.tell(`100000 104 JOB ${job.id} (dest x pri 127 com ): Something`);
};
const ends = (to: Partial<ScriptJob>) => {
  bed.server.work = (job) => void Object.assign(job, { state: 'F', dials: 1, ...to });
};

describe('the answer is the end of the call where that comes in time', () => {
  it('all pages through', async () => {
    ends({ state: 'D', sent: 3, pages: 3, dials: 2 });
    expect(await (await bed.sender()).send(faxOf(3))).toEqual({
      kind: 'sent',
      deliverySystemId: '1',
      ids: ['1'],
      state: 'delivered',
      detail: 'HylaFAX job 1: 3 pages sent in 2 calls',
    });
  });

  it.each([
    [{ state: 'D', sent: 0 }, 'HylaFAX job 1: done, but no page was sent'],
    [{ state: 'D', sent: 2, pages: 3 }, 'HylaFAX job 1: done, but only 2 of 3 pages were sent'],
    [
      { status: 'Busy signal detected; too many attempts to dial', dials: 12 },
      'HylaFAX job 1: failed after 12 calls; Busy signal detected; too many attempts to dial',
    ],
    [{ status: 'No answer from remote', sent: 0 }, 'HylaFAX job 1: failed after 1 call; No answer from remote'],
    [{ status: 'Job aborted by request', dials: 0 }, 'HylaFAX job 1: failed after 0 calls; Job aborted by request'],
    [
      { status: 'No response to EOP', sent: 2, pages: 3 },
      'HylaFAX job 1: failed with 2 of 3 pages sent after 1 call; No response to EOP',
    ],
    [{ status: 'Conversion failed:\nline two' }, 'HylaFAX job 1: failed after 1 call; Conversion failed: line two'],
  ])('%o is a failure in plain words', async (job, detail) => {
    ends(job);
    expect(await (await bed.sender()).send(faxOf(3))).toEqual({ kind: 'rejected', detail });
  });

  it('and every dial and page on the way is told', async () => {
    bed.server.work = (job) => void Object.assign(job, { state: 'R', pages: 2 });
    const notes: string[] = [];
    const attempt = { ...attemptOf(ORDER), note: (detail: string) => void notes.push(detail) };
    const outcome = (await bed.sender()).send(faxOf(2), attempt);
    const job = await jobOf();
    await until('the dial', () => notes.length === 1);
    change(job, { state: 'S', dials: 1, status: 'Busy signal detected' });
    await until('the reason', () => notes.length === 2);
    change(job, { state: 'R', status: '', sent: 1 });
    await until('the page', () => notes.length === 3);
    change(job, { state: 'D', sent: 2, dials: 2 });
    await outcome;
    expect(notes).toEqual(['calling, dial 1 of 12', 'dial 1 of 12: Busy signal detected', 'page 1 of 2 sent']);
    expect(bed.news).toEqual([]);
  });

  it('is noticed at once over the live channel, however seldom the queue is looked at', async () => {
    bed.server.work = idle;
    const sender = await bed.sender({ PollSeconds: 600 });
    await until('the live channel', () => bed.server.channels === 1);
    const outcome = sender.send();
    const job = await submitted();
    change(job, { state: 'D', sent: 1, dials: 1 });
    expect(await outcome).toMatchObject({ kind: 'sent', state: 'delivered' });
  });

  it('is noticed by looking where the live channel is refused', async () => {
    bed.server.trouble = (command) =>
      command.startsWith('SITE') ? { is: 'says', reply: '504 Cannot register trigger.' } : undefined;
    bed.server.work = idle;
    const outcome = (await bed.sender()).send();
    const job = await submitted();
    Object.assign(job, { state: 'D', sent: 1, dials: 1 });
    expect(await outcome).toMatchObject({ kind: 'sent', state: 'delivered' });
  });
});

describe('a call that takes longer than there is time', () => {
  const late = async (settings: Readonly<Record<string, unknown>> = {}) => {
    bed.server.work = (job) => void Object.assign(job, { state: 'S', dials: 1, status: 'Busy signal detected' });
    const sender = await bed.sender(settings);
    const attempt = attemptOf(ORDER);
    const outcome = sender.send(faxOf(3), attempt);
    const job = await jobOf();
    job.pages = 3;
    await bed.server.until('a look at the queue', /^LIST doneq/);
    // The look is in the answer once it has gone through the driver.
    await until('the dial to be known', async () => {
      bed.server.tell(`100000 104 JOB ${job.id} (dest x): Something`);
      return bed.server.commands.filter((command) => command === 'LIST doneq').length > 1;
    });
    attempt.abort();
    return { sender, job, outcome: await outcome };
  };

  it('is accepted for transmission, and its course and end are told later', async () => {
    const { job, outcome } = await late();
    expect(outcome).toEqual({
      kind: 'sent',
      deliverySystemId: '1',
      ids: ['1'],
      state: 'accepted',
      detail: 'accepted for transmission; HylaFAX job 1: dial 1 of 12: Busy signal detected',
    });
    change(job, { state: 'R', dials: 2, status: '', sent: 1 });
    await untilNews(bed.news, 1);
    change(job, { state: 'D', sent: 3 });
    await untilNews(bed.news, 2);
    expect(bed.news).toEqual([
      { id: '1', state: 'accepted', progress: true, detail: 'page 1 of 3 sent', at: expect.any(Number) },
      { id: '1', state: 'delivered', detail: '3 pages sent in 2 calls', at: expect.any(Number) },
    ]);
  });

  it('is uncertain when only the end counts, and the end names the same job', async () => {
    const { job, outcome } = await late({ AnswerWhen: 'Done' });
    expect(outcome).toEqual({
      kind: 'unknown',
      ids: ['1'],
      detail: 'the call is still under way; HylaFAX job 1: dial 1 of 12: Busy signal detected',
    });
    change(job, { state: 'F', status: 'Kill time expired', dials: 4 });
    await untilNews(bed.news, 1);
    expect(bed.news).toMatchObject([
      { id: '1', state: 'undelivered', detail: 'failed after 4 calls; Kill time expired' },
    ]);
  });

  it('dials are told later, too', async () => {
    const { job } = await late();
    change(job, { dials: 2, status: 'No carrier detected' });
    await untilNews(bed.news, 1);
    expect(bed.news).toMatchObject([
      { state: 'accepted', progress: true, detail: 'dial 2 of 12: No carrier detected' },
    ]);
  });

  it('is a modem that is wedged: the answer says what it waits for, and the test of the connection why', async () => {
    bed.server.work = idle;
    bed.server.modems.set('/dev/ttyS0', 'Waiting for modem to come ready');
    const sender = await bed.sender();
    const attempt = attemptOf(ORDER);
    const outcome = sender.send(faxOf(), attempt);
    await submitted();
    await until('the look to be over', async () => {
      bed.server.tell('100000 104 JOB 1 (dest x): Something');
      return bed.server.commands.filter((command) => command === 'LIST doneq').length > 1;
    });
    attempt.abort();
    expect(await outcome).toMatchObject({
      kind: 'sent',
      state: 'accepted',
      detail: 'accepted for transmission; HylaFAX job 1: waiting for a free modem',
    });
    expect(await bed.check('O')).toContainEqual({
      name: 'Modems',
      ok: true,
      detail: 'ttyS0: Waiting for modem to come ready',
    });
  });

  it('a restart follows it to its end', async () => {
    const { sender, job } = await late();
    await sender.close();
    Object.assign(job, { state: 'D', sent: 3 });
    await bed.sender();
    await untilNews(bed.news, 1);
    expect(bed.news).toMatchObject([{ id: '1', state: 'delivered' }]);
    await bed.sender();
    expect(bed.news).toHaveLength(1);
  });

  it('a job that vanishes is said to have vanished, and not to have failed', async () => {
    const { job } = await late();
    bed.server.jobs.splice(bed.server.jobs.indexOf(job), 1);
    await untilNews(bed.news, 1);
    expect(bed.news).toMatchObject([
      { state: 'accepted', progress: true, detail: expect.stringContaining("job 1 is in none of HylaFAX's queues") },
    ]);
  });

  it('a job of the same number that is of somebody else is not taken for it', async () => {
    const { job } = await late();
    Object.assign(job, { tag: 'somebody-else', state: 'D', sent: 3 });
    await untilNews(bed.news, 1);
    expect(bed.news).toMatchObject([{ state: 'accepted', detail: expect.stringContaining('none of HylaFAX') }]);
  });

  it('nor does one that is followed stand in the way of another order with the same number', async () => {
    const { sender, job } = await late();
    const other = '99999999-0000-4000-8000-000000000002';
    Object.assign(job, { tag: other, state: 'D', sent: 3 });
    const outcome = await sender.send(faxOf(3), { ...attemptOf(other), number: 2 });
    expect(outcome).toMatchObject({ kind: 'sent', deliverySystemId: '1', state: 'delivered' });
  });

  it('an end that the journal cannot take is told again', async () => {
    const { job } = await late();
    let refused = 0;
    bed.news.push = () => {
      refused += 1;
      throw new Error('the disk is full');
    };
    change(job, { state: 'D', sent: 3 });
    await until('a refusal', () => refused > 0);
    bed.news.push = Array.prototype.push;
    await untilNews(bed.news, 1);
    expect(bed.news).toMatchObject([{ id: '1', state: 'delivered' }]);
  });

  it('the log of calls tells how a job ended that is in no queue any more', async () => {
    const { job } = await late();
    const call = (reason: string, pages: number) => [
      'date',
      'SEND',
      '1',
      'ttyS0',
      '1',
      `"${ORDER}"`,
      'x',
      '"x"',
      '"x"',
      '0',
      pages,
      '0:10',
      '0:10',
      `"${reason}"`,
    ];
    const lines = [call('Busy signal detected', 0), call('', 3)].map((columns) => columns.join('\t'));
    bed.server.texts.set('log/xferfaxlog', `${lines.join('\n')}\n`);
    bed.server.jobs.splice(bed.server.jobs.indexOf(job), 1);
    await untilNews(bed.news, 1);
    expect(bed.news).toMatchObject([{ state: 'delivered', detail: '3 pages sent, by the log of calls' }]);
  });
});

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

  it('an order that nothing is known of was surely not submitted', async () => {
    expect(await (await bed.sender()).lookup()).toMatchObject({ kind: 'deferred' });
  });

  it('a draft with the tag of the order, left behind by a crash, is deleted before it is sent again', async () => {
    const sender = await bed.sender();
    bed.server.trouble = (command) => (command === 'JSUBM' ? { is: 'says', reply: '200 Job 1 submitted.' } : undefined);
    const attempt = attemptOf(ORDER);
    const outcome = sender.send(faxOf(), attempt);
    await bed.server.until('a look at the queue', /^LIST doneq/);
    attempt.abort();
    await outcome;
    // As if the server had stopped in the middle of the submission, and the gateway before its answer.
    bed.server.jobs.splice(0, 9, { ...draft('1'), tag: ORDER });
    await bed.memory.forget('followed', ['1']);
    await bed.memory.forget('submitted', [`${ORDER} 1`]);
    bed.server.trouble = undefined;
    expect(await sender.lookup()).toMatchObject({ kind: 'deferred' });
    expect(bed.server.jobs).toHaveLength(0);
  });

  it('a job that an operator suspended stays, and is waited for', async () => {
    bed.server.work = idle;
    const sender = await bed.sender();
    const attempt = attemptOf(ORDER);
    const outcome = sender.send(faxOf(), attempt);
    (await submitted()).state = 'T';
    attempt.abort();
    expect(await outcome).toMatchObject({ kind: 'sent', state: 'accepted' });
    const asked = attemptOf(ORDER);
    const looks = () => bed.server.commands.filter((command) => command === 'LIST doneq').length;
    const before = looks();
    const found = sender.lookup(faxOf(), asked);
    await until('the lookup, and a look at the queue after it', () => looks() >= before + 3);
    asked.abort();
    expect(await found).toMatchObject({ kind: 'sent', detail: expect.stringContaining('suspended by an operator') });
    expect(bed.server.jobs).toHaveLength(1);
  });

  it('another try at an order whose job is under way joins that job', async () => {
    bed.server.work = idle;
    const sender = await bed.sender();
    const first = attemptOf(ORDER);
    const outcome = sender.send(faxOf(), first);
    const job = await submitted();
    first.abort();
    await outcome;
    const second = sender.send(faxOf(), attemptNumber(2));
    change(job, { state: 'D', sent: 1, dials: 1 });
    expect(await second).toMatchObject({ kind: 'sent', deliverySystemId: '1', state: 'delivered' });
    expect(bed.server.jobs).toHaveLength(1);
  });

  it('another try at an order whose job failed is a job of its own', async () => {
    ends({ status: 'Busy signal detected' });
    const sender = await bed.sender();
    await sender.send();
    ends({ state: 'D', sent: 1 });
    expect(await sender.send(faxOf(), attemptNumber(2))).toMatchObject({ kind: 'sent', deliverySystemId: '2' });
  });

  it('a job that was submitted and is in no queue is not said to be unsent', async () => {
    bed.server.work = idle;
    const sender = await bed.sender();
    const attempt = attemptOf(ORDER);
    const outcome = sender.send(faxOf(), attempt);
    await submitted();
    attempt.abort();
    await outcome;
    bed.server.jobs.splice(0, 1);
    await sender.close();
    expect(await (await bed.sender()).lookup()).toBe('not found');
  });

  const begun = async (minutesAgo: number) => {
    const value = { job: '7', order: ORDER, pages: 1, at: Date.now() - minutesAgo * 60_000 };
    await bed.memory.keep('begun', [{ key: `${ORDER} 7`, value }]);
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
    expect(await bed.memory.kept('begun', '', 9)).toEqual([]);
  });

  it('nor when it vanished while the send was waiting: two looks without it are no proof', async () => {
    bed.server.work = idle;
    const sender = await bed.sender();
    const outcome = sender.send();
    await submitted();
    bed.server.jobs.splice(0, 1);
    expect(await outcome).toMatchObject({ kind: 'unknown', ids: ['1'] });
    expect(await sender.lookup()).toBe('not found');
    expect(bed.server.jobs).toEqual([]);
  });

  it('an end that comes before the journal has noted the job is told to the send that waits for it', async () => {
    await bed.close();
    const memory = createMemory();
    // Longer than a look at the queues takes.
    const slow = async () => {
      for (let time = 0; time < 3; time++) await bed.check('O');
    };
    bed = await hylafaxBed({
      memory: {
        ...memory,
        keep: async (collection, records) => {
          if (collection === 'followed') await slow();
          return memory.keep(collection, records);
        },
      },
    });
    expect(await (await bed.sender()).send()).toMatchObject({ kind: 'sent', state: 'delivered' });
    expect(bed.news).toEqual([]);
  });

  it('what the journal cannot note is not submitted', async () => {
    await bed.close();
    const memory = { ...createMemory(), keep: () => Promise.reject(new Error('the disk is full')) };
    bed = await hylafaxBed({ memory });
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
