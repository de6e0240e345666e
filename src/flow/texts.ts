// Owns what text messages need beyond mail: the rules of their gateway, opt-outs, and their form as stored bytes.
import type { ReadText } from '../content/reader.js';
import type { Content, TextMessage, TextRules } from '../driver/contract.js';
import type { OptOuts } from '../journal/journal.js';
import type { Log } from '../kit/log.js';
import type { Definition } from './definition.js';

const NO_RULES: TextRules = { region: undefined, sender: undefined, transliterate: false, optOutGroup: undefined };

export function rulesOf({ driver, settings }: Definition): TextRules {
  return driver.textRules?.(settings) ?? NO_RULES;
}

/** What the sender said about wanting messages is in the registry before the message is handed over. */
export async function applyConsent(
  { journal, log }: { journal: Pick<OptOuts, 'optOut' | 'optIn'>; log: Log },
  group: string,
  read: ReadText,
  at: number,
): Promise<void> {
  const address = read.message.RemoteAddress;
  if (read.consent === 'stop') {
    const changed = await journal.optOut({
      group,
      address,
      at,
      source: 'keyword',
      detail: read.message.BodyText.slice(0, 80),
    });
    if (changed) log.info({ address, group }, 'a recipient has opted out');
  }
  if (read.consent === 'start' && (await journal.optIn(group, address)))
    log.info({ address, group }, 'a recipient has opted in again');
}

type StoredText = Omit<TextMessage, 'media'> & { media: { name: string; type: string; bytes: string }[] };

/** The bytes under which a content is kept: a mail as it is, a text message as JSON. */
export function rawOf(content: Content | null): Uint8Array {
  if (!content) return new Uint8Array();
  if (content.kind === 'mail') return content.raw;
  const media = content.media.map(({ bytes, ...medium }) => ({
    ...medium,
    bytes: Buffer.from(bytes).toString('base64'),
  }));
  return Buffer.from(JSON.stringify({ ...content, media }));
}

/** The other way round. The bytes are our own, so their shape is known. */
export function contentOf({ driver }: Definition, raw: Uint8Array, now: number): Content {
  if (driver.channel === 'Email') return { kind: 'mail', raw, receivedAt: now };
  const stored: StoredText = JSON.parse(Buffer.from(raw).toString('utf8'));
  return {
    ...stored,
    media: stored.media.map((medium) => ({ ...medium, bytes: Buffer.from(medium.bytes, 'base64') })),
  };
}
