// Which of several O gateways on an account a receipt belongs to: a receipt names only an id, and comes on the connection
// that all of them share. Each gateway says how strong its claim is. From the second gateway on, the ids of messages are
// stored, because after a restart memory knows none; a gateway alone on its account stores no ids.
import { type GatewayContext, messageOf } from '../../../src/driver/contract.js';
import { z } from '../../../src/driver/settings.js';
import type { Pdu } from '../pdu/pdu.js';
import type { SmppSettings } from '../settings.js';
import { keyPart, TtlStore } from '../ttl-store.js';
import { canonical, digits, formsOf, type IdMatcher, type SubmittedId } from './id-format.js';
import type { InFlightRecipients } from './in-flight-recipients.js';
import { idsOf, readReceipt, receiptForm } from './receipt.js';
import type { UnansweredParts } from './unanswered-parts.js';

/** How strong the claim of a gateway to a receipt is. */
export const CLAIM = {
  none: 0,
  /** The receipt goes to the number that this gateway sends from. */
  sender: 1,
  /** A message of this gateway to this recipient got no response, so its id is not known. */
  unanswered: 2,
  /** The id may be meant, but belongs to another recipient; some SMSCs write numbers differently. */
  likely: 3,
  /** A message to this recipient is in flight, and its id is not known yet. */
  inFlight: 4,
  /** The id belongs to a message to this recipient. */
  certain: 5,
} as const;

/** Collection of ids: `<canonical id>.` -> SubmittedId. */
const GIVEN = 'given';

const submittedShape = z.object({ id: z.string(), recipient: z.string() });

export interface OwnerDeps extends Pick<GatewayContext<SmppSettings>, 'driverState' | 'clock' | 'log' | 'settings'> {
  readonly ids: IdMatcher;
  readonly inFlight: InFlightRecipients;
  readonly unanswered: UnansweredParts;
}

export class ReceiptOwner {
  readonly #deps: OwnerDeps;
  readonly #store: TtlStore;
  #isShared = false;

  private constructor(deps: OwnerDeps) {
    this.#deps = deps;
    this.#store = new TtlStore(deps.driverState, GIVEN, deps.clock.now);
  }

  static async open(deps: OwnerDeps): Promise<ReceiptOwner> {
    const owner = new ReceiptOwner(deps);
    await owner.#store.prune();
    return owner;
  }

  /** An id that the SMSC gave to a message, already known to the IdMatcher. */
  add(id: string, recipient: string): void {
    if (this.#isShared && id !== '') this.#put([{ id, recipient: digits(recipient) }]);
  }

  /** Another gateway sends on the account. */
  shareAccount(): void {
    if (this.#isShared) return;
    this.#isShared = true;
    const recent = [...this.#deps.ids.recent()].filter(({ id }) => id !== '');
    if (recent.length > 0) this.#put(recent);
  }

  /** One of CLAIM, as far as memory knows. */
  claim(pdu: Pdu): number {
    const { ids, inFlight, unanswered, settings } = this.#deps;
    const [recipient, sender] = [digits(pdu.text('source_addr')), digits(pdu.text('destination_addr'))];
    const matches = idsOf(readReceipt(pdu)).map((id) => ids.match(id, recipient));
    if (matches.includes('fits')) return CLAIM.certain;
    if (inFlight.has(recipient)) return CLAIM.inFlight;
    if (matches.includes('known')) return CLAIM.likely;
    if (unanswered.isWaiting(recipient, sender)) return CLAIM.unanswered;
    const { SourceAddress } = settings;
    return SourceAddress !== undefined && digits(SourceAddress) === sender ? CLAIM.sender : CLAIM.none;
  }

  /**
   * Whether a text that has the form of a receipt, but not its flag, is the receipt of a message of this gateway. Only an id
   * of a message to the very number that it comes from says so, or, in the whole form of the standard, an id that the
   * journal knows. `later`: a message to that number is being sent, and its id is not known yet.
   */
  async isNamedIn(pdu: Pdu): Promise<boolean | 'later'> {
    const { ids, inFlight, driverState, settings } = this.#deps;
    if (!settings.ReceiptsWithoutFlag) return false;
    await this.recall(pdu);
    const recipient = digits(pdu.text('source_addr'));
    const named = idsOf(readReceipt(pdu));
    if (named.some((id) => ids.match(id, recipient) === 'fits')) return true;
    if (receiptForm(pdu) === 'whole')
      for (const id of named.flatMap((one) => ids.spellings(one))) if (await driverState.isSentId(id)) return true;
    return inFlight.has(recipient) && 'later';
  }

  /** Loads the stored ids that a receipt may mean. Rejects when the journal cannot be read. */
  async recall(pdu: Pdu): Promise<void> {
    const { ids, unanswered } = this.#deps;
    const named = idsOf(readReceipt(pdu));
    if (named.length === 0) return;
    const [stored] = await Promise.all([
      Promise.all(named.flatMap(formsOf).map((form) => this.#store.find(keyOf(form), 1))),
      unanswered.recall(digits(pdu.text('source_addr'))),
    ]);
    for (const [newest] of stored) {
      const submitted = submittedShape.safeParse(newest?.value);
      if (submitted.success) ids.add(submitted.data.id, submitted.data.recipient);
    }
  }

  #put(submitted: readonly SubmittedId[]): void {
    this.#store
      .put(submitted.map((value) => ({ key: keyOf(canonical(value.id)), value })))
      .catch((error) => this.#deps.log.warn({ err: messageOf(error) }, 'id of a sent message not stored'));
  }
}

function keyOf(canonicalId: string): string {
  return `${keyPart(canonicalId)}.`;
}
