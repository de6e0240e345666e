// Two things happen to one message at the same moment. Nothing is lost, told twice or left without an end.
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { IN } from '../../../test/fixtures/connector.js';
import {
  type InboundFixture,
  type InboundFixtureOptions,
  startInboundFixture,
} from '../../../test/fixtures/inbound-gateway.js';
import type { DriverState, GatewayContext } from '../../driver/contract.js';

let fixture: InboundFixture;
afterEach(() => fixture.close());
const start = async (options?: InboundFixtureOptions) => {
  fixture = await startInboundFixture(options);
};
const recordOf = async (key: string) => (await fixture.journal.recordsOf(IN, [key])).get(key);
const first = () => {
  const [message] = fixture.received;
  if (!message) throw new Error('the server has received nothing');
  return message;
};
const untilReceived = (count: number) =>
  fixture.turnUntil(`${count} messages at the server`, () => fixture.received.length >= count, 0);

/** The sender waits on the line; `told` is what it is answered. */
const onTheLine = (key: string, more = {}) => {
  const told: string[] = [];
  fixture.show(key, {
    confirm: async () => void told.push('confirmed'),
    defer: async (reason) => void told.push(reason),
    ...more,
  });
  return told;
};

describe('an answer of the server that comes together with the end of its time', () => {
  it('counts when it waits in the socket of a process that stood still', async () => {
    await start({ limits: { ackMs: 50_000 } });
    fixture.onReceiving = () => 'silent';
    const { schedule } = fixture.clock;
    fixture.clock.schedule = (ms, run) =>
      schedule(ms, async () => {
        run();
        if (ms !== 50_000) return;
        for (let turns = 0; turns < 5; turns++) await turn();
        await fixture.acknowledge(first());
      });
    const told = onTheLine('one');
    await untilReceived(1);
    await fixture.clock.advance(50_000);
    await fixture.turnUntil('the answer', () => told.length > 0);
    expect(told).toEqual(['confirmed']);
  });

  it('counts while the journal takes longer than that to record it, and nothing is sent again', async () => {
    await start({ limits: { rejections: 1 } });
    fixture.onReceiving = () => 'silent';
    const told = onTheLine('one');
    await untilReceived(1);
    const { acknowledge } = fixture.journal;
    let record = () => {};
    fixture.journal.acknowledge = async (...args) => {
      await new Promise<void>((resolve) => (record = resolve));
      return acknowledge(...args);
    };
    void fixture.acknowledge(first());
    await fixture.clock.advance(300_000);
    expect([told, fixture.received.length]).toEqual([[], 1]);
    record();
    await fixture.turnUntil('the answer', () => told.length > 0);
    expect(told).toEqual(['confirmed']);
    expect(await recordOf('one')).toMatchObject({ rejections: 0 });
  });
});

describe('a message that the driver shows again', () => {
  it('while the rejection of the first showing is under way is rejected, too', async () => {
    await start({ limits: { rejections: 1 } });
    fixture.onReceiving = () => false;
    let rejected: (() => void) | undefined;
    fixture.show('one', { reject: () => new Promise((resolve) => (rejected = resolve)) });
    await fixture.turnUntil('the rejection', () => rejected !== undefined);
    const again = fixture.show('one');
    await fixture.clock.advance(1_000);
    rejected?.();
    await fixture.turnUntil('the second rejection', () => again.includes('rejected'));
    expect(fixture.gateway.view().inFlight).toBe(0);
  });

  it('while the journal’s own copy waits for a slot is confirmed, though the server accepts it meanwhile', async () => {
    await start({ limits: { rejections: 1, window: 1 } });
    fixture.onReceiving = ({ SubjectField }) => (SubjectField === 'one' ? false : 'silent');
    const told = fixture.show('one');
    await fixture.turnUntil('the quarantine', () => told.includes('rejected'));
    fixture.show('blocker');
    await untilReceived(2);
    await fixture.journal.requeue((await recordOf('one'))?.id ?? 0);
    fixture.gateway.dispatchRequeued();
    await fixture.clock.advance(0);
    const again = fixture.show('one');
    await fixture.clock.advance(0);
    for (const message of fixture.received.slice(0, 2)) await fixture.acknowledge(message);
    await fixture.turnUntil('the confirmation', () => again.includes('confirmed'));
    expect(fixture.received).toHaveLength(2);
  });

  it('under a new key, because the counterparty renumbered while the journal opened it, is the same message', async () => {
    let driverState: DriverState | undefined;
    await start({
      driver: {
        open: async (context: GatewayContext<unknown>) => {
          ({ driverState } = context);
          return {};
        },
      },
    });
    const { open } = fixture.journal;
    fixture.journal.open = async (message) => {
      fixture.journal.open = open;
      await driverState?.rekey([{ from: 'old', to: 'new' }]);
      return open(message);
    };
    const told = fixture.show('old');
    await fixture.turnUntil('the confirmation', () => told.includes('confirmed'));
    expect(await recordOf('new')).toMatchObject({ state: 'confirmed' });
    expect(await recordOf('old')).toBeUndefined();
  });
});

describe('a stored message', () => {
  it('that cannot be read back keeps back none of those behind it', async () => {
    await start({ channel: 'SMS', limits: { window: 1 } });
    const { quarantinedRaw } = fixture.journal;
    fixture.journal.quarantinedRaw = async (id) => (id === 1 ? Buffer.from('no JSON') : quarantinedRaw(id));
    await fixture.push(['unreadable', 'behind']);
    await fixture.turnUntil('the message behind', async () => (await recordOf('behind'))?.state === 'confirmed');
    expect(await recordOf('unreadable')).toMatchObject({ state: 'pending' });
    fixture.journal.quarantinedRaw = quarantinedRaw;
    await fixture.turnUntil('the other one', async () => (await recordOf('unreadable'))?.state === 'confirmed', 10_000);
  });
});

describe('a confirmation', () => {
  it('that the journal cannot record at first is recorded later, and its sender hears nothing else', async () => {
    await start();
    const { confirmed } = fixture.journal;
    fixture.journal.confirmed = async () => {
      fixture.journal.confirmed = confirmed;
      throw new Error('the disk is full');
    };
    const told = onTheLine('one');
    await fixture.turnUntil('the record', async () => (await recordOf('one'))?.state === 'confirmed');
    expect(told).toEqual(['confirmed']);
  });
});

describe('a new mail', () => {
  it('costs no question to the journal before it is opened, and one that is known keeps its identity all the same', async () => {
    await start();
    fixture.onReceiving = () => 'silent';
    let questions = 0;
    const { recordsOf } = fixture.journal;
    fixture.journal.recordsOf = (...args) => {
      questions += 1;
      return recordsOf(...args);
    };
    fixture.show('one');
    await untilReceived(1);
    expect(questions).toBe(0);
    await fixture.restart();
    await fixture.clock.advance(3_600_000);
    fixture.show('one');
    await untilReceived(2);
    expect(fixture.received[1]).toEqual(first());
  });
});
