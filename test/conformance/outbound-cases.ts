// Cases for drivers that send.
import { expect, it } from 'vitest';
import type { ComposedMessage, Content } from '../../src/driver/contract.js';
import { attemptOf } from './context.js';
import type { Cut, OutboundCounterparty } from './counterparty.js';
import type { Fixture } from './fixture.js';
import type { Samples } from './samples.js';

export function outboundCases<
  Settings,
  Session,
  Delivered,
  C extends OutboundCounterparty<Delivered>,
  In extends Content,
  Out extends ComposedMessage,
>(
  fixture: Fixture<Settings, Session, C, In, Out>,
  samples: Samples<In, Out, unknown, Delivered>,
  cuts: readonly Cut<C, Out>[],
): void {
  const { driver } = fixture;

  it('a message is sent once, unchanged, under an id', async () => {
    const { counterparty, open } = await fixture.setUp();
    const message = samples.outgoing('out');
    const deliverySystemId = samples.idOf(message) ?? expect.stringMatching(/^[^\n]{1,80}$/);
    expect(await (await open()).send(message)).toMatchObject({ kind: 'sent', deliverySystemId });
    const delivered = await counterparty.delivered();
    expect(delivered).toHaveLength(1);
    expect(delivered.filter((copy) => samples.same(copy, message))).toHaveLength(1);
  });

  it('rule 7: concurrent sends each send once, and no problem is reported', async () => {
    const { counterparty, open, context, problems } = await fixture.setUp();
    const gateway = await open();
    const count = 3 * (driver.concurrency?.(context().settings) ?? 1);
    const outcomes = await Promise.all(
      Array.from({ length: count }, (_, i) => gateway.send(samples.outgoing(`many ${i}`))),
    );
    expect(outcomes.map(({ kind }) => kind)).toEqual(Array.from({ length: count }, () => 'sent'));
    const texts = (await counterparty.delivered()).map(samples.identity);
    expect(new Set(texts).size).toBe(count);
    expect(texts).toHaveLength(count);
    expect([...problems]).toEqual([]);
  });

  it('check sends nothing', async () => {
    const { counterparty, context } = await fixture.setUp();
    for await (const step of driver.check(context(), new AbortController().signal)) expect(step.ok).toBe(true);
    expect(await counterparty.delivered()).toHaveLength(0);
  });

  it('rule 3: an attempt that is aborted before it starts is surely not sent', async () => {
    const { counterparty, open } = await fixture.setUp();
    const attempt = attemptOf();
    attempt.abort();
    expect((await (await open()).send(samples.outgoing('too late'), attempt)).kind).toBe('deferred');
    expect(await counterparty.delivered()).toHaveLength(0);
  });

  for (const cut of cuts) {
    it(`rule 2: ${cut.name}: ${cut.outcomes.join(' or ')}, and the outcome is true`, async () => {
      const { counterparty, open, clock } = await fixture.setUp();
      const gateway = await open();
      await cut.arm(counterparty);
      const attempt = attemptOf();
      const sending = gateway.send(cut.mail ?? samples.outgoing('cut'), attempt);
      if (cut.silent) {
        await cut.silent(counterparty);
        attempt.abort();
      }
      const outcome = await sending;
      expect(cut.outcomes).toContain(outcome.kind);
      const delivered = (await counterparty.delivered()).length;
      if (outcome.kind === 'sent' || outcome.kind === 'partial') expect(delivered).toBe(1);
      if (outcome.kind === 'deferred' || outcome.kind === 'rejected') expect(delivered).toBe(0);
      expect(delivered).toBeLessThanOrEqual(1);
      await gateway.close();
      expect(clock.armed).toBe(0);
    });
  }

  it('rule 6: two services in one process do not see each other', async () => {
    const [one, other] = [await fixture.setUp(), await fixture.setUp()];
    const [first, second] = [await one.open(), await other.open()];
    const [message, otherMessage] = [samples.outgoing('by one'), samples.outgoing('by the other')];
    const outcomes = await Promise.all([first.send(message), second.send(otherMessage)]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['sent', 'sent']);
    expect((await one.counterparty.delivered()).map((copy) => samples.same(copy, message))).toEqual([true]);
    expect((await other.counterparty.delivered()).map((copy) => samples.same(copy, otherMessage))).toEqual([true]);
  });
}
