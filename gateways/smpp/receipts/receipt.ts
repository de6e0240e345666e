// Delivery receipts (SMPP 3.4, 5.2.12 and appendix B): from the optional parameters, else from the text.
import type { DeliveryState } from '../../../src/driver/contract.js';
import { type Pdu, TLV, tlvNumber, tlvText } from '../pdu/pdu.js';
import { isUcs2 } from '../receive/data-coding.js';
import { isFinal, type ReceiptState, stateIn, stateOf } from './receipt-state.js';
import {
  beginsWithId,
  firstWord,
  type ReceiptFields,
  receiptFields,
  receiptTextOf,
  receiptTime,
} from './receipt-text.js';

export interface Receipt {
  /** As the SMSC wrote it; null when the receipt names none. */
  readonly id: string | null;
  /** The id in the text, where the optional parameter has another one. */
  readonly otherId: string | null;
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

export function isReceipt(pdu: Pdu): boolean {
  const type = pdu.number('esm_class') & TYPE;
  return type === DELIVERY_RECEIPT || type === INTERMEDIATE || pdu.tlv(TLV.receiptedMessageId) !== undefined;
}

export function readReceipt(pdu: Pdu): Receipt {
  const fields = receiptFields(receiptText(pdu));
  const named = tlvText(pdu, TLV.receiptedMessageId) || undefined;
  const written = firstWord(fields.get('id'));
  const { word, state } = readState(pdu, fields.get('state'));
  const error = firstWord(fields.get('error'));
  const network = pdu.tlv(TLV.networkErrorCode);
  const done = firstWord(fields.get('done'));
  const detail = [
    word,
    error === undefined ? '' : `err:${error}`,
    network?.length === 3 ? `network error ${network.readUInt16BE(1)}` : '',
    done === undefined ? '' : `done date:${done}`,
  ];
  return {
    id: named ?? written ?? null,
    otherId: named !== undefined && written !== undefined && written !== named ? written : null,
    state,
    detail: detail.filter(Boolean).join(' ').slice(0, 200),
    text: fields.get('text') || null,
    heldMs: heldMs(fields),
  };
}

/** The ids that a receipt names, that of the optional parameter first. */
export function idsOf({ id, otherId }: Receipt): string[] {
  return [id, otherId].filter((one) => one !== null);
}

/**
 * How much a text without the flag of a receipt looks like one. `short`: it begins with an id and has a state that
 * carriers write. `whole`: it has the two dates of the standard's form, too.
 */
export function receiptForm(pdu: Pdu): 'none' | 'short' | 'whole' {
  const text = receiptText(pdu);
  const fields = receiptFields(text);
  if (!beginsWithId(text) || !firstWord(fields.get('id'))) return 'none';
  if (stateIn(stateWords(fields.get('state'))) === undefined) return 'none';
  return receiptTime(fields.get('submitted')) && receiptTime(fields.get('done')) ? 'whole' : 'short';
}

const HEADER_INDICATOR = 0x40;

/** Of short_message, or of message_payload when only that names a message. */
function receiptText(pdu: Pdu): string {
  const short = textIn(pdu, pdu.bytes('short_message'));
  const payload = pdu.tlv(TLV.messagePayload);
  return payload === undefined || receiptFields(short).has('id') ? short : textIn(pdu, payload);
}

function textIn(pdu: Pdu, octets: Buffer): string {
  const header = pdu.number('esm_class') & HEADER_INDICATOR ? (octets[0] ?? 0) + 1 : 0;
  const body = header <= octets.length ? octets.subarray(header) : octets;
  return receiptTextOf(body, isUcs2(pdu.number('data_coding')));
}

/** A final state in the optional parameter counts before the words, which every carrier writes as it likes. */
function readState(pdu: Pdu, value: string | undefined): ReceiptState {
  const number = tlvNumber(pdu, TLV.messageState);
  const named = number === undefined ? undefined : stateOf(number);
  const words = stateWords(value);
  const written = stateIn(words);
  if (!words) return named ?? { word: 'UNKNOWN', state: 'sent' };
  const word = /^\d$/.test(words) ? stateOf(Number(words)).word : words.toUpperCase();
  if (!isFinal(named?.state)) return { word, state: written ?? 'sent' };
  const isContradiction = isFinal(written) && written !== named?.state;
  return { word: isContradiction ? `${named?.word} (text: ${word})` : word, state: named?.state ?? 'sent' };
}

/** All words up to the next field where they mean something together, else the first one. */
function stateWords(value = ''): string {
  const all =
    value
      .slice(0, 40)
      .split(/[,;|\r\n]/)[0]
      ?.trim() ?? '';
  return stateIn(all) === undefined ? (firstWord(value)?.slice(0, 40) ?? '') : all;
}

/** Both dates are in the time zone of the SMSC, so only their difference means anything here. */
function heldMs(fields: ReceiptFields): number | null {
  const [from, to] = [receiptTime(fields.get('submitted')), receiptTime(fields.get('done'))];
  return from === undefined || to === undefined ? null : Math.max(0, to - from);
}
