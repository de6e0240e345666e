// Owns one Smpp gateway under test: opened as the flow does it, its inbound messages one by one, its news collected.
import { smpp } from '../../gateways/smpp/driver.js';
import type { ComposedText, DeliveryReceipt, InboundMessage, Outcome, TextMessage } from '../../src/driver/contract.js';
import type { Clock } from '../../src/kit/clock.js';
import { attemptOf, contextOf } from '../conformance/context.js';
import { createDriverState, type TestDriverState } from '../fixtures/driver-state.js';

export interface TestGateway {
  readonly driverState: TestDriverState;
  readonly receipts: DeliveryReceipt[];
  /** What was turned away, by reason. */
  readonly inputRejected: string[];
  /** The next inbound message, recorded as open, as the flow does. */
  next(): Promise<InboundMessage<TextMessage>>;
  /** The next inbound message, acknowledged, confirmed and recorded as such; its text. */
  take(): Promise<string>;
  send(message: ComposedText, attempt?: ReturnType<typeof attemptOf>): Promise<Outcome>;
  lookup(message: ComposedText, attempt?: ReturnType<typeof attemptOf>): Promise<Outcome | 'not found'>;
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  direction: 'I' | 'O';
  /** Of the gateway; several on one account have one each. */
  id?: string;
  driverState?: TestDriverState;
  clock?: Clock;
  /** Where news end; one whose push throws is a journal that cannot write. */
  receipts?: DeliveryReceipt[];
}

export async function openGateway(
  written: Readonly<Record<string, unknown>>,
  { direction, id, driverState = createDriverState(), clock, receipts = [] }: TestGatewayOptions,
): Promise<TestGateway> {
  const inputRejected: string[] = [];
  const made = contextOf(smpp, written, { direction, driverState, receipts, inputRejected, ...(clock && { clock }) });
  const context = { ...made, gateway: { ...made.gateway, id: id ?? made.gateway.id } };
  const session = await smpp.open(context);
  const stop = new AbortController();
  const inboundMessages = smpp.receive?.(session, stop.signal)[Symbol.asyncIterator]();
  let asked: Promise<unknown> = Promise.resolve();
  const next = async () => {
    const result = inboundMessages?.next();
    if (!result) throw new Error('no arrivals');
    asked = result;
    const { value, done } = await result;
    if (done) throw new Error('no more arrivals');
    driverState.open(value);
    return value;
  };
  const missing = () => Promise.reject(new Error('the driver has no such function'));
  return {
    driverState,
    receipts,
    inputRejected,
    next,
    async take() {
      const inboundMessage = await next();
      driverState.acknowledge(inboundMessage);
      await inboundMessage.confirm();
      driverState.confirmed(inboundMessage);
      return inboundMessage.content?.text ?? '';
    },
    send: (message, attempt = attemptOf()) => smpp.send?.(session, message, attempt) ?? missing(),
    lookup: (message, attempt = attemptOf()) => smpp.lookup?.(session, message, attempt) ?? missing(),
    async close() {
      stop.abort();
      await asked.catch(() => {});
      await inboundMessages?.return?.();
      await smpp.close(session);
    },
  };
}
