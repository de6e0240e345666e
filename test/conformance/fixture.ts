// What a conformance case works with: a fresh counterparty and an open gateway, closed after the test.
import { afterEach } from 'vitest';
import type {
  ComposedMessage,
  Content,
  DeliveryReceipt,
  Driver,
  InboundMessage,
  Outcome,
} from '../../src/driver/contract.js';
import { sharedByDevice } from '../../src/driver/shared-state.js';
import { createDriverState, type TestDriverState } from '../fixtures/driver-state.js';
import { attemptOf, contextOf } from './context.js';
import type { Counterparty } from './counterparty.js';
import { type Recorder, recorder, type WatchedClock, watchedClock } from './watch.js';

export interface Fixture<Settings, Session, C extends Counterparty, In extends Content, Out extends ComposedMessage> {
  readonly driver: Driver<Settings, Session, In, Out>;
  readonly direction: 'I' | 'O';
  /** A fresh counterparty, closed after the test, with the state and the log of a service of its own. */
  setUp(): Promise<Setup<Settings, C, In, Out>>;
}

export interface Setup<Settings, C extends Counterparty, In extends Content, Out extends ComposedMessage> {
  readonly counterparty: C;
  readonly driverState: TestDriverState;
  readonly clock: WatchedClock;
  readonly logged: Recorder;
  /** What the driver reported of sent messages. */
  readonly receipts: readonly DeliveryReceipt[];
  /** The problems that the driver has reported and not reported as over, by what they concern. */
  readonly problems: ReadonlyMap<string, string>;
  context(written?: Readonly<Record<string, unknown>>): ReturnType<typeof contextOf<Settings>>;
  /** Opens a session, closed after the test if the test did not. */
  open(): Promise<Open<In, Out>>;
}

export interface Open<In extends Content, Out extends ComposedMessage> {
  close(): Promise<void>;
  /** The next inbound message, recorded as pending, as the pipeline does. */
  next(): Promise<InboundMessage<In>>;
  /** Ends receiving; resolves when the driver has ended it. */
  stop(): Promise<void>;
  send(message: Out, attempt?: ReturnType<typeof attemptOf>): Promise<Outcome>;
}

export function fixtureOf<Settings, Session, C extends Counterparty, In extends Content, Out extends ComposedMessage>(
  driver: Driver<Settings, Session, In, Out>,
  direction: 'I' | 'O',
  start: (() => Promise<C>) | undefined,
): Fixture<Settings, Session, C, In, Out> {
  const undo: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  });
  return {
    driver,
    direction,
    async setUp() {
      if (!start) throw new Error('there is no counterparty for this direction');
      const counterparty = await start();
      undo.push(() => counterparty.close());
      const driverState = createDriverState();
      const clock = watchedClock();
      const logged = recorder();
      const receipts: DeliveryReceipt[] = [];
      const problems = new Map<string, string>();
      const shared = sharedByDevice()(driver.device);
      const dataDir = counterparty.dataDir;
      const context = (written = counterparty.settings) =>
        contextOf(driver, written, {
          direction,
          clock,
          driverState,
          shared,
          log: logged.log,
          receipts,
          problems,
          ...(dataDir && { dataDir }),
        });
      const open = async () => {
        const opened = await openSession(driver, context(), driverState);
        undo.push(opened.close);
        return opened;
      };
      return { counterparty, driverState, clock, logged, receipts, problems, context, open };
    },
  };
}

async function openSession<Settings, Session, In extends Content, Out extends ComposedMessage>(
  driver: Driver<Settings, Session, In, Out>,
  context: ReturnType<typeof contextOf<Settings>>,
  driverState: TestDriverState,
): Promise<Open<In, Out>> {
  const session = await driver.open(context);
  const controller = new AbortController();
  const messages = driver.receive?.(session, controller.signal)[Symbol.asyncIterator]();
  let ended = false;
  let waiting: Promise<unknown> = Promise.resolve();
  const stop = async () => {
    controller.abort();
    await waiting.catch(() => {});
    if (!ended) await messages?.return?.();
    ended = true;
  };
  return {
    stop,
    async next() {
      const asked = messages?.next();
      if (!asked) throw new Error('this driver does not receive');
      waiting = asked;
      const { value, done } = await asked;
      if (done) ended = true;
      if (done) throw new Error('the driver ended receiving by itself');
      driverState.open(value);
      return value;
    },
    async close() {
      await stop();
      await driver.close(session);
    },
    send: (message, attempt = attemptOf()) =>
      driver.send?.(session, message, attempt) ?? Promise.reject(new Error('this driver does not send')),
  };
}

/** Sockets, servers, watchers and processes that keep this process alive. Timers are counted by the clock. */
export function openResources(): number {
  return process.getActiveResourcesInfo().filter((name) => /TCP|TLS|UDP|Process|FSEvent|StatWatcher/.test(name)).length;
}
