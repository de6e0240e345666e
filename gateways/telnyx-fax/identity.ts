// The mark that identifies a fax at Telnyx as one of this gateway: the client state, which Telnyx stores with the fax and
// repeats in its list and in every push.
import type { Attempt, ComposedFax } from '../../src/driver/contract.js';

const WORD = 'gatepost';

export interface Mark {
  readonly gatewayId: string;
  readonly messageId: string;
}

/** The same on every attempt at a send request. Base64, as Telnyx wants it. */
export function markOf(gatewayId: string, { messageId }: Attempt, { reference }: ComposedFax): string {
  return Buffer.from([WORD, gatewayId, messageId, reference].join(' ')).toString('base64');
}

/** Undefined for faxes that others sent through the account. */
export function readMark(clientState: string | null): Mark | undefined {
  const [word, gatewayId, messageId] = Buffer.from(clientState ?? '', 'base64')
    .toString('utf8')
    .split(' ');
  return word === WORD && gatewayId && messageId ? { gatewayId, messageId } : undefined;
}
