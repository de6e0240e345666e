import type { OpenedMail } from './open-mail.js';

/** Characters of the mail that are printed: about two pages. */
const MAX_TEXT = 6_000;
const MARGIN = 56;

/** A PDF with the text of a mail that holds no fax. Characters outside Latin-1 become "?": the standard fonts of PDF lack them. */
export async function pageOf({ from, subject, lines }: OpenedMail, receivedAt: number): Promise<Uint8Array> {
  const { default: PDFDocument } = await import('pdfkit');
  const document = new PDFDocument({ size: 'A4', margin: MARGIN, info: { CreationDate: new Date(receivedAt) } });
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => void chunks.push(chunk));
  const whole = new Promise<void>((resolve, reject) => document.on('end', resolve).on('error', reject));
  document
    .fontSize(14)
    .text(printable(subject) || 'A mail without a fax')
    .moveDown(0.5);
  document.fontSize(9).text(printable(from)).moveDown();
  document.fontSize(11).text(printable(lines.join('\n')).slice(0, MAX_TEXT));
  document.end();
  await whole;
  return Buffer.concat(chunks);
}

function printable(text: string): string {
  return text.replace(/[^\n\x20-\x7e\xa0-\xff]/gu, '?');
}
