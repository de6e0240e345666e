// What a Twilio gateway promises about messages that it looks for.
import { afterEach, describe, expect, it } from 'vitest';
import { becoming, type Receiving, startTimedBed, type TimedBed } from '../../test/servers/twilio-bed.js';

const HOUR = 3_600_000;
const beds: TimedBed[] = [];
afterEach(async () => {
  for (let bed = beds.pop(); bed; bed = beds.pop()) await bed.close();
});

/** Twilio's clock may be wrong. */
async function timed(offMs = 0): Promise<TimedBed> {
  const bed = await startTimedBed(offMs);
  beds.push(bed);
  return bed;
}

const text = (index: number) => `message ${String(index).padStart(4, '0')}`;
const texts = (count: number) => Array.from({ length: count }, (_, index) => text(index));

/** Receives `count` while the clock is turned, confirms each, and gives their texts. */
async function takeOn(bed: TimedBed, receiving: Receiving, count: number) {
  const taken = await bed.turn(receiving.take(count));
  return taken.map(({ content }) => content?.text);
}

/** A gateway that is past its very first start and has asked for its first inbound message. */
async function begun(bed: TimedBed, written?: Record<string, unknown>) {
  const session = await bed.open('I', written);
  const receiving = bed.receiving(session);
  const first = receiving.next();
  first.catch(() => {});
  await bed.fact(() => Boolean(settledUpTo(bed)));
  const end = async () => {
    await receiving.stop();
    await session.close();
  };
  return { receiving, first, end };
}

function settledUpTo({ driverState }: TimedBed): unknown {
  const note = driverState.checkpoints.get('poll');
  return typeof note === 'object' && note !== null && Reflect.get(note, 'settledUpTo');
}

describe('the very first start', () => {
  it('leaves alone what was there, and brings what comes from then on', async () => {
    const bed = await timed();
    for (const age of [400 * 24 * HOUR, 30 * 60_000, 5_000])
      bed.server.receive({ text: 'old', at: bed.clock.now() - age });
    const { receiving, first } = await begun(bed);
    bed.server.receive({ text: 'new' });
    expect((await bed.turn(first)).content).toMatchObject({
      kind: 'text',
      text: 'new',
      from: '+420777123456',
      notes: [],
    });
    expect(bed.driverState.keys('skipped')).toHaveLength(2);
    bed.server.receive({ text: 'newer' });
    expect(await takeOn(bed, receiving, 1)).toEqual(['newer']);
  });

  it('cut short, counts from the moment it began first', async () => {
    const bed = await timed();
    bed.server.trouble = ({ query }) => (query.get('PageSize') === '1000' ? { is: 'refuse', status: 500 } : undefined);
    bed.server.receive({ text: 'old', at: bed.clock.now() - 60_000 });
    await expect(bed.receiving(await bed.open('I')).next()).rejects.toThrow(/cannot be listed/);
    await bed.jump(HOUR);
    bed.server.receive({ text: 'came meanwhile', at: bed.clock.now() - 1_000 });
    bed.server.trouble = () => undefined;
    const again = bed.receiving(await bed.open('I'));
    expect(await takeOn(bed, again, 1)).toEqual(['came meanwhile']);
    expect(bed.driverState.keys('skipped')).toHaveLength(1);
  });
});

describe('nothing is missed and nothing comes twice', () => {
  it('with many in one second, over several pages, in the send request in which they came', async () => {
    const bed = await timed();
    const { receiving, first } = await begun(bed);
    const at = bed.clock.now();
    for (const one of texts(250)) bed.server.receive({ text: one, at });
    expect((await bed.turn(first)).content?.text).toBe(text(0));
    expect(await takeOn(bed, receiving, 249)).toEqual(texts(250).slice(1));
  });

  it('with new ones coming in while the pages are read', async () => {
    const bed = await timed();
    const { receiving, first } = await begun(bed);
    for (const one of texts(150)) bed.server.receive({ text: one });
    let pushedIn = 0;
    bed.server.trouble = ({ query }) => {
      if (query.has('PageToken') && pushedIn < 30)
        while (pushedIn < 30) bed.server.receive({ text: text(150 + pushedIn++) });
      return undefined;
    };
    await bed.turn(first);
    expect(await takeOn(bed, receiving, 179)).toEqual(texts(180).slice(1));
  });

  it('after a day offline', async () => {
    const bed = await timed();
    const before = await begun(bed);
    bed.server.receive({ text: 'before' });
    expect((await bed.turn(before.first)).content?.text).toBe('before');
    bed.driverState.set((await before.first).key, 'confirmed');
    await (await before.first).confirm();
    await before.end();
    for (let hour = 0; hour < 26; hour++) {
      await bed.jump(HOUR);
      for (let one = 0; one < 10; one++) bed.server.receive({ text: text(hour * 10 + one) });
    }
    const after = bed.receiving(await bed.open('I'));
    expect(await takeOn(bed, after, 260)).toEqual(texts(260));
  });

  it('when a clock is wrong by hours, theirs or ours', async () => {
    for (const off of [-5 * HOUR, 5 * HOUR]) {
      const bed = await timed(off);
      const { receiving, first } = await begun(bed, { PollSeconds: 600 });
      bed.server.receive({ text: 'one' });
      const one = await bed.turn(first, 60_000);
      bed.driverState.set(one.key, 'confirmed');
      await one.confirm();
      // Over midnight on both clocks, and it looks all the while, so that what counts as read moves on with the clock.
      for (let hour = 0; hour < 20; hour++) {
        const next = receiving.take(1);
        await bed.jump(HOUR);
        bed.server.receive({ text: text(hour) });
        expect((await bed.turn(next, 60_000)).map(({ content }) => content?.text)).toEqual([text(hour)]);
      }
    }
  });

  it('when what was handed over is not settled for days: it comes again after a restart', async () => {
    const bed = await timed();
    const { receiving, first, end } = await begun(bed);
    bed.server.receive({ text: 'never settled' });
    expect((await bed.turn(first)).content?.text).toBe('never settled');
    for (let hour = 0; hour < 50; hour++) {
      bed.server.receive({ text: text(hour) });
      await takeOn(bed, receiving, 1);
      await bed.jump(HOUR);
    }
    await end();
    const again = bed.receiving(await bed.open('I'));
    expect(await takeOn(bed, again, 1)).toEqual(['never settled']);
  });

  it('with a backlog larger than is held at once: the oldest come first, then the others, also after another restart', async () => {
    const bed = await timed();
    await (await begun(bed)).end();
    for (let day = 0; day < 2; day++) {
      await bed.jump(24 * HOUR);
      const several = texts(5_300).slice(...(day === 0 ? [0, 5_000] : [5_000]));
      for (const one of several) bed.server.receive({ text: one });
    }
    await bed.jump(72 * HOUR);
    const session = await bed.open('I');
    const receiving = bed.receiving(session);
    expect(await takeOn(bed, receiving, 5_000)).toEqual(texts(5_000));
    expect((await bed.turn(receiving.next())).content?.text).toBe(text(5_000));
    await receiving.stop();
    await session.close();
    const again = bed.receiving(await bed.open('I'));
    expect(await takeOn(bed, again, 300)).toEqual(texts(5_300).slice(5_000));
  });

  it('when what counts as read lies in the future, because a clock was wrong', async () => {
    const bed = await timed();
    await (await begun(bed)).end();
    const { now } = bed.clock;
    await bed.driverState.putCheckpoint('poll', { start: now(), settledUpTo: now() + 72 * HOUR });
    const receiving = bed.receiving(await bed.open('I'));
    bed.server.receive({ text: 'now' });
    expect(await takeOn(bed, receiving, 1)).toEqual(['now']);
  });

  it('when one is still on its way to Twilio: it comes once it is whole', async () => {
    const bed = await timed();
    const { receiving, first } = await begun(bed);
    const half = bed.server.receive({ text: 'half', status: 'receiving' });
    bed.server.receive({ text: 'whole' });
    expect((await bed.turn(first)).content?.text).toBe('whole');
    half.status = 'received';
    expect(await takeOn(bed, receiving, 1)).toEqual(['half']);
  });

  /** More than a page of messages, taken and read past; then everything is quiet for so long, looked at every minute. */
  async function readPast(quietMs: number, before?: (bed: TimedBed) => void) {
    const bed = await timed();
    const { receiving, first } = await begun(bed, { PollSeconds: 60 });
    before?.(bed);
    await bed.jump(1_000);
    const at = bed.clock.now();
    for (const one of texts(150)) bed.server.receive({ text: one, at });
    await bed.turn(first, 60_000).then((inboundMessage) => inboundMessage.confirm());
    await bed.turn(receiving.take(149), 60_000);
    const next = receiving.next();
    next.catch(() => {});
    await bed.turn(
      becoming(() => bed.clock.now() >= at + quietMs),
      60_000,
    );
    const since = bed.clock.now();
    const arrives = async () => {
      const { content } = await bed.turn(next, 60_000);
      return { text: content?.text, minutes: Math.round((bed.clock.now() - since) / 60_000) };
    };
    return { bed, at, arrives };
  }

  it('when one shows in the list minutes after newer ones were read: with the next look', async () => {
    const { bed, at, arrives } = await readPast(5 * 60_000);
    bed.server.receive({ text: 'late', at: at - 1_000 });
    expect(await arrives()).toEqual({ text: 'late', minutes: expect.toSatisfy((taken) => taken <= 2) });
  });

  it('when one shows even later: within the hour', async () => {
    const { bed, at, arrives } = await readPast(30 * 60_000);
    bed.server.receive({ text: 'very late', at: at - 1_000 });
    expect(await arrives()).toEqual({ text: 'very late', minutes: expect.toSatisfy((taken) => taken <= 61) });
  });

  it('when one was on its way for long: it is not read past', async () => {
    let half: { status: string } | undefined;
    const { arrives } = await readPast(30 * 60_000, ({ server }) => {
      half = server.receive({ text: 'half', status: 'receiving' });
    });
    if (half) half.status = 'received';
    expect(await arrives()).toEqual({ text: 'half', minutes: expect.toSatisfy((taken) => taken <= 2) });
  });
});

describe('whose messages', () => {
  it('only those to the number, and none that were sent', async () => {
    const bed = await timed();
    const { first } = await begun(bed);
    const { number, account } = bed.server;
    bed.server.receive({ text: 'to another number', to: '+420601999999' });
    account.add({
      ...bed.server.receive({ text: 'sent by us to ourselves' }),
      direction: 'outbound-api',
      body: 'sent',
    });
    account.messages.splice(1, 1);
    bed.server.receive({ text: 'ours' });
    expect((await bed.turn(first)).content).toMatchObject({ text: 'ours', to: number });
    expect(bed.server.requests.at(-1)?.query.get('To')).toBe(number);
  });

  it('of a messaging service those to any of its numbers', async () => {
    const bed = await timed();
    const { serviceSid } = bed.server;
    const { first } = await begun(bed, { Number: undefined, MessagingServiceSid: serviceSid });
    bed.server.receive({ text: 'to nobody of the service' });
    bed.server.receive({ text: 'to the service', to: '+420601888888', serviceSid });
    expect((await bed.turn(first)).content?.text).toBe('to the service');
  });
});

describe('trouble', () => {
  it('one or two failed looks are waited out', async () => {
    const bed = await timed();
    const { first } = await begun(bed);
    let left = 2;
    bed.server.trouble = () => (left-- > 0 ? { is: 'refuse', status: 429, code: 20429 } : undefined);
    bed.server.receive({ text: 'at last' });
    expect((await bed.turn(first)).content?.text).toBe('at last');
  });

  it('three end the session with one sentence, refused credentials at once', async () => {
    for (const [status, code, looks] of [
      [503, 0, 3],
      [401, 20003, 1],
    ] as const) {
      const bed = await timed();
      const { first } = await begun(bed);
      let refusals = 0;
      bed.server.trouble = () => {
        refusals += 1;
        return { is: 'refuse', status, code };
      };
      await expect(bed.turn(first)).rejects.toThrow(/^the messages of the account cannot be listed: .{10,}/);
      expect(refusals).toBe(looks);
    }
  });

  it('a list that is no list is a failed look, not a lost message', async () => {
    const bed = await timed();
    const { first } = await begun(bed);
    const babble = ['<html>502</html>', '{"messages": [{}]}'];
    bed.server.trouble = () => {
      const body = babble.shift();
      return body === undefined ? undefined : { is: 'babble', status: 200, body };
    };
    bed.server.receive({ text: 'still here' });
    expect((await bed.turn(first)).content?.text).toBe('still here');
  });
});

describe('media', () => {
  const png = Buffer.from('89504e470d0a1a0a', 'hex');

  async function mms(bed: TimedBed, bytes = png, written: Record<string, unknown> = {}) {
    const { receiving, first, end } = await begun(bed, written);
    const message = bed.server.receive({ text: 'look', media: [{ type: 'image/png', bytes }] });
    return { receiving, first, end, message };
  }

  it('are fetched whole, and the store they are kept in never sees the credentials', async () => {
    const bed = await timed();
    const { first, message } = await mms(bed);
    const { content } = await bed.turn(first);
    expect(content).toMatchObject({ text: 'look', notes: [] });
    expect(content?.media).toEqual([{ name: `${message.media[0]?.sid}.png`, type: 'image/png', bytes: png }]);
    expect((await first).bytes).toBeGreaterThan(png.length);
  });

  it('that cannot be had for a while hold up their own message only', async () => {
    const bed = await timed();
    const { receiving, first } = await mms(bed);
    let refusals = 0;
    bed.server.trouble = ({ path }) =>
      path.startsWith('/store/') && refusals++ < 2 ? { is: 'refuse', status: 503 } : undefined;
    bed.server.receive({ text: 'no media' });
    expect((await bed.turn(first)).content?.text).toBe('no media');
    const second = receiving.next();
    expect((await bed.turn(second)).content).toMatchObject({ text: 'look', media: [{ bytes: png }], notes: [] });
    expect(refusals).toBe(3);
  });

  it('that could not be had before a restart days later are fetched then', async () => {
    const bed = await timed();
    const { end } = await mms(bed, png, { PollSeconds: 120 });
    let refusals = 0;
    bed.server.trouble = ({ path }) => {
      if (!path.startsWith('/store/')) return undefined;
      refusals += 1;
      return { is: 'refuse', status: 503 };
    };
    await bed.fact(() => refusals === 3);
    await end();
    bed.server.trouble = () => undefined;
    await bed.jump(72 * HOUR);
    const again = bed.receiving(await bed.open('I'));
    expect(await takeOn(bed, again, 1)).toEqual(['look']);
  });

  it('that never come are a note in the message', async () => {
    const bed = await timed();
    const { first } = await mms(bed);
    bed.server.trouble = ({ path }) => (path.startsWith('/store/') ? { is: 'refuse', status: 503 } : undefined);
    expect((await bed.turn(first)).content).toMatchObject({
      text: 'look',
      media: [],
      notes: [expect.stringContaining('503')],
    });
  });

  it('that are gone or too large are a note in the message', async () => {
    const gone = await timed();
    const there = await mms(gone);
    gone.server.trouble = ({ path }) => (path.startsWith('/store/') ? { is: 'refuse', status: 404 } : undefined);
    expect((await gone.turn(there.first)).content).toMatchObject({
      media: [],
      notes: [expect.stringContaining('answered 404')],
    });
    const large = await timed();
    const huge = await mms(large, Buffer.alloc(10 * 1024 * 1024 + 1));
    expect((await large.turn(huge.first)).content).toMatchObject({
      media: [],
      notes: [expect.stringContaining('larger than')],
    });
  });

  it('of messages that are known already are not fetched', async () => {
    const bed = await timed();
    const { first, message } = await mms(bed);
    bed.driverState.set(`sms:${message.sid}`, 'acknowledged');
    expect(await bed.turn(first)).toMatchObject({ key: `sms:${message.sid}`, content: null });
    expect(bed.server.requests.some(({ path }) => path.includes('Media'))).toBe(false);
  });
});

describe('looking switched off', () => {
  it('asks for nothing and ends with its signal', async () => {
    const bed = await timed();
    const receiving = bed.receiving(await bed.open('I', { PollSeconds: 0, Webhook: true }));
    const asked = receiving.next().catch((error: Error) => error.message);
    const before = bed.server.requests.length;
    bed.server.receive();
    await bed.jump(HOUR);
    expect(bed.server.requests.length).toBe(before);
    await receiving.stop();
    expect(await asked).toContain('ended');
    expect(bed.clock.armed).toBe(0);
  });
});
