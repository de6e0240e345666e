// Outbound messages of one gateway: sends messages, keeps the ids that the SMSC gave, reports their receipts, and looks up
// messages whose outcome is unknown.
import {
  type Attempt,
  type ComposedText,
  type DeliveryReceipt,
  type GatewayContext,
  messageOf,
  type Outcome,
} from '../../../src/driver/contract.js';
import type { Pdu } from '../pdu/pdu.js';
import { STATUS } from '../pdu/status.js';
import { digits, IdMatcher, storedIdFormat } from '../receipts/id-format.js';
import { InFlightRecipients } from '../receipts/in-flight-recipients.js';
import type { UnansweredPart } from '../receipts/match-receipts.js';
import { idsOf, type Receipt, readReceipt } from '../receipts/receipt.js';
import { ReceiptOwner } from '../receipts/receipt-owner.js';
import { partId, UnansweredParts } from '../receipts/unanswered-parts.js';
import type { AccountHandle } from '../session/account.js';
import type { Connection } from '../session/connection.js';
import type { SmppSettings } from '../settings.js';
import { composeParts, type Part, sourceOf } from './compose.js';
import { LateResponses } from './late-responses.js';
import { completeAttempt, type Lookup, queryAttempt, unanswered } from './lookup.js';
import type { PartOutcome } from './part-outcome.js';
import { submitMessage } from './submit.js';

/** Checkpoint of the learned format of ids in receipts. */
const ID_FORMAT = 'receiptIds';
/** Characters of a part that are stored; receipts repeat the first 20. */
const STORED_TEXT = 40;

type NumberedPart = Pick<Part, 'text'> & { readonly number: number };

/** One attempt at a message, with the ids that came while it ran. */
interface RunningAttempt {
  readonly message: ComposedText;
  readonly attempt: Attempt;
  readonly ids: Map<number, string>;
  /** Set when the outcome is unknown: a response from then on is a late one. */
  unanswered: ReadonlyMap<number, UnansweredPart> | undefined;
}

interface Parts {
  readonly ids: IdMatcher;
  readonly inFlight: InFlightRecipients;
  readonly unanswered: UnansweredParts;
  readonly owner: ReceiptOwner;
  readonly responses: LateResponses;
}

export class Outbox {
  readonly owner: ReceiptOwner;
  readonly #context: GatewayContext<SmppSettings>;
  readonly #parts: Parts;
  #storedFormat: IdMatcher['format'];

  private constructor(context: GatewayContext<SmppSettings>, parts: Parts) {
    this.#context = context;
    this.#parts = parts;
    this.owner = parts.owner;
    this.#storedFormat = parts.ids.format;
  }

  static async open(context: GatewayContext<SmppSettings>): Promise<Outbox> {
    const { settings, driverState } = context;
    const learned = storedIdFormat.parse(await driverState.getCheckpoint(ID_FORMAT));
    const ids = new IdMatcher(settings.ReceiptIdFormat, learned);
    const inFlight = new InFlightRecipients();
    const responses = await LateResponses.open(context);
    const recordResponse = ({ reference, attempt, part }: UnansweredPart, id: string) =>
      responses.record(reference, attempt, new Map([[part, id]]));
    const unanswered = await UnansweredParts.open({ ...context, ids, inFlight, recordResponse });
    const owner = await ReceiptOwner.open({ ...context, ids, inFlight, unanswered });
    return new Outbox(context, { ids, inFlight, unanswered, owner, responses });
  }

  async send(account: AccountHandle, message: ComposedText, attempt: Attempt): Promise<Outcome> {
    if (attempt.signal.aborted) return { kind: 'deferred', detail: 'the time for this attempt was over at its start' };
    const running: RunningAttempt = { message, attempt, ids: new Map(), unanswered: undefined };
    return submitMessage(message, attempt, {
      account,
      settings: this.#context.settings,
      onStart: () => this.#startFlight(message),
      onResponse: (part, response) => this.#onResponse(running, part, response),
      onUnanswered: (parts, total) => this.#onUnanswered(running, parts, total),
      partId: (part) => partIdOf(attempt, part),
    });
  }

  async lookup(account: AccountHandle, message: ComposedText, attempt: Attempt): Promise<Outcome> {
    const composition = composeParts(message, this.#context.settings);
    const parts = 'parts' in composition ? composition.parts : [];
    const lookup: Lookup = { account, message, parts, attempt: attempt.number, signal: attempt.signal };
    const complete = completeAttempt(await this.#responsesTo(message), lookup);
    if (complete) return queryAttempt(complete, lookup);
    await this.#matchReceipts(lookup, attempt);
    const answered = await this.#responsesTo(message);
    const matched = completeAttempt(answered, lookup);
    if (matched) return queryAttempt(matched, lookup);
    const count = answered.find((one) => one.attempt === attempt.number)?.ids.size ?? 0;
    // An attempt of a killed process has no ids in the journal yet. Listing ids again would reset the states of parts.
    const isNew = count === 0;
    return unanswered(count, lookup, isNew ? parts.map((_, at) => partIdOf(attempt, at + 1)) : []);
  }

  /** A receipt. It is answered when it is in the journal. `isContested`: it may belong to another gateway. */
  receipt(pdu: Pdu, connection: Connection, isContested: boolean): void {
    this.#report(pdu, isContested).then(
      () => connection.respond(pdu, STATUS.ok),
      (error) => {
        this.#context.log.warn({ err: messageOf(error) }, 'receipt not stored, the SMSC keeps it');
        connection.respond(pdu, STATUS.temporaryAppError);
      },
    );
  }

  #startFlight({ to }: ComposedText): () => void {
    const { inFlight, unanswered } = this.#parts;
    const end = inFlight.start(to);
    return () => {
      end();
      unanswered.resume(digits(to));
    };
  }

  #onResponse({ message, attempt, ids, unanswered }: RunningAttempt, part: number, response: PartOutcome): void {
    if (response.kind === 'accepted') {
      this.#parts.ids.add(response.id, message.to);
      this.owner.add(response.id, message.to);
      ids.set(part, response.id);
    }
    const late = unanswered?.get(part);
    if (late) this.#background(this.#settle(late, attempt, response), 'late response not stored');
  }

  async #settle(part: UnansweredPart, attempt: Attempt, response: PartOutcome): Promise<void> {
    const { responses, unanswered } = this.#parts;
    if (response.kind === 'unanswered') return;
    if (response.kind === 'rejected') return unanswered.settle(part, { rejected: response.detail });
    await responses.record(part.reference, attempt.number, new Map([[part.part, response.id]]));
    await unanswered.settle(part, { id: response.id });
  }

  #onUnanswered(running: RunningAttempt, parts: readonly NumberedPart[], total: number): void {
    const { message, attempt, ids } = running;
    const described = this.#describe(message, attempt, parts, total);
    running.unanswered = new Map(described.map((part) => [part.part, part]));
    const stored = this.#parts.responses.record(message.reference, attempt.number, new Map(ids));
    this.#background(Promise.all([stored, this.#add(described)]), 'unanswered message not stored');
  }

  #describe(
    message: ComposedText,
    { messageId, number, startedAt }: Attempt,
    parts: readonly NumberedPart[],
    total: number,
  ): UnansweredPart[] {
    return parts.map((part) => ({
      messageId,
      attempt: number,
      part: part.number,
      total,
      reference: message.reference,
      recipient: digits(message.to),
      sender: digits(sourceOf(message, this.#context.settings)),
      startedAt,
      text: part.text.slice(0, STORED_TEXT),
    }));
  }

  /** Without receipts, nothing can match. */
  async #add(parts: readonly UnansweredPart[]): Promise<void> {
    if (this.#context.settings.Receipts) await this.#parts.unanswered.add(parts);
  }

  /** A process that was killed could not store what it had sent, so the lookup does. */
  async #matchReceipts({ message, parts }: Lookup, attempt: Attempt): Promise<void> {
    const answered = (await this.#responsesTo(message)).find((one) => one.attempt === attempt.number)?.ids;
    const missing = parts
      .map((part, at) => ({ ...part, number: at + 1 }))
      .filter(({ number }) => !answered?.has(number));
    await this.#add(this.#describe(message, attempt, missing, parts.length));
  }

  #responsesTo(message: ComposedText) {
    return this.#parts.responses.attemptsAt(message);
  }

  async #report(pdu: Pdu, isContested: boolean): Promise<void> {
    const { clock, inputRejected, log, reportReceipts } = this.#context;
    const { ids, unanswered } = this.#parts;
    const receipt = readReceipt(pdu);
    if (receipt.id === null) {
      inputRejected('malformed');
      return log.warn({ reason: receipt.detail }, 'receipt names no message');
    }
    const resolved = idsOf(receipt).map((id) => ids.resolve(id, pdu.text('source_addr')));
    const { id, isKnown } = resolved.find((one) => one.isKnown) ?? resolved[0] ?? { id: receipt.id, isKnown: false };
    const alias = await unanswered.aliasOf(id, isKnown);
    const { state, detail } = receipt;
    const report = (of: string): DeliveryReceipt => ({ id: of, state, at: clock.now(), detail });
    await reportReceipts(alias === undefined ? [report(id)] : [report(id), report(alias)]);
    if (!isKnown && alias === undefined && !isContested)
      await unanswered.addReceipt(unmatched(pdu, id, receipt, clock.now()));
    await this.#storeFormat();
  }

  async #storeFormat(): Promise<void> {
    const { format } = this.#parts.ids;
    if (format === this.#storedFormat || !format) return;
    this.#storedFormat = format;
    await this.#context.driverState.putCheckpoint(ID_FORMAT, storedIdFormat.format(format));
  }

  #background(work: Promise<unknown>, failure: string): void {
    work.catch((error) => this.#context.log.warn({ err: messageOf(error) }, failure));
  }
}

function partIdOf({ messageId, number }: Attempt, part: number): string {
  return partId({ messageId, attempt: number, part });
}

/** A receipt comes from the recipient of the message, and goes to its sender. */
function unmatched(pdu: Pdu, id: string, { text, heldMs, state, detail }: Receipt, receivedAt: number) {
  const [recipient, sender] = [digits(pdu.text('source_addr')), digits(pdu.text('destination_addr'))];
  return { id, recipient, sender, text, heldMs, receivedAt, state, detail };
}
