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

/** A text message as it came; the same shape as the driver contract's TextMessage. */
export interface TextInput {
  readonly kind: 'text';
  readonly from: string;
  readonly to: string;
  readonly text: string;
  readonly providerId: string | null;
  readonly receivedAt: number;
  readonly sentAt: number | null;
  readonly media: readonly { readonly name: string; readonly type: string; readonly bytes: Uint8Array }[];
  readonly notes: readonly string[];
  readonly consent?: 'stop' | 'start' | 'help';
}

/** The same shape as the driver contract's TextRules. */
export interface TextRulesInput {
  readonly region: string | undefined;
  readonly sender: string | undefined;
  readonly transliterate: boolean;
  readonly keywords?: {
    readonly stop: readonly string[];
    readonly start: readonly string[];
    readonly help: readonly string[];
  };
}

/** A received fax; the same shape as the driver contract's FaxDocument. */
export interface FaxInput {
  readonly kind: 'fax';
  readonly raw: Uint8Array;
  readonly from: string | null;
  readonly to: string | null;
  readonly station: string | null;
  readonly callerName: string | null;
  readonly providerId: string | null;
  readonly receivedAt: number;
  readonly pages: number | null;
  readonly expectedPages: number | null;
  readonly problem: string | null;
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  readonly notes: readonly string[];
}

/** What became of a send request after it was answered, told to the contact center as a message of its own. */
export interface Notice {
  readonly kind: 'notice';
  /** MessageId of the send request. */
  readonly messageId: string;
  /** Under what id it is known outside: what the notice answers. */
  readonly deliverySystemId: string;
  readonly remoteAddress: string;
  /** Subject of the send request. */
  readonly subject: string;
  /** `Fax` */
  readonly channel: string;
  readonly delivered: boolean;
  /** The counterparty's own words; null when it gave none. */
  readonly detail: string | null;
  readonly at: number;
}

/** The same shape as the driver contract's FaxRules. */
export interface FaxRulesInput {
  readonly region: string | undefined;
  readonly pageSize: 'A4' | 'Letter' | 'Legal';
  readonly resolution: 'Standard' | 'Fine' | 'Superfine';
  readonly documents: 'pdf' | 'tiff';
  readonly header: string | undefined;
  readonly station: string | undefined;
  readonly coverPage: boolean;
}

export interface ReadText extends ReadMessage {
  /** What the message says about wanting messages at all; null when it says nothing of the kind. */
  consent: 'stop' | 'start' | 'help' | null;
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
  /** The same for a text message. Never rejects for anything in it. */
  readText(text: TextInput, rules: TextRulesInput, context: ReadContext): Promise<ReadText>;
  /** What can be told of a fax without looking into its file: for a counterparty that waits. The same id and sender as `readFax`. */
  glanceFax(fax: FaxInput, rules: Pick<FaxRulesInput, 'region'>, context: ReadContext): ReadMessage;
  /** The same for a fax: pages as images in BodyHtml, a searchable PDF and the file itself as attachments. */
  readFax(fax: FaxInput, rules: Pick<FaxRulesInput, 'region'>, context: ReadContext): Promise<ReadMessage>;
  close(): Promise<void>;
}
