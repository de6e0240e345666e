// Owns what the tests of the inbound side share: building mails byte by byte and reading them.
import { readMailNow } from '../../src/content/mail/read-mail.js';
import type { MailInput, ReadContext, ReadMessage } from '../../src/content/reader.js';
import { LIMITS } from '../../src/simprot/messages.js';

export const GATEWAY = '0b6f0a36-6b1e-4b59-9d2f-0d7c4e0b7a11';
export const RECEIVED = Date.UTC(2026, 10, 22, 10, 15, 30, 123);

export const context: ReadContext = {
  gatewayId: GATEWAY,
  link: ({ id, name }) => `https://gate.example/a/${id}/${encodeURIComponent(name)}`,
};

/** A character above 127 in `lines` is that octet. */
export function octets(...lines: string[]): Buffer {
  return Buffer.from(lines.join('\r\n'), 'latin1');
}

export function mailOf(raw: Uint8Array, more: Partial<MailInput> = {}): MailInput {
  return { kind: 'mail', raw, receivedAt: RECEIVED, ...more };
}

export function read(raw: Uint8Array, more: Partial<MailInput> = {}): Promise<ReadMessage> {
  return readMailNow(mailOf(raw, more), context);
}

/** Reads a mail of a plain header, these header lines and this body. */
export function readLines(headers: string[], body: string[] = ['hello']): Promise<ReadMessage> {
  return read(octets(...headers, '', ...body));
}

export const PLAIN = [
  'From: Ann <ann@shop.example>',
  'To: desk@gate.example',
  'Subject: s',
  'Message-ID: <1@shop.example>',
];

/** A mail of these parts, each an array of lines (header, blank line, body). */
export function multipart(type: string, boundary: string, parts: string[][], headers: string[] = PLAIN): Buffer {
  const lines = parts.flatMap((part) => [`--${boundary}`, ...part]);
  return octets(
    ...headers,
    'MIME-Version: 1.0',
    `Content-Type: ${type}; boundary="${boundary}"`,
    '',
    ...lines,
    `--${boundary}--`,
    '',
  );
}

export const part = (type: string, ...body: string[]): string[] => [`Content-Type: ${type}`, '', ...body];

export function base64Part(type: string, bytes: Uint8Array, ...headers: string[]): string[] {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,76}/g) ?? [];
  return [`Content-Type: ${type}`, 'Content-Transfer-Encoding: base64', ...headers, '', ...lines];
}

/** The smallest thing that is a PNG by its first bytes. */
export const PNG = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(40, 1)]);

export const names = (message: ReadMessage): string[] => message.attachments.map((attachment) => attachment.name);

export const contentOf = (message: ReadMessage, name: string): string | undefined => {
  const found = message.attachments.find((attachment) => attachment.name === name);
  return found && Buffer.from(found.bytes).toString('latin1');
};

/** The text before the list of attachments and notes. */
export const ownText = (message: ReadMessage): string =>
  message.message.BodyText.split(/\n*\[(?:Attachments|Notes)\]\n/)[0] ?? '';

/** Everything that every message promises, whatever the mail was. Returns what is broken. */
export function brokenPromises(read: ReadMessage): string[] {
  const { message } = read;
  const broken: string[] = [];
  for (const [name, limit] of Object.entries(LIMITS)) {
    const value = Object.entries(message).find(([key]) => key === name)?.[1];
    if (typeof value !== 'string') continue;
    if (value.length > limit) broken.push(`${name} has ${value.length} characters`);
    if (/\p{Cc}/u.test(value)) broken.push(`${name} holds a control character`);
  }
  for (const value of [...Object.values(message), read.rfcMessageId, read.references, ...read.notes]) {
    if (typeof value !== 'string') continue;
    if (value.includes('\0')) broken.push('a NUL');
    if (/[\ud800-\udfff]/u.test(value)) broken.push('a lone surrogate');
  }
  if (message.DeliverySystemId === '') broken.push('no DeliverySystemId');
  if (message.RemoteAddress === '') broken.push('no RemoteAddress');
  if (message.BodyHtml === '' || message.BodyText === '') broken.push('an empty body');
  if (/<script|javascript:|\son\w+=/i.test(message.BodyHtml.replace(/&[^;]*;/g, ''))) broken.push('live HTML');
  for (const attachment of read.attachments) {
    if (attachment.name.length > 120 || /[\p{Cc}/\\]/u.test(attachment.name) || attachment.name === '') {
      broken.push(`attachment name ${JSON.stringify(attachment.name)}`);
    }
    if (!message.BodyHtml.includes(attachment.id)) broken.push('an attachment is not listed in the HTML');
    if (!message.BodyText.includes(attachment.id)) broken.push('an attachment is not listed in the text');
  }
  for (const note of read.notes) if (!message.BodyText.includes(note)) broken.push('a note is not in the text');
  return broken;
}
