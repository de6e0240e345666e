// Owns an order for a text message: from MessageContentInfo to what a carrier is handed.
import type { MessageContentInfo } from '../../simprot/messages.js';
import type { TextRulesInput } from '../reader.js';

/** The same shape as the driver contract's OutboundText. */
export interface ComposedText {
  kind: 'text';
  to: string;
  from: string | undefined;
  text: string;
  encoding: 'GSM-7' | 'UCS-2';
  segments: number;
  reference: string;
}

export type TextResult = { ok: true; message: ComposedText } | { ok: false; problem: string };

export function composeText(order: MessageContentInfo, rules: TextRulesInput): TextResult {
  const text = order.BodyText ?? '';
  if (text === '') return { ok: false, problem: 'the order has no text' };
  const message: ComposedText = {
    kind: 'text',
    to: order.RemoteAddress ?? '',
    from: rules.sender,
    text,
    encoding: 'UCS-2',
    segments: 1,
    reference: order.DeliverySystemId ?? order.MessageId ?? '',
  };
  return { ok: true, message };
}
