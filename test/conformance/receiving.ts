// Owns the cases for drivers that receive.
import { expect, it } from 'vitest';
import { messageOf } from '../../src/driver/contract.js';
import { until } from '../kit/until.js';
import { type Bench, openThings } from './bench.js';
import { mailBytes } from './context.js';
import type { Offering } from './harness.js';

export function receiving<Settings, Session, C extends Offering>(bench: Bench<Settings, Session, C>): void {
  const { driver } = bench;
  const untaken = (counterparty: C, count: number) =>
    until(`${count} mails left to the counterparty`, async () => (await counterparty.untaken()) === count);

  it('a mail arrives whole, with a key that can be kept', async () => {
    const { counterparty, open } = await bench.set();
    const raw = mailBytes('whole');
    await counterparty.offer(raw);
    const arrival = await (await open()).next();
    expect(Buffer.from(arrival.content?.raw ?? []).includes(raw)).toBe(true);
    expect(arrival.content?.receivedAt).toBeGreaterThan(Date.UTC(2020, 0));
    expect(arrival.key).toMatch(/^[^\n]{1,500}$/);
    expect(arrival.bytes).toBeGreaterThanOrEqual(raw.length);
  });

  it('mails that come while it runs arrive, too, each under its own key', async () => {
    const { counterparty, open } = await bench.set();
    const gateway = await open();
    const keys = new Set<string>();
    for (const name of ['one', 'two', 'three']) {
      const asked = gateway.next();
      await counterparty.offer(mailBytes(name));
      const arrival = await asked;
      expect(Buffer.from(arrival.content?.raw ?? []).toString()).toContain(`Subject: ${name}`);
      keys.add(arrival.key);
      await arrival.confirm();
    }
    expect(keys.size).toBe(3);
  });

  it("nothing is confirmed before the confirm: after a close the mail is still the counterparty's and comes again", async () => {
    const { counterparty, open } = await bench.set();
    await counterparty.offer(mailBytes('unconfirmed'));
    const first = await open();
    const arrival = await first.next();
    expect(await counterparty.untaken()).toBe(1);
    await first.close();
    expect(await counterparty.untaken()).toBe(1);
    const again = await (await open()).next();
    expect(again.key).toBe(arrival.key);
    expect(again.content).not.toBeNull();
  });

  it('after the confirm, given once or twice, the counterparty knows that it was taken', async () => {
    const { counterparty, open, memory } = await bench.set();
    await counterparty.offer(mailBytes('confirmed'));
    const arrival = await (await open()).next();
    memory.acknowledge(arrival);
    await Promise.all([arrival.confirm(), arrival.confirm()]);
    await arrival.confirm();
    await untaken(counterparty, 0);
  });

  it('what was confirmed does not come again after a restart', async () => {
    const { counterparty, open, memory } = await bench.set();
    await counterparty.offer(mailBytes('old'));
    const first = await open();
    const arrival = await first.next();
    memory.acknowledge(arrival);
    await arrival.confirm();
    memory.confirmed(arrival);
    await untaken(counterparty, 0);
    await first.close();
    const second = await open();
    await counterparty.offer(mailBytes('new'));
    expect(Buffer.from((await second.next()).content?.raw ?? []).toString()).toContain('Subject: new');
  });

  it('a crash between ack and confirm: after the restart only the confirm is finished, nothing is downloaded again', async () => {
    const { counterparty, open, memory } = await bench.set();
    await counterparty.offer(mailBytes('acknowledged'));
    const first = await open();
    const arrival = await first.next();
    memory.acknowledge(arrival);
    await first.close();
    const again = await (await open()).next();
    expect(again).toMatchObject({ key: arrival.key, content: null });
    await again.confirm();
    await untaken(counterparty, 0);
  });

  it('a refused mail is put aside, given once or twice, and the ones behind it come', async () => {
    const { counterparty, open, memory } = await bench.set();
    await counterparty.offer(mailBytes('refused'));
    const gateway = await open();
    const arrival = await gateway.next();
    memory.quarantine(arrival);
    await arrival.refuse('the contact center does not want it');
    await arrival.refuse('the contact center does not want it');
    await until('the refusal to show', async () => (await counterparty.refused()) === 1);
    await counterparty.offer(mailBytes('behind'));
    expect(Buffer.from((await gateway.next()).content?.raw ?? []).toString()).toContain('Subject: behind');
  });

  it('the signal ends it, idle or with an arrival under way, and leaves nothing after the close', async () => {
    const { counterparty, open, clock } = await bench.set();
    const before = openThings();
    const idle = await open();
    const asked = idle.next().catch(messageOf);
    await idle.stop();
    expect(await asked).toContain('ended');
    await idle.close();
    await until('everything to be closed', () => openThings() <= before);
    expect(clock.armed).toBe(0);
    await counterparty.offer(mailBytes('under way'));
    const busy = await open();
    await busy.next();
    await busy.stop();
    await busy.close();
    expect(clock.armed).toBe(0);
  });

  it('the test of the connection changes nothing', async () => {
    const { counterparty, context, open } = await bench.set();
    await counterparty.offer(mailBytes('untouched'));
    const signal = new AbortController().signal;
    for await (const step of driver.check(context(), signal)) expect(step.ok).toBe(true);
    expect(await counterparty.untaken()).toBe(1);
    expect((await (await open()).next()).content).not.toBeNull();
  });
}
