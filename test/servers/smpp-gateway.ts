// Owns one Smpp gateway under test: opened as the flow does it, its arrivals one by one, its news collected.
import { smpp } from '../../gateways/smpp/driver.js';
import type { InboundMessage, DeliveryReceipt, ComposedText, Outcome, TextMessage } from '../../src/driver/contract.js';
import type { Clock } from '../../src/kit/clock.js';
import { attemptOf, contextOf } from '../conformance/context.js';
import { createMemory, type TestMemory } from '../fixtures/driver-state.js';

export interface TestGateway {
  readonly memory: TestMemory;
  readonly news: DeliveryReceipt[];
  /** What was turned away, by reason. */
  readonly turnedAway: string[];
  /** The next arrival, recorded as open, as the flow does. */
  next(): Promise<InboundMessage<TextMessage>>;
  /** The next arrival, acknowledged, confirmed and recorded as such; its text. */
  take(): Promise<string>;
  send(message: ComposedText, attempt?: ReturnType<typeof attemptOf>): Promise<Outcome>;
  lookup(message: ComposedText, attempt?: ReturnType<typeof attemptOf>): Promise<Outcome | 'not found'>;
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  direction: 'I' | 'O';
  /** Of the gateway; several on one account have one each. */
  id?: string;
  memory?: TestMemory;
  clock?: Clock;
  /** Where news end; one whose push throws is a journal that cannot write. */
  news?: DeliveryReceipt[];
}

export async function openGateway(
  written: Readonly<Record<string, unknown>>,
  { direction, id, memory = createMemory(), clock, news = [] }: TestGatewayOptions,
): Promise<TestGateway> {
  const turnedAway: string[] = [];
  const made = contextOf(smpp, written, { direction, memory, news, turnedAway, ...(clock && { clock }) });
  const context = { ...made, gateway: { ...made.gateway, id: id ?? made.gateway.id } };
  const session = await smpp.open(context);
  const stop = new AbortController();
  const arrivals = smpp.receive?.(session, stop.signal)[Symbol.asyncIterator]();
  let asked: Promise<unknown> = Promise.resolve();
  const next = async () => {
    const result = arrivals?.next();
    if (!result) throw new Error('no arrivals');
    asked = result;
    const { value, done } = await result;
    if (done) throw new Error('no more arrivals');
    memory.open(value);
    return value;
  };
  const missing = () => Promise.reject(new Error('the driver has no such function'));
  return {
    memory,
    news,
    turnedAway,
    next,
    async take() {
      const arrival = await next();
      memory.acknowledge(arrival);
      await arrival.confirm();
      memory.confirmed(arrival);
      return arrival.content?.text ?? '';
    },
    send: (message, attempt = attemptOf()) => smpp.send?.(session, message, attempt) ?? missing(),
    lookup: (message, attempt = attemptOf()) => smpp.lookup?.(session, message, attempt) ?? missing(),
    async close() {
      stop.abort();
      await asked.catch(() => {});
      await arrivals?.return?.();
      await smpp.close(session);
    },
  };
}
