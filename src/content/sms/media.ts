import { createHash } from 'node:crypto';
import type { TextMessage } from '../../model/content.js';
import type { Rendered } from '../footer.js';
import { escapeHtml } from '../html/escape.js';
import { humanSize } from '../limits.js';
import { extensionOf, imageType, safeName, safeType } from '../mail/parse/names.js';
import type { ReadAttachment } from '../reader.js';
import { attachmentId } from '../threading.js';

/** Bytes of pictures put into the HTML, the same as for mail; more are attached. */
const IMAGE_BYTES = 1_000_000;
/** What every browser shows. */
const SHOWN = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

export type Medium = TextMessage['media'][number];

export interface MediaRead {
  /** The pictures, each with a line that names it in the text. */
  readonly shown: readonly Rendered[];
  readonly attachments: ReadAttachment[];
}

/** `seed`: the same each time the same message is read. */
export function readMedia(media: readonly Medium[], seed: string): MediaRead {
  const shown: Rendered[] = [];
  const attachments: ReadAttachment[] = [];
  let room = IMAGE_BYTES;
  for (const [place, { name: given, type: declared, bytes }] of media.entries()) {
    // The first bytes decide, not the declared type.
    const image = imageType(bytes);
    const type = image ?? safeType(declared.split(';')[0]?.trim().toLowerCase() ?? '');
    const name = safeName(given, `file${place + 1}.${extensionOf(type)}`);
    if (image && SHOWN.has(image) && bytes.byteLength <= room) {
      room -= bytes.byteLength;
      shown.push(picture(name, type, bytes));
    } else {
      // The bytes count as well: a file that could not be fetched before must not get what was stored in its place.
      const id = attachmentId(seed, `${place}\n${fingerprintOf(bytes)}`);
      attachments.push({ id, name, type, bytes });
    }
  }
  return { shown, attachments };
}

export function fingerprintOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url');
}

function picture(name: string, type: string, bytes: Uint8Array): Rendered {
  const base64 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
  return {
    html: `<p><img src="data:${type};base64,${base64}" alt="${escapeHtml(name)}"></p>`,
    text: `[Picture: ${name}, ${humanSize(bytes.byteLength)}]`,
  };
}
