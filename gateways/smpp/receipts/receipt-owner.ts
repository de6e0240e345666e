// Owns telling whose a receipt is where several gateways send on one account: it names only the id, and all of them get it
// on the same connection. Each gateway says how surely it is its own. What was given to it is kept durably as soon as
// there is another one, because after a restart nobody else could tell; a gateway alone on its account need not.
import { type GatewayContext, messageOf } from '../../../src/driver/contract.js';
import { z } from '../../../src/driver/settings.js';
import type { Pdu } from '../pdu/pdu.js';
import type { SmppSettings } from '../settings.js';
import { lasting } from '../ttl-store.js';
import { canonical, digits, formsOf, type Given, type Ids } from './id-format.js';
import { readReceipt } from './receipt.js';

/** How surely a receipt is one's own. */
export const CLAIM = {
  none: 0,
  /** It goes to the number that this gateway sends from. */
  sender: 1,
  /** The id may be meant, but was given for another recipient; some SMSCs write numbers otherwise. */
  likely: 2,
  /** A message to this recipient is under way, and its id is not known yet. */
  underWay: 3,
  /** The id was given for this recipient. */
  certain: 4,
} as const;

export interface Owner {
  /** A message to this recipient is under way until the result is called. */
  begin(recipient: string): () => void;
  /** An id that the SMSC gave, told to `ids` already. */
  given(id: string, recipient: string): void;
  /** Another gateway sends on the account. */
  shared(): void;
  /** One of CLAIM, as far as is remembered. */
  claim(pdu: Pdu): number;
  /** Remembers what was kept of the ids that the receipt may mean. Rejects when the journal cannot be asked. */
  recall(pdu: Pdu): Promise<void>;
}

/** Collection of ids: `<canonical id in hexadecimal octets>.` -> Given. */
const GIVEN = 'given';

const givenShape = z.object({ id: z.string(), recipient: z.string() });

type Context = Pick<GatewayContext<SmppSettings>, 'driverState' | 'clock' | 'log' | 'settings'>;

export async function ownerOf({ driverState, clock, log, settings }: Context, ids: Ids): Promise<Owner> {
  const kept = lasting(driverState, GIVEN, clock.now);
  const underWay = new Map<string, number>();
  let isShared = false;
  await kept.prune();

  function keep(given: readonly Given[]): void {
    const records = given.map((value) => ({ key: keyOf(canonical(value.id)), value }));
    kept
      .keep(records)
      .catch((error) => log.warn({ error: messageOf(error) }, 'an id was not kept; its receipt may be misplaced'));
  }

  return {
    begin(recipient) {
      const to = digits(recipient);
      underWay.set(to, (underWay.get(to) ?? 0) + 1);
      return () => {
        const left = (underWay.get(to) ?? 1) - 1;
        if (left > 0) underWay.set(to, left);
        else underWay.delete(to);
      };
    },
    given(id, recipient) {
      if (isShared && id !== '') keep([{ id, recipient: digits(recipient) }]);
    },
    shared() {
      if (isShared) return;
      isShared = true;
      const given = [...ids.recent()].filter(({ id }) => id !== '');
      if (given.length > 0) keep(given);
    },
    claim(pdu) {
      const recipient = pdu.text('source_addr');
      const { id } = readReceipt(pdu);
      const match = id === null ? undefined : ids.match(id, recipient);
      if (match === 'fits') return CLAIM.certain;
      if (underWay.has(digits(recipient))) return CLAIM.underWay;
      if (match === 'known') return CLAIM.likely;
      const { SourceAddress } = settings;
      const isSender = SourceAddress !== undefined && digits(SourceAddress) === digits(pdu.text('destination_addr'));
      return isSender ? CLAIM.sender : CLAIM.none;
    },
    async recall(pdu) {
      const { id } = readReceipt(pdu);
      if (id === null) return;
      const found = await Promise.all(formsOf(id).map((form) => kept.find(keyOf(form), 1)));
      for (const [newest] of found) {
        const given = givenShape.safeParse(newest?.value);
        if (given.success) ids.given(given.data.id, given.data.recipient);
      }
    },
  };
}

function keyOf(canonicalId: string): string {
  return `${Buffer.from(canonicalId).toString('hex').slice(0, 300)}.`;
}
