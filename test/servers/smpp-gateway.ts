// One Smpp gateway under test: opened as the pipeline opens it, its inbound messages one by one, its receipts collected.
import { smpp } from '../../gateways/smpp/driver.js';
import type {
  ComposedText,
  DeliveryReceipt,
  InboundMessage,
  Outcome,
  Shared,
  TextMessage,
} from '../../src/driver/contract.js';
import type { Clock } from '../../src/kit/clock.js';
import { attemptOf, contextOf } from '../conformance/context.js';
import { createDriverState, type TestDriverState } from '../fixtures/driver-state.js';

export interface TestGateway {
  readonly driverState: TestDriverState;
  readonly receipts: DeliveryReceipt[];
  /** Rejected input, by reason. */
  readonly inputRejected: string[];
  /** The next inbound message, recorded as pending, as the pipeline does. */
  next(): Promise<InboundMessage<TextMessage>>;
  /** The next inbound message, acknowledged, confirmed and recorded as such; its text. */
  take(): Promise<string>;
  /** Records the ids of a sent message, as the journal does. */
  send(message: ComposedText, attempt?: ReturnType<typeof attemptOf>): Promise<Outcome>;
  lookup(message: ComposedText, attempt?: ReturnType<typeof attemptOf>): Promise<Outcome | 'not found'>;
  close(): Promise<void>;
}

export interface TestGatewayOptions {
  direction: 'I' | 'O';
  /** Several gateways on one account have one each. */
  id?: string;
  driverState?: TestDriverState;
  clock?: Clock;
  /** State that is shared within one service; the service of this test file when absent. */
  shared?: Shared;
  /** Where receipts are collected. A `push` that throws plays a journal that cannot write. */
  receipts?: DeliveryReceipt[];
}

export async function openGateway(
  written: Readonly<Record<string, unknown>>,
  { direction, id, driverState = createDriverState(), clock, shared, receipts = [] }: TestGatewayOptions,
): Promise<TestGateway> {
  const inputRejected: string[] = [];
  const options = {
    direction,
    driverState,
    receipts,
    inputRejected,
    ...(clock && { clock }),
    ...(shared && { shared }),
  };
  const made = contextOf(smpp, written, options);
  const session = await smpp.open({ ...made, gateway: { ...made.gateway, id: id ?? made.gateway.id } });
  const stop = new AbortController();
  const inboundMessages = smpp.receive?.(session, stop.signal)[Symbol.asyncIterator]();
  let asked: Promise<unknown> = Promise.resolve();
  const next = async () => {
    const result = inboundMessages?.next();
    if (!result) throw new Error('this driver does not receive');
    asked = result;
    const { value, done } = await result;
    if (done) throw new Error('the driver has ended receiving');
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
    async send(message, attempt = attemptOf()) {
      const outcome = await (smpp.send?.(session, message, attempt) ?? missing());
      if (outcome.kind === 'sent') for (const sentId of outcome.ids ?? []) driverState.sentIds.add(sentId);
      return outcome;
    },
    lookup: (message, attempt = attemptOf()) => smpp.lookup?.(session, message, attempt) ?? missing(),
    async close() {
      stop.abort();
      await asked.catch(() => {});
      await inboundMessages?.return?.();
      await smpp.close(session);
    },
  };
}
