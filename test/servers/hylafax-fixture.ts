// HylaFax gateways connected to the scripted server, for the tests of the driver.
import { hylaFax } from '../../gateways/hylafax/driver.js';
import type { Session } from '../../gateways/hylafax/session.js';
import type {
  Attempt,
  CheckStep,
  ComposedFax,
  DeliveryReceipt,
  FaxDocument,
  InboundMessage,
  Outcome,
} from '../../src/driver/contract.js';
import type { Clock } from '../../src/kit/clock.js';
import { attemptOf, contextOf } from '../conformance/context.js';
import { outboundFax } from '../conformance/fax-samples.js';
import { recorder } from '../conformance/watch.js';
import { createDriverState, type TestDriverState } from '../fixtures/driver-state.js';
import { waitFor } from '../fixtures/wait-for.js';
import { type FakeHylafax, type ScriptJob, startFakeHylafax } from './hylafax-script.js';

export const SEND_REQUEST = '99999999-0000-4000-8000-000000000001';

export interface HylafaxFixture {
  readonly server: FakeHylafax;
  readonly driverState: TestDriverState;
  readonly receipts: DeliveryReceipt[];
  readonly inputRejected: string[];
  /** Lines of the log, as JSON. */
  logged(): string;
  /** A gateway; the fixture closes it. */
  sender(settings?: Readonly<Record<string, unknown>>): Promise<Sender>;
  receiver(settings?: Readonly<Record<string, unknown>>): Promise<Receiver>;
  /** Jobs end at once with this state, by default failed. */
  ends(to: Partial<ScriptJob>): void;
  /** The first job that is submitted. */
  job(): Promise<ScriptJob>;
  /** The same, once the driver tracks it. */
  submitted(): Promise<ScriptJob>;
  /** Changes a job and announces it over the event channel. */
  change(job: ScriptJob, to: Partial<ScriptJob>): void;
  /** The steps of the connection test. */
  check(direction: 'I' | 'O', settings?: Readonly<Record<string, unknown>>): Promise<CheckStep[]>;
  close(): Promise<void>;
}

export interface Sender {
  send(fax?: ComposedFax, attempt?: Attempt): Promise<Outcome>;
  lookup(fax?: ComposedFax, attempt?: Attempt): Promise<Outcome | 'not found'>;
  close(): Promise<void>;
}

export interface Receiver {
  /** The next inbound message, recorded as pending like the pipeline does. */
  next(): Promise<InboundMessage<FaxDocument>>;
  close(): Promise<void>;
}

/** A fax that claims `pages` pages. */
export function faxOf(pages = 1, to = '+420777123456'): ComposedFax {
  return { ...outboundFax('a fax', to), pages };
}

/** A later attempt at the send request. */
export function attemptNumber(number: number): ReturnType<typeof attemptOf> {
  return { ...attemptOf(SEND_REQUEST), number };
}

export async function hylafaxFixture(
  options: { clock?: Clock; driverState?: TestDriverState } = {},
): Promise<HylafaxFixture> {
  const server = await startFakeHylafax();
  const driverState = options.driverState ?? createDriverState();
  const log = recorder();
  const [receipts, inputRejected]: [DeliveryReceipt[], string[]] = [[], []];
  const closers: (() => Promise<void>)[] = [];
  const login = { Host: '127.0.0.1', Port: server.port, User: server.user, Password: server.password };
  const context = (direction: 'I' | 'O', settings: Readonly<Record<string, unknown>>) => {
    const written = { ...login, PollSeconds: 1, ...settings };
    const clock = options.clock ? { clock: options.clock } : {};
    return contextOf(hylaFax, written, { direction, driverState, receipts, inputRejected, log: log.log, ...clock });
  };
  const open = async (direction: 'I' | 'O', settings: Readonly<Record<string, unknown>>) => {
    const session = await hylaFax.open(context(direction, settings));
    closers.push(() => hylaFax.close(session));
    return session;
  };
  const job = () => waitFor('a job', () => server.jobs.find(({ state }) => state !== 'T'));
  return {
    job,
    async submitted() {
      const found = await job();
      await server.until('a listing of the queue', /^LIST doneq/);
      return found;
    },
    change(found, to) {
      Object.assign(found, to);
      server.tell(`100000 104 JOB ${found.id} (dest x pri 127 com ): Something`);
    },
    ends(to) {
      server.work = (found) => void Object.assign(found, { state: 'F', dials: 1, ...to });
    },
    ...{ server, driverState, receipts, inputRejected, logged: () => JSON.stringify(log.lines) },
    sender: async (settings = {}) => senderOf(await open('O', settings)),
    receiver: async (settings = {}) => receiverOf(await open('I', { Since: 'All', ...settings }), driverState),
    async check(direction, settings = {}) {
      const steps: CheckStep[] = [];
      for await (const step of hylaFax.check(context(direction, settings), new AbortController().signal))
        steps.push(step);
      return steps;
    },
    async close() {
      for (const close of closers.reverse()) await close();
      await server.close();
    },
  };
}

function senderOf(session: Session): Sender {
  return {
    send: (fax = faxOf(), attempt = attemptOf(SEND_REQUEST)) => wanted(hylaFax.send?.(session, fax, attempt)),
    lookup: (fax = faxOf(), attempt = attemptOf(SEND_REQUEST)) => wanted(hylaFax.lookup?.(session, fax, attempt)),
    close: () => hylaFax.close(session),
  };
}

function receiverOf(session: Session, driverState: TestDriverState): Receiver {
  const stop = new AbortController();
  const messages = hylaFax.receive?.(session, stop.signal)[Symbol.asyncIterator]();
  return {
    async next() {
      const { value } = await wanted(messages?.next());
      if (!value) throw new Error('the receiver has ended');
      driverState.open(value);
      return value;
    },
    async close() {
      stop.abort();
      await hylaFax.close(session);
    },
  };
}

function wanted<T>(promise: Promise<T> | undefined): Promise<T> {
  return promise ?? Promise.reject(new Error('the driver has no such function'));
}

/** Resolves once `count` receipts are reported. */
export async function untilReceipts(receipts: readonly DeliveryReceipt[], count: number): Promise<void> {
  await waitFor(`${count} receipts`, () => receipts.length >= count);
}
