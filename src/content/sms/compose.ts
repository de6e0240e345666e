import { type Segmentation, segmentsOf } from '../../kit/gsm.js';
import type { ComposedText, TextRules } from '../../model/content.js';
import { LIMITS, type MessageContentInfo } from '../../model/message.js';
import { htmlToText } from '../html/text.js';
import { cleanLine, cleanText, cutText } from '../limits.js';
import { readRecipient, senderOf } from './numbers.js';
import { transliterate } from './transliterate.js';

export type TextResult = { ok: true; message: ComposedText } | { ok: false; problem: string };

/** Parts of one message. Phones and carriers begin to lose parts long before; what needs more is a letter, not a text. */
const MOST_SEGMENTS = 20;
/** A text with more code units cannot fit, whatever is in it, so its parts are not counted. */
const LONGEST_TEXT = MOST_SEGMENTS * 153;
/** Transliteration may shorten a text (it drops invisible characters), but one this long is not worth its time. */
const LONGEST_WRITTEN = 4 * LONGEST_TEXT;

export function composeText(sendRequest: MessageContentInfo, rules: TextRules): TextResult {
  const recipient = readRecipient(sendRequest.RemoteAddress ?? '', rules.region);
  if (!recipient.ok) return recipient;
  const written = writtenText(sendRequest);
  if (written === '') return { ok: false, problem: 'the send request has no text' };
  const text = rules.transliterate && written.length <= LONGEST_WRITTEN ? transliterate(written) : written;
  if (text.length > LONGEST_TEXT) return { ok: false, problem: tooLong(`${text.length} characters`) };
  const size = segmentsOf(text);
  const { encoding, segments } = size;
  if (segments > MOST_SEGMENTS) return { ok: false, problem: tooLong(`${segments} parts${becauseOf(size)}`) };
  const from = rules.sender ?? senderOf(sendRequest.FromField ?? '', rules.region);
  const message: ComposedText = {
    kind: 'text',
    to: recipient.to,
    from,
    text,
    encoding,
    segments,
    reference: reference(sendRequest),
  };
  return { ok: true, message };
}

function writtenText({ BodyText, BodyHtml }: MessageContentInfo): string {
  const text = cleanText(BodyText ?? '').trim();
  return text === '' ? cleanText(htmlToText(BodyHtml ?? '')).trim() : text;
}

function tooLong(size: string): string {
  return `the text is too long: ${size}, at most ${MOST_SEGMENTS} parts (of 153 characters, or of 67 with characters outside GSM-7) are sent; shorten it`;
}

function becauseOf({ encoding, forcedBy }: Segmentation): string {
  if (encoding === 'GSM-7') return '';
  const shown = forcedBy.slice(0, 5).map((character) => `"${cutText(cleanLine(character), 20)}"`);
  return `, of 67 characters because of ${shown.join(' ')}${forcedBy.length > shown.length ? ' …' : ''}`;
}

/** The server's proposal, when it has the length of an id; else the send request's own. */
function reference({ DeliverySystemId, MessageId }: MessageContentInfo): string {
  const proposed = cleanLine(DeliverySystemId ?? '');
  return proposed !== '' && proposed.length <= LIMITS.DeliverySystemId ? proposed : (MessageId ?? '');
}
