// Owns the cases for drivers that send.
import { expect, it } from 'vitest';
import type { ComposedMessage, Content } from '../../src/driver/contract.js';
import type { Bench } from './bench.js';
import { attemptOf } from './context.js';
import type { Cut, Taking } from './harness.js';
import type { Words } from './words.js';

export function sending<
  Settings,
  Session,
  Taken,
  C extends Taking<Taken>,
  In extends Content,
  Out extends ComposedMessage,
>(
  bench: Bench<Settings, Session, C, In, Out>,
  words: Words<In, Out, unknown, Taken>,
  cuts: readonly Cut<C, Out>[],
): void {
  const { driver } = bench;

  it('a message goes out once, to the last character, under an id', async () => {
    const { counterparty, open } = await bench.set();
    const message = words.outgoing('out');
    const deliverySystemId = words.idOf(message) ?? expect.stringMatching(/^[^\n]{1,80}$/);
    expect(await (await open()).send(message)).toMatchObject({ kind: 'sent', deliverySystemId });
    const delivered = await counterparty.delivered();
    expect(delivered).toHaveLength(1);
    expect(delivered.filter((taken) => words.same(taken, message))).toHaveLength(1);
  });

  it('many at once go out once each, as many at a time as it says it can', async () => {
    const { counterparty, open, context } = await bench.set();
    const gateway = await open();
    const count = 3 * (driver.concurrency?.(context().settings) ?? 1);
    const outcomes = await Promise.all(
      Array.from({ length: count }, (_, i) => gateway.send(words.outgoing(`many ${i}`))),
    );
    expect(outcomes.map(({ kind }) => kind)).toEqual(Array.from({ length: count }, () => 'sent'));
    const texts = (await counterparty.delivered()).map(words.identity);
    expect(new Set(texts).size).toBe(count);
    expect(texts).toHaveLength(count);
  });

  it('the test of the connection sends nothing', async () => {
    const { counterparty, context } = await bench.set();
    for await (const step of driver.check(context(), new AbortController().signal)) expect(step.ok).toBe(true);
    expect(await counterparty.delivered()).toHaveLength(0);
  });

  it('an attempt whose time is over before it began is surely not sent', async () => {
    const { counterparty, open } = await bench.set();
    const attempt = attemptOf();
    attempt.abort();
    expect((await (await open()).send(words.outgoing('too late'), attempt)).kind).toBe('deferred');
    expect(await counterparty.delivered()).toHaveLength(0);
  });

  for (const cut of cuts) {
    it(`${cut.name}: ${cut.outcomes.join(' or ')}, and never said to be what it is not`, async () => {
      const { counterparty, open, clock } = await bench.set();
      const gateway = await open();
      await cut.arm(counterparty);
      const attempt = attemptOf();
      const sending = gateway.send(cut.mail ?? words.outgoing('cut'), attempt);
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
}
