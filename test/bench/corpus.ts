// The mails that are measured with: generated, the same at every run. `text`: 70 % of about 5 KB
// (multipart/alternative), 30 % newsletters of about 34 KB with inline styles. `mixed`: 60/25/10/5 % of about 5 KB, 34 KB,
// 282 KB and 2.8 MB. Line ends are LF, as LMTP leaves them in a Maildir.
import iconv from 'iconv-lite';
import { type Dice, dice, pick } from './dice.js';
import { LANGUAGES, type Language } from './languages.js';

export type CorpusName = 'text' | 'mixed';
type Kind = 'alternative' | 'newsletter' | 'photo' | 'scan';

export interface BenchMail {
  /** Message-ID without brackets: by this the stub knows it again. */
  readonly id: string;
  readonly raw: Buffer;
}

/** Twenty mails in a row have exactly these shares; 7 and 20 have no common divisor, so the kinds alternate. */
const SHARES: Record<CorpusName, readonly [Kind, number][]> = {
  text: [
    ['alternative', 14],
    ['newsletter', 6],
  ],
  mixed: [
    ['alternative', 12],
    ['newsletter', 5],
    ['photo', 2],
    ['scan', 1],
  ],
};
const ATTACHMENT_BYTES = { photo: 200 * 1024, scan: 2 * 1024 * 1024 };
/** Two mails of five answer something and quote it. */
const QUOTING = 0.42;
const FIRST_MS = Date.UTC(2026, 0, 5, 8);

export function benchMail(corpus: CorpusName, index: number): BenchMail {
  const roll = dice(index * 2 + (corpus === 'text' ? 0 : 1));
  const kind = kindOf(corpus, (index * 7) % 20);
  const language = pick(roll, LANGUAGES);
  const id = `bench-${corpus}-${index}@shop.example.net`;
  const parts = bodies(kind, language, roll);
  const attachment = kind === 'photo' || kind === 'scan' ? attached(ATTACHMENT_BYTES[kind], index) : undefined;
  const head = headers(id, kind, language, roll, index);
  return { id, raw: Buffer.concat([Buffer.from(head), enclosed(parts, attachment)]) };
}

/** When mail `index` came, ms. */
export function arrivedAt(index: number): number {
  return FIRST_MS + index * 60_000;
}

function kindOf(corpus: CorpusName, slot: number): Kind {
  let below = 0;
  for (const [kind, share] of SHARES[corpus]) {
    below += share;
    if (slot < below) return kind;
  }
  return 'alternative';
}

function headers(id: string, kind: Kind, language: Language, roll: Dice, index: number): string {
  const word = (text: string) => `=?${language.charset}?B?${iconv.encode(text, language.charset).toString('base64')}?=`;
  const date = new Date(arrivedAt(index)).toUTCString().replace('GMT', '+0000');
  const lines = [
    `Return-Path: <bounce-${hex(roll, 12)}@shop.example.net>`,
    `Received: from out${index % 9}.shop.example.net (out${index % 9}.shop.example.net [192.0.2.${index % 250}])\n\tby mx.example.test (Postfix) with ESMTPS id ${hex(roll, 10)}\n\tfor <desk@example.test>; ${date}`,
    `Received: from app.internal (unknown [10.0.${index % 200}.7])\n\tby out.shop.example.net (Postfix) with ESMTPA id ${hex(roll, 10)}; ${date}`,
    `DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=shop.example.net; s=k1;\n\th=from:to:subject:date:message-id; bh=${hex(roll, 43)}=;\n\tb=${hex(roll, 72)}\n\t ${hex(roll, 72)}\n\t ${hex(roll, 72)}\n\t ${hex(roll, 60)}`,
    `From: ${word(sentence(language, roll, 2))} <customer${index % 977}@shop.example.net>`,
    'To: "Service desk" <desk@example.test>',
    `Subject: ${word(sentence(language, roll, 5))}`,
    `Date: ${date}`,
    `Message-ID: <${id}>`,
  ];
  if (roll() < QUOTING)
    lines.push(`In-Reply-To: <${hex(roll, 16)}@example.test>`, `References: <${hex(roll, 16)}@example.test>`);
  if (kind === 'newsletter')
    lines.push(`List-Unsubscribe: <https://shop.example.net/u/${hex(roll, 32)}>`, 'Precedence: bulk');
  return `${lines.join('\n')}\nMIME-Version: 1.0\n`;
}

function hex(roll: Dice, length: number): string {
  return Array.from({ length }, () => Math.floor(roll() * 16).toString(16)).join('');
}

function sentence(language: Language, roll: Dice, words: number): string {
  return Array.from({ length: words }, () => pick(roll, language.words)).join(language.space);
}

function bodies(kind: Kind, language: Language, roll: Dice): { type: string; language: Language; text: string }[] {
  const paragraphs = Array.from({ length: kind === 'newsletter' ? 26 : 9 }, () => sentence(language, roll, 16));
  const quoted = roll() < QUOTING ? Array.from({ length: 4 }, () => sentence(language, roll, 10)) : [];
  const text = [...paragraphs, ...quoted.map((line) => `> ${line}`)].join('\n\n');
  const html = kind === 'newsletter' ? newsletter(paragraphs, roll) : letter(paragraphs, quoted);
  return [
    { type: 'text/plain', language, text: `${text}\n` },
    { type: 'text/html', language, text: html },
  ];
}

function letter(paragraphs: readonly string[], quoted: readonly string[]): string {
  const quote =
    quoted.length > 0 ? `<blockquote>${quoted.map((line) => `<p>${line}</p>\n`).join('')}</blockquote>\n` : '';
  const rest = paragraphs.map((text) => `<p>${text}</p>\n`).join('');
  return `<html><head><title>x</title></head><body><div dir="ltr">\n${rest}${quote}<p>--<br>Tel. <a href="tel:+420123456789">+420 123 456 789</a></p></div></body></html>\n`;
}

/** A layout of tables with a style on nearly every element, as mailing tools write it. */
function newsletter(paragraphs: readonly string[], roll: Dice): string {
  const palette = Array.from({ length: 5 }, () => hex(roll, 6));
  const colour = () => `#${pick(roll, palette)}`;
  const cell = (text: string, index: number) => `
<table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0" style="width:600px;border-collapse:collapse;background-color:${colour()};"><tr>
<td align="left" valign="top" style="padding:12px 24px 12px 24px;font-family:Arial,Helvetica,sans-serif;font-size:14px;line-height:20px;color:${colour()};">
<h2 style="margin:0 0 8px 0;font-size:18px;font-weight:bold;color:${colour()};">${text.slice(0, 24)}</h2>
<p style="margin:0;padding:0;">${text} <a href="https://shop.example.net/c/${index}?utm=${hex(roll, 6)}" style="color:${colour()};text-decoration:underline;" target="_blank">${text.slice(0, 12)}</a></p>
<img src="https://img.shop.example.net/${index}.png" width="180" height="90" alt="" style="display:block;border:0;max-width:100%;">
</td></tr></table>`;
  const style = '<style type="text/css">body{margin:0} .c{color:#333} @media only screen{.c{width:100%}}</style>';
  return `<!DOCTYPE html><html><head>${style}</head><body style="margin:0;padding:0;background:#f4f4f4;">${paragraphs.map(cell).join('')}\n</body></html>\n`;
}

function enclosed(parts: readonly { type: string; language: Language; text: string }[], attachment?: Buffer): Buffer {
  const alternative = `Content-Type: multipart/alternative; boundary="=_alt"\n\n${parts
    .map(({ type, language, text }) => `--=_alt\n${leaf(type, language, text)}`)
    .join('')}--=_alt--\n`;
  if (!attachment) return Buffer.from(alternative, 'latin1');
  const before = `Content-Type: multipart/mixed; boundary="=_mix"\n\n--=_mix\n${alternative}\n--=_mix\nContent-Type: application/pdf; name="scan.pdf"\nContent-Disposition: attachment; filename="scan.pdf"\nContent-Transfer-Encoding: base64\n\n`;
  return Buffer.concat([Buffer.from(before), attachment, Buffer.from('\n--=_mix--\n')]);
}

function leaf(type: string, { charset, encoding }: Language, text: string): string {
  const bytes = iconv.encode(text, charset);
  const encoded = encoding === 'base64' ? folded(bytes.toString('base64')) : quotedPrintable(bytes);
  return `Content-Type: ${type}; charset=${charset}\nContent-Transfer-Encoding: ${encoding}\n\n${encoded}\n`;
}

function folded(base64: string): string {
  return base64.replace(/.{76}/g, '$&\n');
}

function quotedPrintable(bytes: Buffer): string {
  const lines = bytes
    .toString('latin1')
    .replace(/[^\t\n -<>-~]/g, hexed)
    .replace(/[\t ]$/gm, hexed)
    .split('\n');
  // 71 characters, and where that would cut an =XX in two, the rest of it: below the 76 of RFC 2045 section 6.7.
  const pieces = (line: string) => line.match(/.{1,71}(?:(?<==)..|(?<==.).)?/g) ?? [''];
  return lines.map((line) => pieces(line).join('=\n')).join('\n');
}

function hexed(character: string): string {
  return `=${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** One run of noise for all attachments, each starting elsewhere in it: made once, and no two mails are equal. */
let noise: Buffer | undefined;

function attached(bytes: number, index: number): Buffer {
  noise ??= makeNoise();
  const start = (index * 57) % 4096;
  return Buffer.from(folded(noise.toString('base64', start, start + bytes)));
}

function makeNoise(): Buffer {
  const roll = dice(0xc0ffee);
  const bytes = Buffer.alloc(ATTACHMENT_BYTES.scan + 4096);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Math.floor(roll() * 256);
  return bytes;
}
