// What the state of a receipt means: the words of the standard, and those that carriers write instead. Pure.
import type { DeliveryState } from '../../../src/driver/contract.js';

/** By message_state (SMPP 3.4, 5.2.28). */
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

/** "Delivered to network" is not delivered, so these are whole words. */
const DELIVERED =
  /^(?:DELIV(?:RD|ERED|ERD|D|ERE)|DE?LV?RD|DELIVERED TO (?:HANDSET|TERMINAL|DEVICE)|ZUGESTELLT|ДОСТАВЛЕНО?)$/;
const UNDELIVERED = [
  /^(?:UN|NOT|NON|NO)[ ]?DE?L?I?V/,
  /^(?:EXPIR|DELET|REJ|SKIP|FAIL|CANCEL|ABORT|BLOCK|DROP|BARRED|ERROR|INVALID)/,
  /^(?:SUBMIT|SEND|SENDING|DELIVERY|DELIVER) (?:FAIL|ERR|IMPOSS|REJ|EXPIR)/,
  /^(?:NICHT |UN)ZUSTELLBAR|^NICHT ZUGEST|^FEHLGESCHL|^FEHLER|^ABGELEHNT|^ABGELAUFEN|^GELÖSCHT/,
  /^НЕ ?ДОСТАВЛ|^ПРОСРОЧ|^ОТКЛОН|^ОТВЕРГ|^УДАЛЕН|^ОШИБК|^ИСТЕК/,
];
const ON_ITS_WAY =
  /^(?:ENROUTE|EN ROUTE|ACCEPT|SCHEDUL|UNKNOWN|BUFF|QUEUED?|PENDING|SENT|SUBMIT|STORED|TRANSMIT|PROCESS|DELIVERED TO NETWORK|GESENDET|ANGENOMMEN|UNBEKANNT|ОТПРАВЛЕН|ПРИНЯТ|В ПУТИ|НЕИЗВЕСТН)/;

export interface ReceiptState {
  readonly word: string;
  readonly state: DeliveryState;
}

/** A number outside the standard says no more than "sent". */
export function stateOf(messageState: number): ReceiptState {
  const word = STATES[messageState] ?? `state ${messageState}`;
  return { word, state: stateIn(word) ?? 'sent' };
}

/** The state in words of a carrier; undefined for words that are none we know. */
export function stateIn(words: string): DeliveryState | undefined {
  const plain = words
    .normalize('NFC')
    .toUpperCase()
    .replace(/[\s_-]+/g, ' ')
    .trim();
  if (/^[0-9]$/.test(plain)) return stateOf(Number(plain)).state;
  if (DELIVERED.test(plain)) return 'delivered';
  if (UNDELIVERED.some((pattern) => pattern.test(plain))) return 'undelivered';
  return ON_ITS_WAY.test(plain) ? 'sent' : undefined;
}

/** A final state is one that nothing follows. */
export function isFinal(state: DeliveryState | undefined): boolean {
  return state === 'delivered' || state === 'undelivered';
}
