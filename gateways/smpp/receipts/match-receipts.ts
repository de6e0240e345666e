// Decides which receipts belong to parts whose submit_sm_resp was lost. Such a receipt names an unknown id, so
// recipient, sender, time and text decide. A pair is made only when the receipt fits exactly one message, and the message
// has at least as many unanswered parts as receipts fit it; everything else stays unmatched. Pure.
import type { DeliveryState } from '../../../src/driver/contract.js';

/** A part that was handed to the socket and got no response. Addresses are digits only. */
export interface UnansweredPart {
  readonly messageId: string;
  readonly attempt: number;
  readonly part: number;
  /** Parts of the whole message. */
  readonly total: number;
  /** Reference of the message, under which late responses are stored. */
  readonly reference: string;
  readonly recipient: string;
  /** '' when the SMSC chooses the sender. */
  readonly sender: string;
  /** When the attempt started, ms since the epoch. */
  readonly startedAt: number;
  /** The beginning of the part. */
  readonly text: string;
}

/** A receipt with an id of no known message. */
export interface UnmatchedReceipt {
  readonly id: string;
  readonly recipient: string;
  readonly sender: string;
  readonly text: string | null;
  readonly heldMs: number | null;
  readonly receivedAt: number;
  readonly state: DeliveryState;
  readonly detail: string;
}

export interface ReceiptMatch {
  readonly part: UnansweredPart;
  readonly receipt: UnmatchedReceipt;
}

/** The dates of a receipt are in minutes, and each of the two is rounded. */
const DATE_SLACK_MS = 120_000;

/** `parts` and `receipts` of one recipient. */
export function matchReceipts(
  parts: readonly UnansweredPart[],
  receipts: readonly UnmatchedReceipt[],
): readonly ReceiptMatch[] {
  const byMessage = new Map<string, UnmatchedReceipt[]>();
  for (const receipt of furthestById(receipts)) {
    const messages = new Set(parts.filter((part) => fits(part, receipt)).map(({ messageId }) => messageId));
    const [messageId] = messages;
    if (messageId === undefined || messages.size > 1) continue;
    byMessage.set(messageId, [...(byMessage.get(messageId) ?? []), receipt]);
  }
  return [...byMessage].flatMap(([messageId, own]) =>
    assign(
      parts.filter((part) => part.messageId === messageId),
      own,
    ),
  );
}

function assign(parts: readonly UnansweredPart[], receipts: readonly UnmatchedReceipt[]): ReceiptMatch[] {
  // More receipts than parts: one of them belongs to another message, and nothing says which.
  if (receipts.length > parts.length) return [];
  // Receipts without a text could mix parts of two attempts into one message that never arrived whole.
  const needsText = new Set(parts.map(({ attempt }) => attempt)).size > 1 && parts.some(({ total }) => total > 1);
  const free = [...parts].sort((one, other) => one.attempt - other.attempt || one.part - other.part);
  const agreeing = (receipt: UnmatchedReceipt) => free.findIndex((part) => textEvidence(part, receipt) === 'agrees');
  const agreeingFirst = [...receipts].sort((one, other) => Number(agreeing(other) >= 0) - Number(agreeing(one) >= 0));
  return agreeingFirst.flatMap((receipt) => {
    const exact = agreeing(receipt);
    const at = exact >= 0 || needsText ? exact : free.findIndex((part) => fits(part, receipt));
    const [part] = at >= 0 ? free.splice(at, 1) : [];
    return part ? [{ part, receipt }] : [];
  });
}

/** Whether a receipt may belong to a part. */
function fits(part: UnansweredPart, receipt: UnmatchedReceipt): boolean {
  if (part.recipient !== receipt.recipient) return false;
  if (part.sender !== '' && part.sender !== receipt.sender) return false;
  // The latest time at which the SMSC can have accepted the message.
  const acceptedBy = receipt.heldMs === null ? receipt.receivedAt : receipt.receivedAt - receipt.heldMs + DATE_SLACK_MS;
  if (Math.min(acceptedBy, receipt.receivedAt) < part.startedAt) return false;
  return textEvidence(part, receipt) !== 'differs';
}

/** Octets of a user data header, which some SMSCs copy into the text of a receipt. */
const HEADER = 6;

function textEvidence(part: UnansweredPart, receipt: UnmatchedReceipt): 'agrees' | 'differs' | 'none' {
  const own = comparable(part.text);
  const spellings = [receipt.text ?? '', part.total > 1 ? (receipt.text ?? '').slice(HEADER) : '']
    .map(comparable)
    .filter((text) => text !== '');
  if (own === '' || spellings.length === 0) return 'none';
  if (spellings.some((text) => own.startsWith(text) || text.startsWith(own))) return 'agrees';
  // SMSCs write other alphabets into a receipt in ways of their own.
  return /^[\x20-\x7e\n\r]*$/.test(part.text) ? 'differs' : 'none';
}

/** What survives the ways in which SMSCs copy a text into a receipt. */
function comparable(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** One receipt for each id: a final state replaces an intermediate one. */
function furthestById(receipts: readonly UnmatchedReceipt[]): UnmatchedReceipt[] {
  const byId = new Map<string, UnmatchedReceipt>();
  for (const receipt of receipts) if (byId.get(receipt.id)?.state !== 'delivered') keepFurther(byId, receipt);
  return [...byId.values()];
}

function keepFurther(byId: Map<string, UnmatchedReceipt>, receipt: UnmatchedReceipt): void {
  const known = byId.get(receipt.id);
  if (!known || receipt.state === 'delivered' || receipt.state === 'undelivered') byId.set(receipt.id, receipt);
}
