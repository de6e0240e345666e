// Owns the inbound line: driver.receive -> known? -> read -> journal.open -> ES_MESSAGE_RECEIVING -> ack -> confirm.
// A crash at any arrow repeats at most one step, and that repetition is harmless.
import { readNotice } from '../../content/notice.js';
import type { ReadMessage } from '../../content/reader.js';
import type { Content, RawRequest } from '../../driver/contract.js';
import type { InboundRecord } from '../../journal/types/inbound.js';
import { equalJitter } from '../../kit/backoff.js';
import { sleep } from '../../kit/clock.js';
import { raceSignal } from '../../kit/deadline.js';
import { codeOf, messageOf } from '../../kit/errors.js';
import { retry } from '../../kit/retry.js';
import { semaphore } from '../../kit/semaphore.js';
import { stopper } from '../../kit/stopper.js';
import type { Notice } from '../../model/content.js';
import { MSG } from '../../simprot/messages.js';
import type { GatewayConfig } from '../gateways/config.js';
import type { InboundDeps, InboundGateway, Pushed } from '../gateways/gateway.js';
import { type SessionSupervisor, sessionFor, superviseSession } from '../gateways/session-supervisor.js';
import { applyConsent, rulesOf } from '../gateways/text-rules.js';
import { faxRulesOf, lateResults } from '../outbound/receipts.js';
import type { AckResult, ReceivingMessage } from '../server/ack-tracker.js';
import { type InboundHandle, type InFlight, inFlight } from './in-flight.js';
import { contentOf, noticeKey, rawOf } from './spool-codec.js';

/** Inbound messages in back-off that may leave the window to others, at most this many times its size: a bound on memory. */
const PARKING_FACTOR = 4;
/** Taken inbound messages whose confirm is still on its way to the mailbox, at most this many windows of them. */
const UNCONFIRMED_FACTOR = 8;
/** How long a counterparty that waits on the line is kept waiting for the link to come up, ms. */
const LINE_PATIENCE_MS = 5_000;

export function startInbound(config: GatewayConfig, deps: InboundDeps): InboundGateway {
  const { clock, log, limits, metrics } = deps;
  const id = config.info.Id;
  const flights = new Map<string, InFlight>();
  const rules = rulesOf(config);
  const group = rules.optOutGroup ?? id;
  const faxRules = faxRulesOf(config);
  // Results of what was sent may come in here: mails of a provider. Whom to tell stands where the sending is defined.
  const reporting = () => lateResults(deps.otherDirection() ?? config, deps);
  const places = semaphore({ places: limits.window, weight: limits.windowBytes });
  const parking = semaphore({ places: limits.window * PARKING_FACTOR, weight: limits.windowBytes });
  const unconfirmed = semaphore({ places: limits.window * UNCONFIRMED_FACTOR, weight: 0 });
  const reading = stopper();
  const stopped = stopper();

  const keeper: SessionSupervisor = superviseSession(config, deps, reading.signal, receiveAll, {
    rekeyed: renamed,
    reportReceipts: (receipts) => reporting().receipts(receipts),
  });

  async function receiveAll(session: unknown, signal: AbortSignal): Promise<void> {
    const { receive } = config.driver;
    if (!receive) return;
    for await (const inboundMessage of receive(session, signal)) await admit(inboundMessage, signal);
  }

  /** Those under way go on under their new keys, or the next session could never show them again. */
  function renamed(changes: readonly { from: string; to: string }[]): void {
    for (const { from, to } of changes) {
      const flight = flights.get(from);
      if (!flight || flights.has(to)) continue;
      flights.delete(from);
      flight.key = to;
      flights.set(to, flight);
    }
  }

  /** Waits for room, so that a full window stops the driver; the work itself goes on beside it. */
  async function admit(inboundMessage: InboundHandle, signal: AbortSignal): Promise<void> {
    const running = flights.get(inboundMessage.key);
    // The session was reopened and shows the same inbound message again: go on with the handle that is alive.
    if (running) return running.replaceHandle(inboundMessage);
    const leave = await places.enter(inboundMessage.bytes, signal);
    const flight = inFlight(inboundMessage, clock.monotonic(), leave);
    flights.set(inboundMessage.key, flight);
    void carry(flight).finally(() => {
      flight.release();
      if (flights.get(flight.key) === flight) flights.delete(flight.key);
    });
  }

  /**
   * Messages that a person let out of quarantine: handed over from the journal's own copy. At the counterparty they were
   * settled when they went in, so there is nothing to confirm or refuse.
   */
  async function dispatchRequeued(): Promise<void> {
    for (const record of await deps.journal.requeued(id)) {
      if (flights.has(record.key) || reading.signal.aborted) continue;
      const raw = await deps.journal.quarantinedRaw(record.id);
      if (raw)
        await admit(
          releasedInboundMessage(record.key, contentOf(config, { key: record.key, raw }, clock.now()), raw.length),
          reading.signal,
        );
    }
  }

  /** What a counterparty pushes is in the journal before it hears "taken"; from there it goes the way of all others. */
  async function webhook(request: RawRequest): Promise<Pushed> {
    if (!config.driver.webhook) return { reply: { status: 404 } };
    const session = await sessionFor(keeper, deps.clock, request.signal);
    const {
      reply,
      messages = [],
      receipts = [],
      otherDirection = false,
    } = await config.driver.webhook(session, request);
    for (const pushed of messages)
      await spool({ ...pushed, bytes: 0, confirm: async () => {}, reject: async () => {} });
    if (receipts.length > 0) await reporting().receipts(receipts);
    if (messages.length > 0)
      void dispatchRequeued().catch((error) =>
        log.error({ error: messageOf(error) }, 'pushed messages wait for the next round'),
      );
    return { reply, otherDirection };
  }

  async function spool(inboundMessage: InboundHandle): Promise<void> {
    const known = await deps.journal.recordsOf(id, [inboundMessage.key]);
    // One that is open is spooled all the same: before it is in the journal whole, nobody may hear "taken".
    if (!inboundMessage.content || (known.get(inboundMessage.key)?.state ?? 'open') !== 'open') return;
    const raw = rawOf(inboundMessage.content);
    const read = await readSoon(inboundMessage.key, inboundMessage.content);
    await deps.journal.spool(
      openingOf(id, { key: inboundMessage.key, message: { ...inboundMessage, bytes: raw.length } }, read),
      raw,
    );
  }

  /** Carries one inbound message to its end; only a journal or disk that fails makes it try again. Never rejects. */
  function carry(flight: InFlight): Promise<void> {
    return retry(() => oneInboundMessage(flight), {
      clock,
      random: deps.random,
      signal: stopped.signal,
      backoff: limits.backoff,
      worthIt: () => !flight.message.defer,
      onFailure: (error, pause) =>
        log.error(
          { key: flight.key, error: messageOf(error), retryInMs: pause },
          'an arrival cannot go on here; trying again',
        ),
    }).catch(async (error) => {
      if (!stopped.signal.aborted) log.error({ key: flight.key, error: messageOf(error) }, 'an arrival was put off');
      await postpone(flight, messageOf(error));
    });
  }

  async function oneInboundMessage(flight: InFlight): Promise<void> {
    const { content } = flight.message;
    // A driver asks about its keys before it downloads, so a content means: new, or open still. `open` has the last word.
    if (!content) return knownOnly(flight);
    const read = await readContent(flight.key, content);
    const record = await deps.journal.open(openingOf(id, flight, read));
    if (record.state !== 'pending') return settled(flight, record);
    const message: ReceivingMessage = { ...read.message, GatewayId: id, RequestId: record.requestId };
    const end = await handOver(flight, record, message);
    const seconds = (clock.monotonic() - flight.since) / 1000;
    if (end === 'deferred') return;
    if (end === 'quarantined') {
      metrics.inboundMessage(id, 'quarantined', seconds);
      return flight.message.reject('the contact center refused it');
    }
    metrics.inboundMessage(id, 'acknowledged', seconds);
    // What waits for the mailbox only is no burden on the server any more: others may be handed over meanwhile.
    const confirming = await unconfirmed.enter(0, stopped.signal);
    flight.release();
    await confirm(flight, record).finally(confirming);
  }

  async function knownOnly(flight: InFlight): Promise<void> {
    const known = (await deps.journal.recordsOf(id, [flight.key])).get(flight.key);
    if (known && known.state !== 'pending') return settled(flight, known);
    log.warn({ key: flight.key }, 'the journal lost track of this arrival; it is received afresh at the next round');
  }

  /** For a sender that waits. A fax takes longer to read than that; what is made of its pages is stored when it is opened. */
  async function readSoon(key: string, content: Content | Notice): Promise<ReadMessage> {
    if (content.kind !== 'fax') return readContent(key, content);
    return deps.reader.summarizeFax(content, faxRules, { gatewayId: id, link: deps.link });
  }

  /** A notice of ours: kept like a push, so that it survives us, and handed over like any message. */
  async function notify(notice: Notice): Promise<void> {
    const inboundMessage = { key: noticeKey(notice), content: notice, fingerprint: '', bytes: 0 };
    await spool({ ...inboundMessage, confirm: async () => {}, reject: async () => {} });
    await dispatchRequeued();
  }

  async function readContent(key: string, content: Content | Notice): Promise<ReadMessage> {
    const context = { gatewayId: id, link: deps.link };
    if (content.kind === 'notice') return readNotice(content);
    if (content.kind === 'mail') return deps.reader.readMail(content, context);
    if (content.kind === 'fax') return deps.reader.readFax(content, faxRules, context);
    const read = await deps.reader.readText(content, rules, context);
    if (read.consent === null || read.consent === 'help') return read;
    // Once: a STOP or START that is read again, after a restart say, must not undo a later word of the sender.
    const known = await deps.journal.recordsOf(id, [key]);
    if (!known.has(key)) await applyConsent(deps, group, read, clock.now());
    return read;
  }

  /** The journal knows the end of this one already: only the counterparty does not. */
  async function settled(flight: InFlight, record: InboundRecord): Promise<void> {
    if (record.state === 'skipped') return;
    if (record.state === 'quarantined') return flight.message.reject('it is in quarantine');
    metrics.inboundMessage(id, 'duplicate', 0);
    await confirm(flight, record);
  }

  async function handOver(flight: InFlight, record: InboundRecord, message: ReceivingMessage): Promise<End> {
    const hush = deps.acks.register(record.requestId, flight.resolve);
    try {
      for (let attempt = 1; ; attempt++) {
        const end = await oneAttempt(flight, record, message, attempt);
        if (end) return end;
      }
    } finally {
      hush();
    }
  }

  async function oneAttempt(
    flight: InFlight,
    record: InboundRecord,
    message: ReceivingMessage,
    attempt: number,
  ): Promise<End | undefined> {
    if (!(await lineIsUp(flight))) return postpone(flight, 'the contact center is not connected');
    const answer = await ask(flight, record, message, attempt);
    if (answer === 'accepted') return 'accepted';
    if (answer === 'rejected' && (await countRefusal(flight, record)) >= limits.rejections) return 'quarantined';
    if (flight.message.defer) return postpone(flight, answerWords[answer]);
    // A lost connection needs no pause: the next attempt waits for the link anyway, and the server knows the requestId.
    if (answer !== 'disconnected') await park(flight, attempt);
    return flight.accepted.aborted ? 'accepted' : undefined;
  }

  async function lineIsUp(flight: InFlight): Promise<boolean> {
    if (deps.serverLink.up) return true;
    if (!flight.message.defer) {
      await deps.serverLink.untilUp(stopped.signal);
      return true;
    }
    const patience = new AbortController();
    const cancel = clock.schedule(LINE_PATIENCE_MS, () => patience.abort());
    await deps.serverLink.untilUp(AbortSignal.any([stopped.signal, patience.signal])).catch(() => undefined);
    cancel();
    return deps.serverLink.up;
  }

  async function ask(flight: InFlight, record: InboundRecord, message: ReceivingMessage, attempt: number) {
    // The first attempt follows its "received" at once; only repeats are news.
    if (attempt > 1) await deps.journal.dispatched(record.id, attempt);
    const answer = flight.result(clock, limits.ackMs, stopped.signal);
    try {
      await deps.serverLink.send(MSG.receiving, message);
    } catch (error) {
      flight.resolve(notSent(error, deps.serverLink.up), messageOf(error));
    }
    return answer;
  }

  async function countRefusal(flight: InFlight, record: InboundRecord): Promise<number> {
    const refusals = await deps.journal.rejected(record.id, flight.detail);
    metrics.inboundMessage(id, 'rejected', (clock.monotonic() - flight.since) / 1000);
    log.warn({ key: flight.key, refusals, detail: flight.detail }, 'the server refused a message');
    if (refusals < limits.rejections) return refusals;
    const raw = rawOf(flight.message.content);
    await deps.journal.quarantine(record.id, `refused ${refusals} times by the server`, raw);
    log.error({ key: flight.key, refusals }, 'a message went to quarantine: kept whole, see `gatepost quarantine`');
    return refusals;
  }

  /** Waits longer each time, out of the way of those behind it as long as there is parking room. */
  async function park(flight: InFlight, attempt: number): Promise<void> {
    const pause = equalJitter(limits.backoff, attempt, deps.random);
    const unpark = parking.tryEnter(flight.message.bytes);
    if (unpark) flight.release();
    try {
      await sleep(clock, pause, AbortSignal.any([stopped.signal, flight.accepted]));
    } catch (error) {
      if (!flight.accepted.aborted) throw error;
    } finally {
      unpark?.();
    }
    if (unpark && !flight.accepted.aborted) flight.reacquire(await places.enter(flight.message.bytes, stopped.signal));
  }

  /** Noted first: a sender that is back at once then finds the note, and coming back clears it. */
  async function postpone(flight: InFlight, reason: string): Promise<'deferred'> {
    if (!flight.message.defer) return 'deferred';
    await notePostponed(flight).catch((error) =>
      log.warn({ key: flight.key, error: messageOf(error) }, 'a postponed arrival goes on being counted as waiting'),
    );
    await flight.message.defer(reason);
    return 'deferred';
  }

  /** Before it is in the journal there is nothing to note. */
  async function notePostponed(flight: InFlight): Promise<void> {
    const record = (await deps.journal.recordsOf(id, [flight.key])).get(flight.key);
    if (record) await deps.journal.deferred(record.id);
  }

  /**
   * A failing confirm is repeated until it works, the session shows the inbound message afresh, or the gateway stops; the journal
   * has the ack. A handle that was shown meanwhile (a client that sent the same mail again) is confirmed as well.
   */
  async function confirm(flight: InFlight, record: InboundRecord): Promise<void> {
    for (let confirmed: InboundHandle | undefined; confirmed !== flight.message; ) {
      confirmed = await confirmNewest(flight);
      await deps.journal.confirmed([record.id]);
    }
    flights.delete(flight.key);
    metrics.confirmed(id);
  }

  function confirmNewest(flight: InFlight): Promise<InboundHandle> {
    const once = async () => {
      const { message } = flight;
      await message.confirm();
      return message;
    };
    return retry(once, {
      clock,
      random: deps.random,
      signal: stopped.signal,
      backoff: { first: 1_000, longest: 60_000 },
      onFailure: (error) =>
        log.warn({ key: flight.key, error: messageOf(error) }, 'a taken message cannot be confirmed yet; trying again'),
    });
  }

  return {
    config,
    dispatchRequeued: () =>
      void dispatchRequeued().catch((error) =>
        log.error({ err: messageOf(error) }, 'requeued messages could not be dispatched'),
      ),
    notify,
    webhook,
    view: () => ({
      ...keeper.view(),
      inFlight: places.used,
      window: limits.window,
      backingOff: parking.used,
      oldestMs: oldest(flights.values(), clock.monotonic()),
    }),
    async drain(cut) {
      keeper.draining();
      reading.abort(new Error('draining'));
      await keeper.idle();
      // Those in back-off are left to the next start; those on the wire get the grace to finish.
      const done = Promise.all([places.empty(), unconfirmed.empty()]);
      await raceSignal(done, cut, 'draining').catch(() => undefined);
      stopped.abort(new Error('stopped'));
      await Promise.all([places.empty(), unconfirmed.empty()]);
      await keeper.close();
    },
  };
}

/** A message that no frame can hold will never get through; anything else may, on the next link or a little later. */
function notSent(error: unknown, up: boolean): AckResult {
  if (codeOf(error) === 'session/too-large') return 'rejected';
  return up ? 'timeout' : 'disconnected';
}

type End = 'accepted' | 'quarantined' | 'deferred';

const answerWords = {
  rejected: 'the contact center refused it',
  timeout: 'the contact center did not answer in time',
  disconnected: 'the connection to the contact center was lost',
} as const;

function releasedInboundMessage(key: string, content: Content | Notice, bytes: number): InboundHandle {
  return { key, fingerprint: '', content, bytes, confirm: async () => {}, reject: async () => {} };
}

function openingOf(gatewayId: string, { key, message }: Pick<InFlight, 'key' | 'message'>, read: ReadMessage) {
  return {
    gatewayId,
    key,
    fingerprint: message.fingerprint,
    deliverySystemId: read.message.DeliverySystemId,
    rfcMessageId: read.rfcMessageId,
    references: read.references,
    remoteAddress: read.message.RemoteAddress,
    subject: read.message.SubjectField ?? '',
    bytes: message.bytes,
    notes: read.notes,
    attachments: read.attachments,
  };
}

function oldest(flights: Iterable<InFlight>, now: number): number {
  let age = 0;
  for (const flight of flights) age = Math.max(age, now - flight.since);
  return age;
}
