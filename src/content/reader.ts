// Owns the shape of what reading a customer's message gives. The flow asks for nothing else of content/.
import type { MessageContentInfo } from '../simprot/messages.js';

/** A mail as it came; the same shape as the driver contract's RawMail. */
export interface MailInput {
  readonly kind: 'mail';
  readonly raw: Uint8Array;
  readonly receivedAt: number;
  readonly envelope?: { readonly from: string; readonly recipients: readonly string[] };
  readonly cut?: { readonly size: number; readonly reason: string };
}

export interface ReadAttachment {
  /** The same each time the same mail is read; already written into the links of both bodies. */
  id: string;
  name: string;
  type: string;
  bytes: Uint8Array;
}

export interface ReadMessage {
  /** Everything but GatewayId, RequestId and the times the flow sets. */
  message: Omit<MessageContentInfo, 'GatewayId' | 'RequestId'> & {
    DeliverySystemId: string;
    RemoteAddress: string;
    BodyHtml: string;
    BodyText: string;
  };
  attachments: ReadAttachment[];
  /** The whole Message-ID without brackets; null when there was none. */
  rfcMessageId: string | null;
  /** What an answer's References must hold: the mail's own References, then its Message-ID, with brackets; null without Message-ID. */
  references: string | null;
  /** One sentence for everything reduced, dropped, mended or suspicious. Also at the end of both bodies. */
  notes: string[];
}

/** Makes the signed, expiring link of an attachment. */
export type LinkMaker = (attachment: { id: string; name: string }) => string;

export interface ReadContext {
  gatewayId: string;
  link: LinkMaker;
}

export interface Reader {
  /** Never rejects for anything in the mail: what cannot be read arrives reduced, original attached, reason in the notes. */
  readMail(mail: MailInput, context: ReadContext): Promise<ReadMessage>;
  close(): Promise<void>;
}
