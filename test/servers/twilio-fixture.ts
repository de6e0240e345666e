// An open Twilio gateway in front of a fake Twilio.

import { twilio } from '../../gateways/twilio/driver.js';
import type { Session } from '../../gateways/twilio/session.js';
import type {
  DeliveryReceipt,
  InboundMessage,
  RawRequest,
  TextMessage,
  WebhookResult,
} from '../../src/driver/contract.js';
import type { Clock } from '../../src/kit/clock.js';
import { contextOf } from '../conformance/context.js';
import { type Recorder, recorder } from '../conformance/watch.js';
import { createDriverState, type TestDriverState } from '../fixtures/driver-state.js';
import { type ManualClock, manualClock } from '../fixtures/manual-clock.js';
import { waitFor } from '../fixtures/wait-for.js';
import { startTwilio, type TwilioOptions, type TwilioServer } from './twilio.js';

export const PUBLIC = 'https://gatepost.example.com/webhooks/11111111-2222-4333-8444-555555555555';

export interface TwilioFixture {
  readonly server: TwilioServer;
  readonly driverState: TestDriverState;
  readonly receipts: DeliveryReceipt[];
  /** Reasons of rejected input. */
  readonly inputRejected: string[];
  readonly recorded: Recorder;
  /** Opens a gateway with these settings besides the usual ones; closed with the fixture. */
  open(direction: 'I' | 'O', written?: Record<string, unknown>): Promise<Session>;
  /** Begins to receive on a session. */
  receiving(session: Session): Receiving;
  /** A request signed by the fake server, as the HTTP port passes it on. */
  push(session: Session, form: Record<string, string>, more?: Partial<RawRequest>): Promise<WebhookResult>;
  close(): Promise<void>;
}

/** Gateway and fake server run on a clock turned by hand. */
export interface TimedFixture extends TwilioFixture {
  readonly clock: ManualClock;
  /** Lets the clock go on, in steps of `ms`, until it has come to this. */
  turn<T>(awaited: Promise<T>, ms?: number): Promise<T>;
  /** Moves the clock by `ms` at once, when nothing is under way. */
  jump(ms: number): Promise<void>;
  /** Waits for `predicate` while the clock goes on. */
  waitFor(what: string, predicate: () => boolean | Promise<boolean>): Promise<void>;
}

export interface Receiving {
  /** The next inbound message, recorded as pending, as the pipeline does. */
  next(): Promise<InboundMessage<TextMessage>>;
  /** The next `count`, each acknowledged and confirmed. */
  take(count: number): Promise<InboundMessage<TextMessage>[]>;
  stop(): Promise<void>;
}

export async function startFixture(options: TwilioOptions & { clock?: Clock } = {}): Promise<TwilioFixture> {
  const server = await startTwilio(options);
  const driverState = createDriverState();
  const receipts: DeliveryReceipt[] = [];
  const inputRejected: string[] = [];
  const recorded = recorder();
  const undo: (() => Promise<void>)[] = [() => server.close()];
  const usual = {
    AccountSid: server.accountSid,
    AuthToken: server.authToken,
    Number: server.number,
    PollSeconds: 1,
    BaseUrl: server.url,
  };
  return {
    server,
    driverState,
    receipts,
    inputRejected,
    recorded,
    async open(direction, written = {}) {
      const { clock } = options;
      const sight = {
        direction,
        driverState,
        receipts,
        inputRejected,
        log: recorded.log,
        webhookUrl: PUBLIC,
        ...(clock && { clock }),
      };
      const session = await twilio.open(contextOf(twilio, { ...usual, ...written }, sight));
      undo.push(() => twilio.close(session));
      return session;
    },
    receiving(session) {
      const receiving = receivingOf(session, driverState);
      undo.push(receiving.stop);
      return receiving;
    },
    push(session, form, more = {}) {
      const url = more.url ?? PUBLIC + (more.path ?? '');
      const { headers, body } = server.signed(url, form);
      const request = { method: 'POST', path: '', url, headers, body, signal: new AbortController().signal, ...more };
      return twilio.webhook?.(session, request) ?? Promise.reject(new Error('no webhook'));
    },
    async close() {
      for (let step = undo.pop(); step; step = undo.pop()) await step();
    },
  };
}

function receivingOf(session: Session, driverState: TestDriverState): Receiving {
  const stopping = new AbortController();
  const inboundMessages = twilio.receive?.(session, stopping.signal)[Symbol.asyncIterator]();
  let requested: Promise<unknown> = Promise.resolve();
  const next = async () => {
    if (!inboundMessages) throw new Error('no receive');
    const answer = inboundMessages.next();
    requested = answer.catch(() => {});
    const { value, done } = await answer;
    if (done) throw new Error('the receiving has ended');
    driverState.open(value);
    return value;
  };
  return {
    next,
    async take(count) {
      const received: InboundMessage<TextMessage>[] = [];
      while (received.length < count) {
        const inboundMessage = await next();
        driverState.acknowledge(inboundMessage);
        await inboundMessage.confirm();
        driverState.confirmed(inboundMessage);
        received.push(inboundMessage);
      }
      return received;
    },
    async stop() {
      stopping.abort();
      await requested;
      await inboundMessages?.return?.();
    },
  };
}

/** `offMs`: how far Twilio's clock is from ours. */
export async function startTimedFixture(offMs = 0): Promise<TimedFixture> {
  const clock = manualClock();
  const fixture = await startFixture({ clock, now: () => clock.now() + offMs });
  const turn = async <T>(awaited: Promise<T>, ms = 1_000): Promise<T> => {
    let done = false;
    const watched = awaited.finally(() => {
      done = true;
    });
    watched.catch(() => {});
    while (!done) {
      await quiet(fixture.server, () => done);
      if (!done) await clock.advance(ms);
    }
    return watched;
  };
  return {
    ...fixture,
    clock,
    turn,
    async jump(ms) {
      await quiet(fixture.server);
      await clock.advance(ms);
    },
    waitFor: async (what, predicate) => void (await turn(waitFor(what, predicate))),
  };
}

/** Turns of the event loop without anything happening after which nothing is under way. */
const STILL = 20;

/**
 * Resolves when no request is under way, because a clock turned meanwhile would make a slow one of it, or when `isOver`: a
 * request that the fake never answers stays under way.
 */
async function quiet(server: TwilioServer, isOver = () => false): Promise<void> {
  for (let still = 0; still < STILL && !isOver(); still++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (server.busy > 0 || process.getActiveResourcesInfo().some((name) => /GetAddrInfo|Connect/.test(name))) still = 0;
  }
}
