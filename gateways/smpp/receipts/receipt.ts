// Delivery receipts (SMPP 3.4, 5.2.12 and appendix B): from the optional parameters, else from the text.
import type { DeliveryState } from '../../../src/driver/contract.js';
import { type Pdu, TLV, tlvNumber, tlvText } from '../pdu/pdu.js';

export interface Receipt {
  /** As the SMSC wrote it; null when the receipt names none. */
  readonly id: string | null;
  readonly state: DeliveryState;
  /** `UNDELIV err:000 done date:2611221030`. */
  readonly detail: string;
  /** The first characters of the message; null when the receipt has none. */
  readonly text: string | null;
  /** How long the SMSC had the message, ms, by its own two dates; null when the receipt does not have both. */
  readonly heldMs: number | null;
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

const FINAL_STATES = new Map<string, DeliveryState>([
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

/** What message_state (SMPP 3.4, 5.2.28) means; a number outside the standard says no more than "sent". */
export function stateOf(messageState: number): { word: string; state: DeliveryState } {
  const word = STATES[messageState] ?? `state ${messageState}`;
  return { word, state: FINAL_STATES.get(word) ?? 'sent' };
}

export function readReceipt(pdu: Pdu): Receipt {
  const short = pdu.bytes('short_message');
  const text = (short.length > 0 ? short : (pdu.tlv(TLV.messagePayload) ?? short)).toString('latin1');
  const id = tlvText(pdu, TLV.receiptedMessageId) || field(text, 'id');
  const { word, state } = readState(pdu, text);
  const error = field(text, 'err');
  const network = pdu.tlv(TLV.networkErrorCode);
  const done = field(text, 'done date');
  const detail = [
    word,
    error === undefined ? '' : `err:${error}`,
    network?.length === 3 ? `network error ${network.readUInt16BE(1)}` : '',
    done === undefined ? '' : `done date:${done}`,
  ];
  return {
    id: id || null,
    state,
    detail: detail.filter(Boolean).join(' ').slice(0, 200),
    text: /\stext:(.*)$/is.exec(text)?.[1]?.trim() || null,
    heldMs: heldMs(field(text, 'submit date'), done),
  };
}

function readState(pdu: Pdu, text: string): { word: string; state: DeliveryState } {
  const number = tlvNumber(pdu, TLV.messageState);
  const written = field(text, 'stat')?.toUpperCase();
  const word = written ?? (number === undefined ? 'UNKNOWN' : stateOf(number).word);
  const final = FINAL_STATES.get(word);
  return { word, state: final ?? (number === undefined ? 'sent' : stateOf(number).state) };
}

/** Both dates are in the time zone of the SMSC, so only their difference means anything here. */
function heldMs(submitted: string | undefined, done: string | undefined): number | null {
  const [from, to] = [timeOf(submitted), timeOf(done)];
  return from === undefined || to === undefined ? null : Math.max(0, to - from);
}

/** YYMMDDhhmm, with or without seconds. */
function timeOf(date: string | undefined): number | undefined {
  const parts = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?$/.exec(date ?? '');
  if (!parts) return undefined;
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = parts
    .slice(1)
    .map((part) => Number(part ?? 0));
  return Date.UTC(2000 + year, month - 1, day, hour, minute, second);
}

function field(text: string, name: string): string | undefined {
  return new RegExp(`(?:^|\\s)${name}:\\s*([^\\s:]+)`, 'i').exec(text)?.[1];
}
