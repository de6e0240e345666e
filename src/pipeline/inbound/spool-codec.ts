import { noticeFromStored, type StoredNotice, storedNotice } from '../../content/notice.js';
import type { Content, FaxDocument, TextMessage } from '../../driver/contract.js';
import type { Notice } from '../../model/content.js';
import type { GatewayConfig } from '../gateways/config.js';

type StoredText = Omit<TextMessage, 'media'> & { media: { name: string; type: string; bytes: string }[] };
type StoredFax = Omit<FaxDocument, 'raw'> & { raw: string };

/** Keys of notices begin like this; keys of drivers never do. */
const NOTICE = 'gatepost:report:';

/** One outbound message is reported once, however often its receipt comes. */
export function noticeKey({ messageId }: Pick<Notice, 'messageId'>): string {
  return `${NOTICE}${messageId}`;
}

/** The bytes in which a content is stored. */
export function rawOf(content: Content | Notice | null): Uint8Array {
  if (!content) return new Uint8Array();
  if (content.kind === 'mail') return content.raw;
  return Buffer.from(JSON.stringify(plainOf(content)));
}

function plainOf(content: TextMessage | FaxDocument | Notice): StoredText | StoredFax | StoredNotice {
  if (content.kind === 'notice') return storedNotice(content);
  if (content.kind === 'fax') {
    const { kind, ...rest } = content;
    // `kind` comes first, so that the first bytes show what the file is.
    return { kind, ...rest, raw: base64(content.raw) };
  }
  return { ...content, media: content.media.map(({ bytes, ...medium }) => ({ ...medium, bytes: base64(bytes) })) };
}

/** The other way round. The bytes are our own, so their shape is known. */
export function contentOf(
  { driver }: Pick<GatewayConfig, 'driver'>,
  { key, raw }: { key: string; raw: Uint8Array },
  now: number,
): Content | Notice {
  if (driver.channel === 'Email' && !key.startsWith(NOTICE)) return { kind: 'mail', raw, receivedAt: now };
  const stored: StoredText | StoredFax | StoredNotice = JSON.parse(Buffer.from(raw).toString('utf8'));
  if (stored.kind === 'notice') return noticeFromStored(stored);
  if (stored.kind === 'fax') return { ...stored, raw: Buffer.from(stored.raw, 'base64') };
  return {
    ...stored,
    media: stored.media.map((medium) => ({ ...medium, bytes: Buffer.from(medium.bytes, 'base64') })),
  };
}

/** What an operator can open: of a fax its file, of everything else the stored bytes. */
export function documentOf(raw: Uint8Array): Uint8Array {
  if (!Buffer.from(raw.buffer, raw.byteOffset, Math.min(raw.byteLength, 13)).equals(Buffer.from('{"kind":"fax"')))
    return raw;
  try {
    const stored: StoredFax = JSON.parse(Buffer.from(raw).toString('utf8'));
    return Buffer.from(stored.raw, 'base64');
  } catch {
    return raw;
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
