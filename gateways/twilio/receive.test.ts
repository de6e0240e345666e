// Messages that a Twilio gateway receives by polling.
import { afterEach, describe, expect, it } from 'vitest';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { type Receiving, startTimedFixture, type TimedFixture } from '../../test/servers/twilio-fixture.js';

const HOUR = 3_600_000;
const fixtures: TimedFixture[] = [];
afterEach(async () => {
  for (let fixture = fixtures.pop(); fixture; fixture = fixtures.pop()) await fixture.close();
});

/** Twilio's clock may be wrong. */
async function timed(offMs = 0): Promise<TimedFixture> {
  const fixture = await startTimedFixture(offMs);
  fixtures.push(fixture);
  return fixture;
}

const text = (index: number) => `message ${String(index).padStart(4, '0')}`;
const texts = (count: number) => Array.from({ length: count }, (_, index) => text(index));

/** Receives `count` while the clock is turned, confirms each, and gives their texts. */
async function takeOn(fixture: TimedFixture, receiving: Receiving, count: number) {
  const received = await fixture.turn(receiving.take(count));
  return received.map(({ content }) => content?.text);
}

/** A gateway that is past its very first start and has asked for its first inbound message. */
async function startReceiving(fixture: TimedFixture, written?: Record<string, unknown>) {
  const session = await fixture.open('I', written);
  const receiving = fixture.receiving(session);
  const first = receiving.next();
  first.catch(() => {});
  await fixture.waitFor('the end of the first start', () => Boolean(settledUpTo(fixture)));
  const end = async () => {
    await receiving.stop();
    await session.close();
  };
  return { receiving, first, end };
}

function settledUpTo({ driverState }: TimedFixture): unknown {
  const checkpoint = driverState.checkpoints.get('poll');
  return typeof checkpoint === 'object' && checkpoint !== null && Reflect.get(checkpoint, 'settledUpTo');
}

describe('the very first start', () => {
  it('receives nothing that was there, and everything that comes from then on', async () => {
    const fixture = await timed();
    for (const age of [400 * 24 * HOUR, 30 * 60_000, 5_000])
      fixture.server.receive({ text: 'old', at: fixture.clock.now() - age });
    const { receiving, first } = await startReceiving(fixture);
    fixture.server.receive({ text: 'new' });
    expect((await fixture.turn(first)).content).toMatchObject({
      kind: 'text',
      text: 'new',
      from: '+420777123456',
      notes: [],
    });
    expect(fixture.driverState.keys('skipped')).toHaveLength(2);
    fixture.server.receive({ text: 'newer' });
    expect(await takeOn(fixture, receiving, 1)).toEqual(['newer']);
  });

  it('that was interrupted counts from its first moment', async () => {
    const fixture = await timed();
    fixture.server.trouble = ({ query }) =>
      query.get('PageSize') === '1000' ? { is: 'refuse', status: 500 } : undefined;
    fixture.server.receive({ text: 'old', at: fixture.clock.now() - 60_000 });
    await expect(fixture.receiving(await fixture.open('I')).next()).rejects.toThrow(/cannot be listed/);
    await fixture.jump(HOUR);
    fixture.server.receive({ text: 'came meanwhile', at: fixture.clock.now() - 1_000 });
    fixture.server.trouble = () => undefined;
    const again = fixture.receiving(await fixture.open('I'));
    expect(await takeOn(fixture, again, 1)).toEqual(['came meanwhile']);
    expect(fixture.driverState.keys('skipped')).toHaveLength(1);
  });
});

describe('nothing is missed and nothing comes twice', () => {
  it('with many in one second, over several pages, in the order in which they came', async () => {
    const fixture = await timed();
    const { receiving, first } = await startReceiving(fixture);
    const at = fixture.clock.now();
    for (const one of texts(250)) fixture.server.receive({ text: one, at });
    expect((await fixture.turn(first)).content?.text).toBe(text(0));
    expect(await takeOn(fixture, receiving, 249)).toEqual(texts(250).slice(1));
  });

  it('with new ones coming in while the pages are read', async () => {
    const fixture = await timed();
    const { receiving, first } = await startReceiving(fixture);
    for (const one of texts(150)) fixture.server.receive({ text: one });
    let pushedIn = 0;
    fixture.server.trouble = ({ query }) => {
      if (query.has('PageToken') && pushedIn < 30)
        while (pushedIn < 30) fixture.server.receive({ text: text(150 + pushedIn++) });
      return undefined;
    };
    await fixture.turn(first);
    expect(await takeOn(fixture, receiving, 179)).toEqual(texts(180).slice(1));
  });

  it('after a day offline', async () => {
    const fixture = await timed();
    const before = await startReceiving(fixture);
    fixture.server.receive({ text: 'before' });
    expect((await fixture.turn(before.first)).content?.text).toBe('before');
    fixture.driverState.set((await before.first).key, 'confirmed');
    await (await before.first).confirm();
    await before.end();
    for (let hour = 0; hour < 26; hour++) {
      await fixture.jump(HOUR);
      for (let one = 0; one < 10; one++) fixture.server.receive({ text: text(hour * 10 + one) });
    }
    const after = fixture.receiving(await fixture.open('I'));
    expect(await takeOn(fixture, after, 260)).toEqual(texts(260));
  });

  it('when a clock is wrong by hours, theirs or ours', async () => {
    for (const off of [-5 * HOUR, 5 * HOUR]) {
      const fixture = await timed(off);
      const { receiving, first } = await startReceiving(fixture, { PollSeconds: 600 });
      fixture.server.receive({ text: 'one' });
      const one = await fixture.turn(first, 60_000);
      fixture.driverState.set(one.key, 'confirmed');
      await one.confirm();
      // Over midnight on both clocks, polling all the while, so that the cursor moves with the clock.
      for (let hour = 0; hour < 20; hour++) {
        const next = receiving.take(1);
        await fixture.jump(HOUR);
        fixture.server.receive({ text: text(hour) });
        expect((await fixture.turn(next, 60_000)).map(({ content }) => content?.text)).toEqual([text(hour)]);
      }
    }
  });

  it('when a message stays unconfirmed for days: it comes again after a restart', async () => {
    const fixture = await timed();
    const { receiving, first, end } = await startReceiving(fixture);
    fixture.server.receive({ text: 'never settled' });
    expect((await fixture.turn(first)).content?.text).toBe('never settled');
    for (let hour = 0; hour < 50; hour++) {
      fixture.server.receive({ text: text(hour) });
      await takeOn(fixture, receiving, 1);
      await fixture.jump(HOUR);
    }
    await end();
    const again = fixture.receiving(await fixture.open('I'));
    expect(await takeOn(fixture, again, 1)).toEqual(['never settled']);
  });

  it('with a backlog larger than the memory bound: the oldest come first, then the others, also after another restart', async () => {
    const fixture = await timed();
    await (await startReceiving(fixture)).end();
    for (let day = 0; day < 2; day++) {
      await fixture.jump(24 * HOUR);
      const several = texts(5_300).slice(...(day === 0 ? [0, 5_000] : [5_000]));
      for (const one of several) fixture.server.receive({ text: one });
    }
    await fixture.jump(72 * HOUR);
    const session = await fixture.open('I');
    const receiving = fixture.receiving(session);
    expect(await takeOn(fixture, receiving, 5_000)).toEqual(texts(5_000));
    expect((await fixture.turn(receiving.next())).content?.text).toBe(text(5_000));
    await receiving.stop();
    await session.close();
    const again = fixture.receiving(await fixture.open('I'));
    expect(await takeOn(fixture, again, 300)).toEqual(texts(5_300).slice(5_000));
  });

  it('when what counts as read lies in the future, because a clock was wrong', async () => {
    const fixture = await timed();
    await (await startReceiving(fixture)).end();
    const { now } = fixture.clock;
    await fixture.driverState.putCheckpoint('poll', { start: now(), settledUpTo: now() + 72 * HOUR });
    const receiving = fixture.receiving(await fixture.open('I'));
    fixture.server.receive({ text: 'now' });
    expect(await takeOn(fixture, receiving, 1)).toEqual(['now']);
  });

  it('when one is still on its way to Twilio: it comes once it is whole', async () => {
    const fixture = await timed();
    const { receiving, first } = await startReceiving(fixture);
    const half = fixture.server.receive({ text: 'half', status: 'receiving' });
    fixture.server.receive({ text: 'whole' });
    expect((await fixture.turn(first)).content?.text).toBe('whole');
    half.status = 'received';
    expect(await takeOn(fixture, receiving, 1)).toEqual(['half']);
  });

  /** More than a page of messages, received and confirmed; then nothing comes for so long, with a poll every minute. */
  async function readPast(quietMs: number, before?: (fixture: TimedFixture) => void) {
    const fixture = await timed();
    const { receiving, first } = await startReceiving(fixture, { PollSeconds: 60 });
    before?.(fixture);
    await fixture.jump(1_000);
    const at = fixture.clock.now();
    for (const one of texts(150)) fixture.server.receive({ text: one, at });
    await fixture.turn(first, 60_000).then((inboundMessage) => inboundMessage.confirm());
    await fixture.turn(receiving.take(149), 60_000);
    const next = receiving.next();
    next.catch(() => {});
    await fixture.turn(
      waitFor('the quiet time', () => fixture.clock.now() >= at + quietMs),
      60_000,
    );
    const since = fixture.clock.now();
    const arrives = async () => {
      const { content } = await fixture.turn(next, 60_000);
      return { text: content?.text, minutes: Math.round((fixture.clock.now() - since) / 60_000) };
    };
    return { fixture, at, arrives };
  }

  it('when one shows in the list minutes after newer ones were read: with the next poll', async () => {
    const { fixture, at, arrives } = await readPast(5 * 60_000);
    fixture.server.receive({ text: 'late', at: at - 1_000 });
    expect(await arrives()).toEqual({ text: 'late', minutes: expect.toSatisfy((received) => received <= 2) });
  });

  it('when one shows even later: within the hour', async () => {
    const { fixture, at, arrives } = await readPast(30 * 60_000);
    fixture.server.receive({ text: 'very late', at: at - 1_000 });
    expect(await arrives()).toEqual({ text: 'very late', minutes: expect.toSatisfy((received) => received <= 61) });
  });

  it('when one was on its way for long: the cursor does not pass it', async () => {
    let half: { status: string } | undefined;
    const { arrives } = await readPast(30 * 60_000, ({ server }) => {
      half = server.receive({ text: 'half', status: 'receiving' });
    });
    if (half) half.status = 'received';
    expect(await arrives()).toEqual({ text: 'half', minutes: expect.toSatisfy((received) => received <= 2) });
  });
});

describe('whose messages', () => {
  it('only those to the number, and none that were sent', async () => {
    const fixture = await timed();
    const { first } = await startReceiving(fixture);
    const { number, account } = fixture.server;
    fixture.server.receive({ text: 'to another number', to: '+420601999999' });
    account.add({
      ...fixture.server.receive({ text: 'sent by us to ourselves' }),
      direction: 'outbound-api',
      body: 'sent',
    });
    account.messages.splice(1, 1);
    fixture.server.receive({ text: 'ours' });
    expect((await fixture.turn(first)).content).toMatchObject({ text: 'ours', to: number });
    expect(fixture.server.requests.at(-1)?.query.get('To')).toBe(number);
  });

  it('of a messaging service those to any of its numbers', async () => {
    const fixture = await timed();
    const { serviceSid } = fixture.server;
    const { first } = await startReceiving(fixture, { Number: undefined, MessagingServiceSid: serviceSid });
    fixture.server.receive({ text: 'to a number of no service' });
    fixture.server.receive({ text: 'to the service', to: '+420601888888', serviceSid });
    expect((await fixture.turn(first)).content?.text).toBe('to the service');
  });
});

describe('trouble', () => {
  it('one or two failed polls in a row do not end the session', async () => {
    const fixture = await timed();
    const { first } = await startReceiving(fixture);
    let left = 2;
    fixture.server.trouble = () => (left-- > 0 ? { is: 'refuse', status: 429, code: 20429 } : undefined);
    fixture.server.receive({ text: 'at last' });
    expect((await fixture.turn(first)).content?.text).toBe('at last');
  });

  it('three end the session with one sentence, rejected credentials at once', async () => {
    for (const [status, code, polls] of [
      [503, 0, 3],
      [401, 20003, 1],
    ] as const) {
      const fixture = await timed();
      const { first } = await startReceiving(fixture);
      let refusals = 0;
      fixture.server.trouble = () => {
        refusals += 1;
        return { is: 'refuse', status, code };
      };
      await expect(fixture.turn(first)).rejects.toThrow(/^the messages of the account cannot be listed: .{10,}/);
      expect(refusals).toBe(polls);
    }
  });

  it('a list that cannot be read is a failed poll, not a lost message', async () => {
    const fixture = await timed();
    const { first } = await startReceiving(fixture);
    const babble = ['<html>502</html>', '{"messages": [{}]}'];
    fixture.server.trouble = () => {
      const body = babble.shift();
      return body === undefined ? undefined : { is: 'babble', status: 200, body };
    };
    fixture.server.receive({ text: 'still here' });
    expect((await fixture.turn(first)).content?.text).toBe('still here');
  });
});

describe('media', () => {
  const png = Buffer.from('89504e470d0a1a0a', 'hex');

  async function mms(fixture: TimedFixture, bytes = png, written: Record<string, unknown> = {}) {
    const { receiving, first, end } = await startReceiving(fixture, written);
    const message = fixture.server.receive({ text: 'picture', media: [{ type: 'image/png', bytes }] });
    return { receiving, first, end, message };
  }

  it('are fetched whole, and their store never receives the credentials', async () => {
    const fixture = await timed();
    const { first, message } = await mms(fixture);
    const { content } = await fixture.turn(first);
    expect(content).toMatchObject({ text: 'picture', notes: [] });
    expect(content?.media).toEqual([{ name: `${message.media[0]?.sid}.png`, type: 'image/png', bytes: png }]);
    expect((await first).bytes).toBeGreaterThan(png.length);
  });

  it('that cannot be fetched for a while delay only their own message', async () => {
    const fixture = await timed();
    const { receiving, first } = await mms(fixture);
    let refusals = 0;
    fixture.server.trouble = ({ path }) =>
      path.startsWith('/store/') && refusals++ < 2 ? { is: 'refuse', status: 503 } : undefined;
    fixture.server.receive({ text: 'no media' });
    expect((await fixture.turn(first)).content?.text).toBe('no media');
    const second = receiving.next();
    expect((await fixture.turn(second)).content).toMatchObject({ text: 'picture', media: [{ bytes: png }], notes: [] });
    expect(refusals).toBe(3);
  });

  it('that could not be fetched before a restart days later are fetched then', async () => {
    const fixture = await timed();
    const { end } = await mms(fixture, png, { PollSeconds: 120 });
    let refusals = 0;
    fixture.server.trouble = ({ path }) => {
      if (!path.startsWith('/store/')) return undefined;
      refusals += 1;
      return { is: 'refuse', status: 503 };
    };
    await fixture.waitFor('three refusals', () => refusals === 3);
    await end();
    fixture.server.trouble = () => undefined;
    await fixture.jump(72 * HOUR);
    const again = fixture.receiving(await fixture.open('I'));
    expect(await takeOn(fixture, again, 1)).toEqual(['picture']);
  });

  it('that never come are a note in the message', async () => {
    const fixture = await timed();
    const { first } = await mms(fixture);
    fixture.server.trouble = ({ path }) => (path.startsWith('/store/') ? { is: 'refuse', status: 503 } : undefined);
    expect((await fixture.turn(first)).content).toMatchObject({
      text: 'picture',
      media: [],
      notes: [expect.stringContaining('503')],
    });
  });

  it('are not fetched from a private network that a redirect leads to', async () => {
    const fixture = await timed();
    const { first } = await mms(fixture);
    const headers = { location: 'https://169.254.169.254/latest/meta-data' };
    fixture.server.trouble = ({ path }) =>
      /Media\/ME\w+$/.test(path) ? { is: 'refuse', status: 307, headers } : undefined;
    expect((await fixture.turn(first)).content).toMatchObject({
      media: [],
      notes: [expect.stringContaining('its address 169.254.169.254 belongs to a private network')],
    });
  });

  it('that are gone or too large are a note in the message', async () => {
    const gone = await timed();
    const there = await mms(gone);
    gone.server.trouble = ({ path }) => (path.startsWith('/store/') ? { is: 'refuse', status: 404 } : undefined);
    expect((await gone.turn(there.first)).content).toMatchObject({
      media: [],
      notes: [expect.stringContaining('answered HTTP 404')],
    });
    const large = await timed();
    const huge = await mms(large, Buffer.alloc(10 * 1024 * 1024 + 1));
    expect((await large.turn(huge.first)).content).toMatchObject({
      media: [],
      notes: [expect.stringContaining('larger than')],
    });
  });

  it('of messages that are known already are not fetched', async () => {
    const fixture = await timed();
    const { first, message } = await mms(fixture);
    fixture.driverState.set(`sms:${message.sid}`, 'acknowledged');
    expect(await fixture.turn(first)).toMatchObject({ key: `sms:${message.sid}`, content: null });
    expect(fixture.server.requests.some(({ path }) => path.includes('Media'))).toBe(false);
  });
});

describe('with polling switched off', () => {
  it('asks for nothing and ends with its signal', async () => {
    const fixture = await timed();
    const receiving = fixture.receiving(await fixture.open('I', { PollSeconds: 0, Webhook: true }));
    const asked = receiving.next().catch((error: Error) => error.message);
    const before = fixture.server.requests.length;
    fixture.server.receive();
    await fixture.jump(HOUR);
    expect(fixture.server.requests.length).toBe(before);
    await receiving.stop();
    expect(await asked).toContain('ended');
    expect(fixture.clock.armed).toBe(0);
  });
});
