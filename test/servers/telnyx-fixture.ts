// An open TelnyxFax gateway in front of a fake Telnyx.
import { setTimeout as pause } from 'node:timers/promises';
import { telnyxFax } from '../../gateways/telnyx-fax/driver.js';
import type { Session } from '../../gateways/telnyx-fax/session.js';
import type {
  Attempt,
  DeliveryReceipt,
  FaxDocument,
  InboundMessage,
  RawRequest,
  WebhookResult,
} from '../../src/driver/contract.js';
import { attemptOf, contextOf } from '../conformance/context.js';
import { type Recorder, recorder } from '../conformance/watch.js';
import { createDriverState, type TestDriverState } from '../fixtures/driver-state.js';
import { type ManualClock, manualClock } from '../fixtures/manual-clock.js';
import { waitFor } from '../fixtures/wait-for.js';
import { type Signed, startTelnyx, type TelnyxServer } from './telnyx.js';

export const GATEWAY = '11111111-2222-4333-8444-555555555555';
export const PUBLIC = `https://gatepost.example.com/webhooks/${GATEWAY}`;
export const PDF = Buffer.from('%PDF-1.4 a page %%EOF');

/** Gateway and fake server run on a clock turned by hand. */
export interface TelnyxFixture {
  readonly server: TelnyxServer;
  readonly clock: ManualClock;
  readonly driverState: TestDriverState;
  readonly receipts: DeliveryReceipt[];
  readonly inputRejected: string[];
  readonly recorded: Recorder;
  /** Opens a gateway with these settings besides the usual ones; closed with the fixture. */
  open(direction: 'I' | 'O', written?: Record<string, unknown>): Promise<Session>;
  close(session: Session): Promise<void>;
  /** Begins to receive on a session. */
  receiving(session: Session): Receiving;
  /** An attempt that starts now and has `ms` until its answer is due. */
  attempt(messageId?: string, ms?: number, firstAttemptAt?: number): Attempt & { abort(): void };
  /** A request with what was signed, as the HTTP port passes it on. */
  push(session: Session, signed: Signed, more?: Partial<RawRequest>): Promise<WebhookResult<FaxDocument>>;
  /** Lets the clock go on, in steps of `ms`, until it has come to this. */
  turn<T>(awaited: Promise<T>, ms?: number): Promise<T>;
  /** Moves the clock by `ms` at once, when nothing is under way. */
  jump(ms: number): Promise<void>;
  /** Waits for `predicate` while the clock goes on. */
  waitFor(what: string, predicate: () => boolean | Promise<boolean>): Promise<void>;
  /** Resolves when nothing is under way. */
  quiet(): Promise<void>;
  end(): Promise<void>;
}

export interface Receiving {
  /** The next inbound message, recorded as pending, as the pipeline does. */
  next(): Promise<InboundMessage<FaxDocument>>;
  /** The next one, acknowledged and confirmed. */
  take(): Promise<InboundMessage<FaxDocument>>;
  stop(): Promise<void>;
}

/** Real ms between two steps of the clock: 85 s of it last a quarter of a second at least. */
const STEP_MS = 3;

/** `offMs`: how far Telnyx's clock is from ours. */
export async function startTelnyxFixture(offMs = 0): Promise<TelnyxFixture> {
  const clock = manualClock();
  const server = await startTelnyx({ now: () => clock.now() + offMs });
  // No server listens at the public address: the tests pass the pushes on.
  server.reach = (url) => (url.startsWith(PUBLIC) ? 'http://127.0.0.1:9/' : url);
  const driverState = createDriverState();
  const receipts: DeliveryReceipt[] = [];
  const inputRejected: string[] = [];
  const recorded = recorder();
  const undo: (() => Promise<void>)[] = [() => server.close()];
  const usual = {
    ApiKey: server.apiKey,
    PublicKey: server.publicKey,
    ConnectionId: server.connectionId,
    Number: server.number,
    PollSeconds: 60,
    BaseUrl: server.url,
  };
  const turn = async <T>(awaited: Promise<T>, ms = 1_000): Promise<T> => {
    let done = false;
    const watched = awaited.finally(() => {
      done = true;
    });
    watched.catch(() => {});
    while (!done) {
      await quiet(server, () => done);
      // Files and refused connections do not depend on the clock and have no event at their end: they get real time.
      await pause(STEP_MS);
      if (!done) await clock.advance(ms);
    }
    return watched;
  };
  return {
    ...{ server, clock, driverState, receipts, inputRejected, recorded, turn },
    async open(direction, written = {}) {
      const sight = { direction, clock, driverState, receipts, inputRejected, log: recorded.log, webhookUrl: PUBLIC };
      const session = await telnyxFax.open(contextOf(telnyxFax, { ...usual, ...written }, sight));
      undo.push(() => turn(telnyxFax.close(session)));
      return session;
    },
    close: (session) => telnyxFax.close(session),
    receiving(session) {
      const receiving = receivingOf(session, driverState);
      undo.push(() => turn(receiving.stop()));
      return receiving;
    },
    attempt(messageId, ms = 85_000, firstAttemptAt = clock.now()) {
      const end = clock.now() + ms;
      return { ...attemptOf(messageId), firstAttemptAt, remaining: () => Math.max(0, end - clock.now()) };
    },
    push(session, { headers, body }, more = {}) {
      const signal = new AbortController().signal;
      const request = { method: 'POST', path: '', url: PUBLIC, headers, body, signal, ...more };
      return telnyxFax.webhook?.(session, request) ?? Promise.reject(new Error('no webhook'));
    },
    async jump(ms) {
      await quiet(server);
      await clock.advance(ms);
    },
    waitFor: async (what, predicate) => void (await turn(waitFor(what, predicate))),
    quiet: () => quiet(server),
    async end() {
      for (let step = undo.pop(); step; step = undo.pop()) await step();
    },
  };
}

function receivingOf(session: Session, driverState: TestDriverState): Receiving {
  const stopping = new AbortController();
  const inboundMessages = telnyxFax.receive?.(session, stopping.signal)[Symbol.asyncIterator]();
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
    async take() {
      const inboundMessage = await next();
      driverState.acknowledge(inboundMessage);
      await inboundMessage.confirm();
      driverState.confirmed(inboundMessage);
      return inboundMessage;
    },
    async stop() {
      stopping.abort();
      await requested;
      await inboundMessages?.return?.();
    },
  };
}

/** Turns of the event loop without anything happening after which nothing is under way. */
const STILL = 20;

/**
 * Resolves when no request is under way, because a clock turned meanwhile would make a slow one of it, or when `isOver`: a
 * request that the fake never answers stays under way.
 */
async function quiet(server: TelnyxServer, isOver = () => false): Promise<void> {
  for (let still = 0; still < STILL && !isOver(); still++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (server.busy > 0 || process.getActiveResourcesInfo().some((name) => /GetAddrInfo|Connect|FSReq/.test(name)))
      still = 0;
  }
}
