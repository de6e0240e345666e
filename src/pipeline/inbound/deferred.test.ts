// A sender that waits on the line and is told to come again later.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IN } from '../../../test/fixtures/connector.js';
import { type InboundFixture, startInboundFixture } from '../../../test/fixtures/inbound-gateway.js';

let fixture: InboundFixture;
beforeEach(async () => {
  fixture = await startInboundFixture();
});
afterEach(() => fixture.close());

/** The sender comes with its mail and waits for the answer. */
const come = () => {
  const told: string[] = [];
  fixture.show('one', {
    confirm: async () => void told.push('confirmed'),
    defer: async (reason) => void told.push(reason),
  });
  return told;
};
const pending = async () => (await fixture.journal.backlog()).reduce((sum, { pending }) => sum + pending, 0);

describe('a sender that was told to come again later', () => {
  it('is not counted as waiting until it comes, and is then accepted under the same RequestId', async () => {
    fixture.link.up = false;
    const first = come();
    await fixture.turnUntil('the first answer', () => first.length > 0);
    expect(first).toEqual(['the contact center is not connected']);
    expect(await pending()).toBe(0);
    expect(await fixture.journal.reconciliation(0)).toEqual([]);
    const { requestId } = (await fixture.journal.recordsOf(IN, ['one'])).get('one') ?? {};

    fixture.link.up = true;
    const second = come();
    await fixture.turnUntil('the second answer', () => second.length > 0);
    expect(second).toEqual(['confirmed']);
    expect((await fixture.journal.recordsOf(IN, ['one'])).get('one')).toMatchObject({ requestId });
    expect(await fixture.journal.reconciliation(0)).toMatchObject([{ received: 1, delivered: 1, waiting: 0 }]);
  });

  it('because Gatepost stops is not counted as waiting either', async () => {
    fixture.onReceiving = () => 'silent';
    const told = come();
    await fixture.turnUntil('the opening', async () => (await pending()) > 0, 1);
    await fixture.stop();
    expect(told).toEqual(['Gatepost is stopping']);
    expect(await pending()).toBe(0);
  });

  it('is told so even when the journal cannot record it', async () => {
    fixture.link.up = false;
    fixture.journal.deferred = () => Promise.reject(new Error('disk full'));
    const told = come();
    await fixture.turnUntil('the answer', () => told.length > 0);
    expect(told).toEqual(['the contact center is not connected']);
  });
});
