// What was submitted to the SMSC of our tests, as texts.
import type { PDU } from 'smpp';

export interface Submitted {
  readonly to: string;
  readonly from: string;
  readonly text: string;
  readonly fields: PDU;
  /** Bytes of the elements of the user data header, if there is one. */
  readonly udh: readonly Buffer[];
  readonly id: string;
}

export function submittedOf(pdu: PDU, id: string): Submitted {
  const { message = '', udh = [] } = contentOf(pdu);
  return { to: String(pdu.destination_addr), from: String(pdu.source_addr), text: message, fields: pdu, udh, id };
}

/** Parts joined by recipient, reference and total, each message in the place of its first part. */
export function joinedTexts(submits: readonly Submitted[]): { to: string; text: string }[] {
  const messages = new Map<string, { to: string; parts: string[] }>();
  for (const [at, { to, text, udh, fields }] of submits.entries()) {
    const header = udh.find((element) => element[0] === 0);
    const number = header?.[4] ?? Number(fields.sar_segment_seqnum ?? 1);
    const reference = header ? `u${header[2]}/${header[3]}` : fields.sar_msg_ref_num;
    const key = reference === undefined ? `single ${at}` : `${to} ${String(reference)}`;
    const message = messages.get(key) ?? { to, parts: [] };
    message.parts[number - 1] = text;
    messages.set(key, message);
  }
  return [...messages.values()].map(({ to, parts }) => ({ to, text: parts.join('') }));
}

function contentOf(pdu: PDU): { message?: string; udh?: readonly Buffer[] } {
  const field = [pdu.short_message, pdu.message_payload].find(hasMessage);
  return hasMessage(field) ? field : {};
}

function hasMessage(value: unknown): value is { message: string; udh?: Buffer[] } {
  return typeof value === 'object' && value !== null && 'message' in value && Boolean(value.message?.toString());
}
