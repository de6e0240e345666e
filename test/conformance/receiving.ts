// Owns the cases for drivers that receive.
import { expect, it } from 'vitest';
import { type ComposedMessage, type Content, messageOf } from '../../src/driver/contract.js';
import { waitFor } from '../fixtures/wait-for.js';
import { type Bench, openThings } from './bench.js';
import type { Offering } from './harness.js';
import type { Words } from './words.js';

export function receiving<
  Settings,
  Session,
  Offered,
  C extends Offering<Offered>,
  In extends Content,
  Out extends ComposedMessage,
>(bench: Bench<Settings, Session, C, In, Out>, words: Words<In, Out, Offered, never>): void {
  const { driver } = bench;
  const untaken = ({ untaken }: C, count: number) =>
    untaken && waitFor(`${count} messages left to the counterparty`, async () => (await untaken()) === count);
  const stillIts = async ({ untaken }: C) => {
    if (untaken) expect(await untaken()).toBe(1);
  };
  const carries = (content: In | null, name: string) => content !== null && words.carries(content, words.offered(name));

  it('a message arrives whole, with a key that can be kept', async () => {
    const { counterparty, open } = await bench.set();
    const offered = words.offered('whole');
    await counterparty.offer(offered);
    const inboundMessage = await (await open()).next();
    expect(carries(inboundMessage.content, 'whole')).toBe(true);
    expect(inboundMessage.content?.receivedAt).toBeGreaterThan(Date.UTC(2020, 0));
    expect(inboundMessage.key).toMatch(/^[^\n]{1,500}$/);
    expect(inboundMessage.bytes).toBeGreaterThanOrEqual(words.size(offered));
  });

  it('messages that come while it runs arrive, too, each under its own key', async () => {
    const { counterparty, open } = await bench.set();
    const gateway = await open();
    const keys = new Set<string>();
    for (const name of ['one', 'two', 'three']) {
      const asked = gateway.next();
      await counterparty.offer(words.offered(name));
      const inboundMessage = await asked;
      expect(carries(inboundMessage.content, name)).toBe(true);
      keys.add(inboundMessage.key);
      await inboundMessage.confirm();
    }
    expect(keys.size).toBe(3);
  });

  it("nothing is confirmed before the confirm: after a close the message is still the counterparty's and comes again", async () => {
    const { counterparty, open } = await bench.set();
    await counterparty.offer(words.offered('unconfirmed'));
    const first = await open();
    const inboundMessage = await first.next();
    await stillIts(counterparty);
    await first.close();
    await stillIts(counterparty);
    const again = await (await open()).next();
    expect(again.key).toBe(inboundMessage.key);
    expect(again.content).not.toBeNull();
  });

  it('after the confirm, given once or twice, the counterparty knows that it was taken', async () => {
    const { counterparty, open, driverState } = await bench.set();
    await counterparty.offer(words.offered('confirmed'));
    const inboundMessage = await (await open()).next();
    driverState.acknowledge(inboundMessage);
    await Promise.all([inboundMessage.confirm(), inboundMessage.confirm()]);
    await inboundMessage.confirm();
    await untaken(counterparty, 0);
  });

  it('what was confirmed does not come again after a restart', async () => {
    const { counterparty, open, driverState } = await bench.set();
    await counterparty.offer(words.offered('old'));
    const first = await open();
    const inboundMessage = await first.next();
    driverState.acknowledge(inboundMessage);
    await inboundMessage.confirm();
    driverState.confirmed(inboundMessage);
    await untaken(counterparty, 0);
    await first.close();
    const second = await open();
    await counterparty.offer(words.offered('new'));
    expect(carries((await second.next()).content, 'new')).toBe(true);
  });

  it('a crash between ack and confirm: after the restart only the confirm is finished, nothing is downloaded again', async () => {
    const { counterparty, open, driverState } = await bench.set();
    await counterparty.offer(words.offered('acknowledged'));
    const first = await open();
    const inboundMessage = await first.next();
    driverState.acknowledge(inboundMessage);
    await first.close();
    const again = await (await open()).next();
    expect(again).toMatchObject({ key: inboundMessage.key, content: null });
    await again.confirm();
    await untaken(counterparty, 0);
  });

  it('a refused message is put aside, given once or twice, and the ones behind it come', async () => {
    const { counterparty, open, driverState } = await bench.set();
    await counterparty.offer(words.offered('refused'));
    const gateway = await open();
    const inboundMessage = await gateway.next();
    driverState.quarantine(inboundMessage);
    await inboundMessage.reject('the contact center does not want it');
    await inboundMessage.reject('the contact center does not want it');
    const { refused } = counterparty;
    if (refused) await waitFor('the refusal to show', async () => (await refused()) === 1);
    await counterparty.offer(words.offered('behind'));
    expect(carries((await gateway.next()).content, 'behind')).toBe(true);
  });

  it('the signal ends it, idle or with an inbound message under way, and leaves nothing after the close', async () => {
    const { counterparty, open, clock } = await bench.set();
    const before = openThings();
    const idle = await open();
    const asked = idle.next().catch(messageOf);
    await idle.stop();
    expect(await asked).toContain('ended');
    await idle.close();
    await waitFor('everything to be closed', () => openThings() <= before);
    expect(clock.armed).toBe(0);
    await counterparty.offer(words.offered('under way'));
    const busy = await open();
    await busy.next();
    await busy.stop();
    await busy.close();
    expect(clock.armed).toBe(0);
  });

  it('the test of the connection changes nothing', async () => {
    const { counterparty, context, open } = await bench.set();
    await counterparty.offer(words.offered('untouched'));
    const signal = new AbortController().signal;
    for await (const step of driver.check(context(), signal)) expect(step.ok).toBe(true);
    await stillIts(counterparty);
    expect((await (await open()).next()).content).not.toBeNull();
  });
}
