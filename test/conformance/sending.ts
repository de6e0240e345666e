// Owns the cases for drivers that send.
import { expect, it } from 'vitest';
import type { Bench } from './bench.js';
import { attemptOf, outboundMail } from './context.js';
import type { Cut, Taking } from './harness.js';

export function sending<Settings, Session, C extends Taking>(
  bench: Bench<Settings, Session, C>,
  cuts: readonly Cut<C>[],
): void {
  const { driver } = bench;

  it('a mail goes out once, byte for byte, under its Message-ID', async () => {
    const { counterparty, open } = await bench.set();
    const mail = outboundMail('out');
    expect(await (await open()).send(mail)).toMatchObject({ kind: 'sent', deliverySystemId: 'out@conformance.test' });
    const delivered = await counterparty.delivered();
    expect(delivered).toHaveLength(1);
    expect(delivered[0]?.raw.equals(Buffer.from(mail.raw))).toBe(true);
  });

  it('many at once go out once each, as many at a time as it says it can', async () => {
    const { counterparty, open, context } = await bench.set();
    const gateway = await open();
    const count = 3 * (driver.concurrency?.(context().settings) ?? 1);
    const outcomes = await Promise.all(
      Array.from({ length: count }, (_, i) => gateway.send(outboundMail(`many ${i}`))),
    );
    expect(outcomes.map(({ kind }) => kind)).toEqual(Array.from({ length: count }, () => 'sent'));
    const texts = (await counterparty.delivered()).map(({ raw }) => raw.toString());
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
    expect((await (await open()).send(outboundMail('too late'), attempt)).kind).toBe('deferred');
    expect(await counterparty.delivered()).toHaveLength(0);
  });

  for (const cut of cuts) {
    it(`${cut.name}: ${cut.outcomes.join(' or ')}, and never said to be what it is not`, async () => {
      const { counterparty, open, clock } = await bench.set();
      const gateway = await open();
      await cut.arm(counterparty);
      const attempt = attemptOf();
      const sending = gateway.send(cut.mail ?? outboundMail('cut'), attempt);
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
