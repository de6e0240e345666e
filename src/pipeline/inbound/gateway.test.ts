// The promises of a receiving gateway in the corners where they were broken once.
import { afterEach, describe, expect, it } from 'vitest';
import { IN } from '../../../test/fixtures/connector.js';
import {
  type InboundFixture,
  type InboundFixtureOptions,
  mailContent,
  startInboundFixture,
} from '../../../test/fixtures/inbound-gateway.js';
import { SHOWN_WITHIN_MS } from './settle.js';

let fixture: InboundFixture;
afterEach(() => fixture.close());
const start = async (options?: InboundFixtureOptions) => {
  fixture = await startInboundFixture(options);
};

const names = (count: number, prefix = 'm') => Array.from({ length: count }, (_, index) => `${prefix}${index}`);
const stateOf = async (key: string) => (await fixture.journal.recordsOf(IN, [key])).get(key)?.state;
const idOf = async (key: string) => (await fixture.journal.recordsOf(IN, [key])).get(key)?.id ?? 0;
const eventsOf = async (key: string) =>
  (await fixture.journal.traces(key)).flatMap(({ entries }) => entries.map(({ event }) => event));
const confirmedAll = async (keys: readonly string[]) =>
  [...(await fixture.journal.recordsOf(IN, keys)).values()].every(({ state }) => state === 'confirmed');

describe('a burst of pushes larger than the window', () => {
  it('is delivered once each, however many pushes wake the loop', async () => {
    await start({ channel: 'SMS', limits: { window: 2 } });
    const ids = names(12, 'push-');
    await Promise.all(ids.map((id) => fixture.push([id])));
    await fixture.turnUntil('all confirmed', () => confirmedAll(ids), 100);
    await fixture.clock.advance(300_000);
    expect(fixture.received.map(({ DeliverySystemId }) => DeliverySystemId).sort()).toEqual([...ids].sort());
  });

  it('is answered at once while the window is full, and so is a wake-up', async () => {
    await start({ channel: 'SMS', limits: { window: 1 } });
    fixture.onReceiving = () => 'silent';
    await fixture.push(['one']);
    await fixture.turnUntil('the first delivery', () => fixture.received.length > 0, 10);
    await fixture.push(['two', 'three']);
    expect(fixture.gateway.dispatchRequeued()).toBeUndefined();
    expect(await stateOf('three')).toBe('pending');
  });
});

describe('what the server is told about one message', () => {
  const withoutId = 'From: ann@example.com\r\nSubject: one\r\n\r\nHello\r\n';
  const attached = [
    'From: ann@example.com',
    'Subject: one',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'see the file',
    '--b',
    'Content-Type: application/octet-stream; name=a.bin',
    'Content-Disposition: attachment; filename=a.bin',
    'Content-Transfer-Encoding: base64',
    '',
    'AAEC',
    '--b--',
    '',
  ].join('\r\n');

  /** As an SMTP listener shows it: with a Received line that tells the time of this reading. */
  const overSmtp = (raw: string) => {
    const received = `Received: from client by gatepost; ${new Date(fixture.clock.now()).toUTCString()}\r\n`;
    return {
      content: {
        ...mailContent('one', fixture.clock, received + raw),
        envelope: { from: 'ann@example.com', recipients: ['support@example.com'] },
      },
    };
  };

  it.each([
    ['after a restart', () => fixture.restart()],
    ['after a new reading', () => fixture.clock.advance(3_600_000)],
  ])('stays the same %s: ids, times and links', async (_title, between) => {
    await start();
    fixture.onReceiving = () => false;
    const told = fixture.show('one', {
      ...overSmtp(attached.replace('Subject', 'X-No: id\r\nSubject')),
      defer: async () => void told.push('later'),
    });
    await fixture.turnUntil('the first attempt', () => told.length > 0, 100);
    await between();
    await fixture.clock.advance(60_000);
    fixture.onReceiving = () => true;
    const again = fixture.show('one', overSmtp(attached.replace('Subject', 'X-No: id\r\nSubject')));
    await fixture.turnUntil('the confirmation', () => again.includes('confirmed'), 100);
    const [first, ...others] = fixture.received;
    for (const other of others) expect(other).toEqual(first);
    expect(others.length).toBeGreaterThan(0);
    const [, id = ''] = /files\.example\/([^/]+)\/a\.bin/.exec(first?.BodyText ?? '') ?? [];
    expect(await fixture.journal.attachment(id)).toMatchObject({ name: 'a.bin', size: 3 });
  });

  it('has a DeliverySystemId that does not depend on the time of reading', async () => {
    await start();
    const told = fixture.show('one', overSmtp(withoutId));
    await fixture.turnUntil('the confirmation', () => told.includes('confirmed'), 100);
    const { DeliverySystemId } = fixture.received[0] ?? {};
    await fixture.close();
    await start();
    await fixture.clock.advance(86_400_000);
    const again = fixture.show('one', overSmtp(withoutId));
    await fixture.turnUntil('the confirmation', () => again.includes('confirmed'), 100);
    expect(fixture.received[0]?.DeliverySystemId).toBe(DeliverySystemId);
  });

  it('stays the same for a message that an operator requeues', async () => {
    await start({ limits: { rejections: 1 } });
    fixture.onReceiving = () => false;
    const told = fixture.show('one', { content: mailContent('one', fixture.clock, attached) });
    await fixture.turnUntil('the quarantine', () => told.includes('rejected'), 100);
    await fixture.clock.advance(86_400_000);
    fixture.onReceiving = () => true;
    await fixture.journal.requeue(await idOf('one'));
    fixture.gateway.dispatchRequeued();
    await fixture.turnUntil('the acknowledgement', async () => (await stateOf('one')) === 'acknowledged', 100);
    expect(fixture.received[1]).toEqual(fixture.received[0]);
  });
});

describe('a message released from quarantine', () => {
  const released = async () => {
    await start({ limits: { rejections: 1 } });
    fixture.onReceiving = () => false;
    const told = fixture.show('one');
    await fixture.turnUntil('the quarantine', () => told.includes('rejected'), 100);
    fixture.onReceiving = () => true;
    await fixture.journal.requeue(await idOf('one'));
    fixture.gateway.dispatchRequeued();
    await fixture.turnUntil('the acknowledgement', async () => (await stateOf('one')) === 'acknowledged', 100);
    await fixture.clock.advance(10_000);
  };

  it('counts as confirmed only when the driver has shown it again and was told', async () => {
    await released();
    expect(await stateOf('one')).toBe('acknowledged');
    const again = fixture.show('one', { content: null });
    await fixture.turnUntil('the confirmation', () => again.includes('confirmed'), 100);
    await fixture.turnUntil('the record', async () => (await stateOf('one')) === 'confirmed', 100);
    expect((await eventsOf('one')).slice(-2)).toEqual(['acknowledged', 'confirmed']);
  });

  it('is settled without the word "confirmed" when the counterparty does not show it any more', async () => {
    await released();
    await fixture.clock.advance(SHOWN_WITHIN_MS + 120_000);
    expect(await stateOf('one')).toBe('confirmed');
    expect((await eventsOf('one')).slice(-2)).toEqual(['acknowledged', 'note']);
    expect(await fixture.journal.backlog()).toEqual([]);
  });
});

describe('an acknowledged message whose confirmation was interrupted', () => {
  it('is settled when the next session does not show it within its time, and not before', async () => {
    await start();
    const { requestId } = await fixture.journal.open({
      gatewayId: IN,
      key: 'gone',
      fingerprint: '',
      deliverySystemId: 'gone',
      rfcMessageId: null,
      references: null,
      remoteAddress: 'ann@example.com',
      subject: '',
      bytes: 1,
      notes: [],
      attachments: [],
      serverFields: null,
    });
    await fixture.journal.acknowledge(requestId, { messageId: 'm', at: fixture.clock.now() });
    await fixture.clock.advance(SHOWN_WITHIN_MS - 60_000);
    expect(await stateOf('gone')).toBe('acknowledged');
    await fixture.clock.advance(240_000);
    expect(await stateOf('gone')).toBe('confirmed');
  });

  it('is never settled while its confirmation is under way', async () => {
    await start();
    const stuck = fixture.show('stuck', { confirm: () => Promise.reject(new Error('mailbox is read-only')) });
    await fixture.turnUntil('the acknowledgement', async () => (await stateOf('stuck')) === 'acknowledged', 100);
    await fixture.clock.advance(2 * SHOWN_WITHIN_MS);
    expect(await stateOf('stuck')).toBe('acknowledged');
    expect(stuck).toEqual([]);
  });
});

describe('messages that the server never answers', () => {
  it('leave half of the window to new ones, show as degraded, and go to quarantine when others are answered', async () => {
    await start({ limits: { window: 8, rejections: 3 } });
    fixture.onReceiving = ({ SubjectField }) => (SubjectField?.startsWith('dead') ? 'silent' : true);
    const dead = names(30, 'dead');
    for (const key of dead) fixture.show(key);
    await fixture.turnUntil(
      'all dead ones tried',
      () => new Set(fixture.received.map((m) => m.RequestId)).size === 30,
      10_000,
    );
    const quick = names(20, 'good');
    const told = quick.map((key) => fixture.show(key));
    await fixture.clock.advance(120_000);
    expect(told.filter((events) => events.includes('confirmed'))).toHaveLength(20);
    expect(fixture.gateway.view()).toMatchObject({ state: 'degraded', problem: expect.stringContaining('unanswered') });
    await fixture.turnUntil(
      'quarantine of all dead ones',
      async () => {
        fixture.show(`other ${fixture.received.length}`);
        return (await fixture.journal.quarantined(IN)).length === 30;
      },
      30_000,
    );
    expect(fixture.gateway.view()).toMatchObject({ state: 'running', backingOff: 0 });
  });

  it('stay pending however long the server answers nothing at all', async () => {
    await start();
    fixture.onReceiving = () => 'silent';
    fixture.show('one');
    await fixture.clock.advance(3_600_000);
    expect(fixture.received.length).toBeGreaterThan(10);
    expect(await stateOf('one')).toBe('pending');
  });
});

describe('stopping', () => {
  it('ends in bounded time even when confirming, reading from the driver and closing it all hang', async () => {
    const never = () => new Promise<never>(() => {});
    await start({ driver: { close: never } });
    fixture.show('one', { confirm: never });
    await fixture.turnUntil('the acknowledgement', async () => (await stateOf('one')) === 'acknowledged', 100);
    const before = fixture.clock.monotonic();
    await fixture.stop();
    expect(fixture.clock.monotonic() - before).toBeLessThan(5_000);
  });
});

describe('one message shown many times at once', () => {
  it('is under way once, and every handle that was shown last is confirmed', async () => {
    await start({ limits: { window: 1 } });
    const told = names(5).map(() => fixture.show('one'));
    await fixture.turnUntil('the confirmation', () => told.at(-1)?.includes('confirmed') === true, 100);
    expect(fixture.received).toHaveLength(1);
  });
});
