// Settles parts whose submit_sm_resp was lost. A part is unanswered until a late response or an unambiguous receipt
// (match-receipts.ts) names its id; from then on the id is an alias of the part. The journal knows an unanswered part by
// `partId`, because the outcome "unknown" has listed it there, and receipts of an alias are reported under both ids.
// Collections:
//   unanswered  <recipient>.<message id>.<attempt>.<part>  UnansweredPart
//   unmatched   <recipient>.<id>.<state>                   UnmatchedReceipt
//   aliases     <canonical id>.                            partId
import { type DeliveryReceipt, type GatewayContext, messageOf } from '../../../src/driver/contract.js';
import { z } from '../../../src/driver/settings.js';
import { boundedMap } from '../../../src/driver/shared/bounded-map.js';
import { keyPart, TtlStore } from '../ttl-store.js';
import { canonical, formsOf, type IdMatcher } from './id-format.js';
import type { InFlightRecipients } from './in-flight-recipients.js';
import { matchReceipts, type ReceiptMatch, type UnansweredPart, type UnmatchedReceipt } from './match-receipts.js';

const partShape = z.object({
  messageId: z.string(),
  attempt: z.number(),
  part: z.number(),
  total: z.number(),
  reference: z.string(),
  recipient: z.string(),
  sender: z.string(),
  startedAt: z.number(),
  text: z.string(),
});

const STATES = ['accepted', 'sent', 'delivered', 'undelivered'] as const;

const receiptShape = z.object({
  id: z.string(),
  recipient: z.string(),
  sender: z.string(),
  text: z.string().nullable(),
  heldMs: z.number().nullable(),
  receivedAt: z.number(),
  state: z.enum(STATES),
  detail: z.string(),
});

/** Read at most, of one recipient: parts of one very long message twice, and its receipts. */
const MOST_PER_RECIPIENT = 600;
/** Aliases and recipients remembered in memory. */
const MOST_REMEMBERED = 20_000;

export type PartKey = Pick<UnansweredPart, 'messageId' | 'attempt' | 'part'>;

/** The id under which the journal knows an unanswered part. */
export function partId({ messageId, attempt, part }: PartKey): string {
  return `unanswered:${messageId}:${attempt}:${part}`;
}

export interface UnansweredDeps
  extends Pick<GatewayContext<unknown>, 'driverState' | 'clock' | 'log' | 'reportReceipts'> {
  readonly ids: IdMatcher;
  readonly inFlight: InFlightRecipients;
  /** Stores the id of a part where a lookup finds it. */
  recordResponse(part: UnansweredPart, id: string): Promise<void>;
}

export class UnansweredParts {
  readonly #deps: UnansweredDeps;
  readonly #parts: TtlStore;
  readonly #receipts: TtlStore;
  readonly #stored: TtlStore;
  readonly #aliases = boundedMap<string>(MOST_REMEMBERED);
  #hasStoredAliases = true;
  /** `<recipient> <sender>` of parts that are or were unanswered: their receipts come to this gateway. */
  readonly #waiting = boundedMap<true>(MOST_REMEMBERED);
  /** Recipients whose receipts wait for the end of a message in flight. Bounded by the messages in flight. */
  readonly #postInFlight = new Set<string>();
  /** One change after the other, because matching reads and writes several records. Bounded by the SMSC's window of
   *  unanswered receipts and by the sends that the pipeline runs at once. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(deps: UnansweredDeps) {
    this.#deps = deps;
    const store = (collection: string) => new TtlStore(deps.driverState, collection, deps.clock.now);
    this.#parts = store('unanswered');
    this.#receipts = store('unmatched');
    this.#stored = store('aliases');
  }

  static async open(deps: UnansweredDeps): Promise<UnansweredParts> {
    const opened = new UnansweredParts(deps);
    await Promise.all([opened.#parts.prune(), opened.#receipts.prune(), opened.#stored.prune()]);
    opened.#hasStoredAliases = (await opened.#stored.find('', 1)).length > 0;
    return opened;
  }

  /** Whether a part to this recipient is unanswered, as far as is remembered. */
  isWaiting(recipient: string, sender: string): boolean {
    return this.#waiting.has(`${recipient} ${sender}`) || this.#waiting.has(`${recipient} `);
  }

  /** Remembers the stored parts of a recipient. Rejects when the journal cannot be read. */
  async recall(recipient: string): Promise<void> {
    for (const part of await this.#partsTo(recipient)) this.#remember(part);
  }

  /** Parts of an attempt whose outcome is unknown. Receipts that came already are matched at once. */
  add(parts: readonly UnansweredPart[]): Promise<void> {
    const [first] = parts;
    if (!first) return Promise.resolve();
    for (const part of parts) this.#remember(part);
    return this.#inTurn(async () => {
      await this.#parts.put(parts.map((value) => ({ key: partKey(value), value })));
      await this.#match(first.recipient);
    });
  }

  /** A late response to a part that was added: its id, or the reason why the SMSC rejected it. */
  settle(part: UnansweredPart, response: { id: string } | { rejected: string }): Promise<void> {
    return this.#inTurn(async () => {
      if ('id' in response) await this.#addAlias(part, response.id);
      await this.#parts.delete([partKey(part)]);
      const at = this.#deps.clock.now();
      const receipt: DeliveryReceipt =
        'id' in response
          ? { id: partId(part), state: 'sent', at, detail: 'the response to submit_sm came late' }
          : { id: partId(part), state: 'undelivered', at, detail: response.rejected };
      await this.#deps.reportReceipts([receipt]);
    });
  }

  /** The unanswered part that has turned out to have this id. */
  async aliasOf(id: string, isKnown: boolean): Promise<string | undefined> {
    const forms = formsOf(id);
    const remembered = forms.map((form) => this.#aliases.get(form)).find((found) => found !== undefined);
    if (remembered !== undefined || isKnown || !this.#hasStoredAliases) return remembered;
    const found = await Promise.all(forms.map((form) => this.#stored.find(`${keyPart(form)}.`, 1)));
    const [alias] = found.flat();
    return typeof alias?.value === 'string' ? alias.value : undefined;
  }

  /** A receipt with an id that no message in memory has. Resolves when it is stored or matched, or belongs to a known message. */
  addReceipt(receipt: UnmatchedReceipt): Promise<void> {
    return this.#inTurn(async () => {
      if (await this.#isKnown(receipt)) return;
      await this.#receipts.put([{ key: receiptKey(receipt), value: receipt }]);
      await this.#match(receipt.recipient);
    });
  }

  /** A message to this recipient is no longer in flight. */
  resume(recipient: string): void {
    if (!this.#postInFlight.delete(recipient)) return;
    this.#inTurn(() => this.#match(recipient)).catch((error) =>
      this.#deps.log.warn({ err: messageOf(error) }, 'receipts without known id not matched'),
    );
  }

  async #match(recipient: string): Promise<void> {
    // One of the receipts may belong to the message in flight, whose id is not known yet.
    if (this.#deps.inFlight.has(recipient)) return void this.#postInFlight.add(recipient);
    const stored = await this.#receiptsFrom(recipient);
    if (stored.length === 0) return;
    const parts = await this.#partsTo(recipient);
    const receipts: UnmatchedReceipt[] = [];
    for (const receipt of parts.length > 0 ? stored : [])
      if (await this.#isKnown(receipt)) await this.#receipts.delete(receiptKeys(receipt));
      else receipts.push(receipt);
    for (const match of matchReceipts(parts, receipts)) await this.#apply(match);
  }

  /** Everything is repeatable: after a failure the SMSC delivers the receipt again. */
  async #apply({ part, receipt }: ReceiptMatch): Promise<void> {
    const { reportReceipts, recordResponse, log } = this.#deps;
    const { id, state, detail, receivedAt: at } = receipt;
    await recordResponse(part, id);
    await this.#addAlias(part, id);
    await reportReceipts([{ id: partId(part), state, at, detail: `${detail}, matched by recipient and time` }]);
    await this.#parts.delete([partKey(part)]);
    await this.#receipts.delete(receiptKeys(receipt));
    log.info({ message_id: part.messageId, part: part.part, receipt_id: id }, 'receipt matched to unanswered message');
  }

  async #addAlias(part: UnansweredPart, id: string): Promise<void> {
    if (id === '') return;
    const alias = partId(part);
    this.#aliases.set(canonical(id), alias);
    await this.#stored.put([{ key: `${keyPart(canonical(id))}.`, value: alias }]);
    this.#hasStoredAliases = true;
  }

  /** Whether another message has this id: in memory, or in the journal, where another process may have put it. */
  async #isKnown({ id, recipient }: UnmatchedReceipt): Promise<boolean> {
    const { ids, driverState } = this.#deps;
    if (ids.match(id, recipient) !== undefined) return true;
    for (const spelling of ids.spellings(id)) if (await driverState.isSentId(spelling)) return true;
    return false;
  }

  async #partsTo(recipient: string): Promise<UnansweredPart[]> {
    const found = await this.#parts.find(`${keyPart(recipient)}.`, MOST_PER_RECIPIENT);
    return found.flatMap(({ value }) => partShape.safeParse(value).data ?? []);
  }

  async #receiptsFrom(recipient: string): Promise<UnmatchedReceipt[]> {
    const found = await this.#receipts.find(`${keyPart(recipient)}.`, MOST_PER_RECIPIENT);
    return found.flatMap(({ value }) => receiptShape.safeParse(value).data ?? []);
  }

  #remember({ recipient, sender }: UnansweredPart): void {
    this.#waiting.set(`${recipient} ${sender}`, true);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work, work);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

function partKey({ recipient, messageId, attempt, part }: UnansweredPart): string {
  return [keyPart(recipient), keyPart(messageId), attempt, part].join('.');
}

function receiptKey({ recipient, id, state }: UnmatchedReceipt): string {
  return [keyPart(recipient), keyPart(id), state].join('.');
}

/** Of every state in which a receipt with this id may have come. */
function receiptKeys(receipt: UnmatchedReceipt): string[] {
  return STATES.map((state) => receiptKey({ ...receipt, state }));
}
