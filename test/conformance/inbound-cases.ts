// Cases for drivers that receive.
import { expect, it } from 'vitest';
import { type ComposedMessage, type Content, messageOf } from '../../src/driver/contract.js';
import { waitFor } from '../fixtures/wait-for.js';
import type { InboundCounterparty } from './counterparty.js';
import { type Fixture, openResources } from './fixture.js';
import type { Samples } from './samples.js';

export function inboundCases<
  Settings,
  Session,
  Offered,
  C extends InboundCounterparty<Offered>,
  In extends Content,
  Out extends ComposedMessage,
>(fixture: Fixture<Settings, Session, C, In, Out>, samples: Samples<In, Out, Offered, never>): void {
  const { driver } = fixture;
  const waitUntilConfirmed = ({ unconfirmed }: C) =>
    unconfirmed && waitFor('the counterparty to know the confirm', async () => (await unconfirmed()) === 0);
  const expectUnconfirmed = async ({ unconfirmed }: C) => {
    if (unconfirmed) expect(await unconfirmed()).toBe(1);
  };
  const carries = (content: In | null, name: string) =>
    content !== null && samples.carries(content, samples.offered(name));

  it('a message is received whole, with a key that the journal can store', async () => {
    const { counterparty, open } = await fixture.setUp();
    const offered = samples.offered('whole');
    await counterparty.offer(offered);
    const message = await (await open()).next();
    expect(carries(message.content, 'whole')).toBe(true);
    expect(message.content?.receivedAt).toBeGreaterThan(Date.UTC(2020, 0));
    expect(message.key).toMatch(/^[^\n]{1,500}$/);
    expect(message.bytes).toBeGreaterThanOrEqual(samples.size(offered));
  });

  it('rule 7: messages that come while the gateway runs are received, each under its own key, and no problem is reported', async () => {
    const { counterparty, open, problems } = await fixture.setUp();
    const gateway = await open();
    const keys = new Set<string>();
    for (const name of ['one', 'two', 'three']) {
      const asked = gateway.next();
      await counterparty.offer(samples.offered(name));
      const message = await asked;
      expect(carries(message.content, name)).toBe(true);
      keys.add(message.key);
      await message.confirm();
    }
    expect(keys.size).toBe(3);
    expect([...problems]).toEqual([]);
  });

  it('rule 1: without a confirm the counterparty still has the message after a close, and offers it again', async () => {
    const { counterparty, open } = await fixture.setUp();
    await counterparty.offer(samples.offered('unconfirmed'));
    const first = await open();
    const message = await first.next();
    await expectUnconfirmed(counterparty);
    await first.close();
    await expectUnconfirmed(counterparty);
    const again = await (await open()).next();
    expect(again.key).toBe(message.key);
    expect(again.content).not.toBeNull();
  });

  it('rule 1: after the confirm, given once or twice, the counterparty knows it', async ({ skip }) => {
    const { counterparty, open, driverState } = await fixture.setUp();
    skip(!counterparty.unconfirmed, 'this counterparty does not learn of confirms');
    await counterparty.offer(samples.offered('confirmed'));
    const message = await (await open()).next();
    driverState.acknowledge(message);
    await Promise.all([message.confirm(), message.confirm()]);
    await message.confirm();
    await waitUntilConfirmed(counterparty);
  });

  it('a confirmed message is not received again after a restart', async () => {
    const { counterparty, open, driverState } = await fixture.setUp();
    await counterparty.offer(samples.offered('old'));
    const first = await open();
    const message = await first.next();
    driverState.acknowledge(message);
    await message.confirm();
    driverState.confirmed(message);
    await waitUntilConfirmed(counterparty);
    await first.close();
    const second = await open();
    await counterparty.offer(samples.offered('new'));
    expect(carries((await second.next()).content, 'new')).toBe(true);
  });

  it('rule 5: after a crash between acknowledgement and confirm only the confirm is finished, nothing is downloaded', async () => {
    const { counterparty, open, driverState } = await fixture.setUp();
    await counterparty.offer(samples.offered('acknowledged'));
    const first = await open();
    const message = await first.next();
    driverState.acknowledge(message);
    await first.close();
    const again = await (await open()).next();
    expect(again).toMatchObject({ key: message.key, content: null });
    await again.confirm();
    await waitUntilConfirmed(counterparty);
  });

  it('messages behind a rejected one are received', async () => {
    const { counterparty, open, driverState } = await fixture.setUp();
    await counterparty.offer(samples.offered('rejected'));
    const gateway = await open();
    const message = await gateway.next();
    driverState.quarantine(message);
    await message.reject('the contact center rejected it');
    await counterparty.offer(samples.offered('behind'));
    expect(carries((await gateway.next()).content, 'behind')).toBe(true);
  });

  it('after the reject, given once or twice, the counterparty knows it', async ({ skip }) => {
    const { counterparty, open, driverState } = await fixture.setUp();
    const { rejected } = counterparty;
    skip(!rejected, 'this counterparty does not learn of rejects');
    await counterparty.offer(samples.offered('rejected'));
    const message = await (await open()).next();
    driverState.quarantine(message);
    await message.reject('the contact center rejected it');
    await message.reject('the contact center rejected it');
    await waitFor('the counterparty to know the reject', async () => (await rejected?.()) === 1);
  });

  it('rule 3: the signal ends receiving, idle or with a message under way, and close leaves nothing open', async () => {
    const { counterparty, open, clock } = await fixture.setUp();
    const before = openResources();
    const idle = await open();
    const asked = idle.next().catch(messageOf);
    await idle.stop();
    expect(await asked).toContain('ended');
    await idle.close();
    await waitFor('everything to be closed', () => openResources() <= before);
    expect(clock.armed).toBe(0);
    await counterparty.offer(samples.offered('under way'));
    const busy = await open();
    await busy.next();
    await busy.stop();
    await busy.close();
    expect(clock.armed).toBe(0);
  });

  it('check changes nothing at the counterparty', async () => {
    const { counterparty, context, open } = await fixture.setUp();
    await counterparty.offer(samples.offered('untouched'));
    const signal = new AbortController().signal;
    for await (const step of driver.check(context(), signal)) expect(step.ok).toBe(true);
    await expectUnconfirmed(counterparty);
    expect((await (await open()).next()).content).not.toBeNull();
  });

  it('rule 6: two services in one process do not see each other', async () => {
    const [one, other] = [await fixture.setUp(), await fixture.setUp()];
    const [first, second] = [await one.open(), await other.open()];
    const received = second.next();
    await one.counterparty.offer(samples.offered('for one'));
    expect(carries((await first.next()).content, 'for one')).toBe(true);
    await other.counterparty.offer(samples.offered('for the other'));
    expect(carries((await received).content, 'for the other')).toBe(true);
  });
}
