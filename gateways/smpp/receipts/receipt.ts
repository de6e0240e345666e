// Owns reading delivery receipts (SMPP 3.4, 5.2.12 and appendix B): from the optional parameters, else from the text.
import type { DeliveryState } from '../../../src/driver/contract.js';
import { type Pdu, TLV, tlvNumber, tlvText } from '../pdu/pdu.js';

export interface Receipt {
  /** As the SMSC wrote it; null when it names none. */
  readonly id: string | null;
  readonly state: DeliveryState;
  /** `UNDELIV err:000 done date:2611221030`. */
  readonly detail: string;
}

/** Message type bits of esm_class. */
const TYPE = 0x3c;
const DELIVERY_RECEIPT = 0x04;
const INTERMEDIATE = 0x20;

const STATES = [
  'SCHEDULED',
  'ENROUTE',
  'DELIVRD',
  'EXPIRED',
  'DELETED',
  'UNDELIV',
  'ACCEPTD',
  'UNKNOWN',
  'REJECTD',
  'SKIPPED',
];

const ENDS = new Map<string, DeliveryState>([
  ['DELIVRD', 'delivered'],
  ['DELIVERED', 'delivered'],
  ['EXPIRED', 'undelivered'],
  ['DELETED', 'undelivered'],
  ['UNDELIV', 'undelivered'],
  ['UNDELIVERABLE', 'undelivered'],
  ['REJECTD', 'undelivered'],
  ['REJECTED', 'undelivered'],
  ['SKIPPED', 'undelivered'],
]);

export function isReceipt(pdu: Pdu): boolean {
  const type = pdu.number('esm_class') & TYPE;
  return type === DELIVERY_RECEIPT || type === INTERMEDIATE || pdu.tlv(TLV.receiptedMessageId) !== undefined;
}

/** What message_state (SMPP 3.4, 5.2.28) says; a number that is none of the standard is no news. */
export function stateOf(messageState: number): { word: string; state: DeliveryState } {
  const word = STATES[messageState] ?? `state ${messageState}`;
  return { word, state: ENDS.get(word) ?? 'sent' };
}

export function readReceipt(pdu: Pdu): Receipt {
  const short = pdu.bytes('short_message');
  const text = (short.length > 0 ? short : (pdu.tlv(TLV.messagePayload) ?? short)).toString('latin1');
  const id = tlvText(pdu, TLV.receiptedMessageId) || field(text, 'id');
  const number = tlvNumber(pdu, TLV.messageState);
  const written = field(text, 'stat')?.toUpperCase();
  const word = written ?? (number === undefined ? 'UNKNOWN' : stateOf(number).word);
  const state = number === undefined || ENDS.has(word) ? (ENDS.get(word) ?? 'sent') : stateOf(number).state;
  const error = field(text, 'err');
  const network = pdu.tlv(TLV.networkErrorCode);
  const done = field(text, 'done date');
  const detail = [
    word,
    error === undefined ? '' : `err:${error}`,
    network?.length === 3 ? `network error ${network.readUInt16BE(1)}` : '',
    done === undefined ? '' : `done date:${done}`,
  ];
  return { id: id || null, state, detail: detail.filter(Boolean).join(' ').slice(0, 200) };
}

function field(text: string, name: string): string | undefined {
  return new RegExp(`(?:^|\\s)${name}:\\s*([^\\s:]+)`, 'i').exec(text)?.[1];
}
