// Messages inside a message: what they report.
import type { Part } from './part.js';
import { deliverySummary, isDeliveryStatus, isReadReceipt, receiptSummary } from './reports.js';
import { type ScanBudget, scanMail } from './scan.js';
import { decodeTransfer } from './transfer.js';

/** A report has few parts; each level of enclosed messages is walked once more. */
const REPORT_BUDGET: ScanBudget = { parts: 50, depth: 10, candidates: 20_000, headerLines: 5_000 };
const DEEPEST = 3;

export function isMessage(type: string): boolean {
  return type === 'message/rfc822' || type === 'message/global';
}

/** What the delivery reports and read receipts inside an enclosed message say. */
export function reportsInside(message: Buffer, level = 1): string[] {
  if (!message.includes('delivery-status') && !message.includes('disposition-notification')) return [];
  return leaves(scanMail(message, REPORT_BUDGET).root).flatMap((part) => {
    const summary = reportOf(part);
    if (summary) return summary;
    return isMessage(part.type) && level < DEEPEST ? reportsInside(bytesOf(part), level + 1) : [];
  });
}

/** Undefined when the part is no report. */
function reportOf(part: Part): string[] | undefined {
  if (isDeliveryStatus(part.type)) return deliverySummary(bytesOf(part));
  return isReadReceipt(part.type) ? receiptSummary(bytesOf(part)) : undefined;
}

export function bytesOf(part: Part): Buffer {
  return decodeTransfer(part.raw.subarray(part.start, part.end), part.encoding);
}

export function leaves(part: Part): Part[] {
  return part.children.length === 0 ? [part] : part.children.flatMap(leaves);
}
