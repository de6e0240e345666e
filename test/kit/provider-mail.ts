// Owns the mails that a fax service would send, for tests: headers, text and attachments as given.
import { createHash } from 'node:crypto';

export interface ProviderMail {
  readonly from?: string;
  readonly subject: string;
  readonly text?: string;
  readonly html?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly files?: readonly { readonly name: string; readonly type: string; readonly bytes: Uint8Array }[];
}

/** CRLF lines; whatever is in the fields stands there as it is, so that they can be broken on purpose. */
export function providerMail(mail: ProviderMail): Buffer {
  const boundary = 'provider-boundary';
  const id = createHash('sha256').update(JSON.stringify(mail.subject)).digest('hex').slice(0, 16);
  const head = [
    `From: ${mail.from ?? 'Fax Service <fax@provider.example>'}`,
    'To: desk@example.test',
    `Subject: ${mail.subject}`,
    'Date: Sun, 22 Nov 2026 10:00:00 +0000',
    `Message-ID: <${id}@provider.example>`,
    ...Object.entries(mail.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    '',
  ];
  const parts = [
    ...(mail.text === undefined ? [] : [part('text/plain; charset=utf-8', mail.text)]),
    ...(mail.html === undefined ? [] : [part('text/html; charset=utf-8', mail.html)]),
    ...(mail.files ?? []).map(({ name, type, bytes }) => file(name, type, bytes)),
  ];
  return Buffer.from([...head, ...parts.flatMap((one) => [`--${boundary}`, one]), `--${boundary}--`, ''].join('\r\n'));
}

function part(type: string, text: string): string {
  return [`Content-Type: ${type}`, 'Content-Transfer-Encoding: 8bit', '', text.replace(/\r?\n/g, '\r\n')].join('\r\n');
}

function file(name: string, type: string, bytes: Uint8Array): string {
  const body = Buffer.from(bytes).toString('base64').replace(/.{76}/g, '$&\r\n');
  const named = name === '' ? '' : `; filename="${name}"`;
  return [
    `Content-Type: ${type}`,
    'Content-Transfer-Encoding: base64',
    `Content-Disposition: attachment${named}`,
    '',
    body,
  ].join('\r\n');
}
