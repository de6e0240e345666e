import type { FaxDocument, FaxRules, RawMail, TextMessage, TextRules } from '../model/content.js';
import type { MessageContentInfo } from '../model/message.js';

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
  /** Reads a mail in a process of its own; called when that has ended, before this process handles the result. */
  isolated?: (() => void) | undefined;
  /** Ends the reading, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface Reader {
  /** Never rejects for anything in the mail: what cannot be read arrives reduced, original attached, reason in the notes. */
  readMail(mail: RawMail, context: ReadContext): Promise<ReadMessage>;
  /** The same for a text message. Never rejects for anything in it. */
  readText(text: TextMessage, rules: TextRules, context: ReadContext): Promise<ReadText>;
  /** What can be told of a fax without looking into its file: for a counterparty that waits. The same id and sender as `readFax`. */
  summarizeFax(fax: FaxDocument, rules: Pick<FaxRules, 'region'>, context: ReadContext): ReadMessage;
  /** The same for a fax: pages as images in BodyHtml, a searchable PDF and the file itself as attachments. */
  readFax(fax: FaxDocument, rules: Pick<FaxRules, 'region'>, context: ReadContext): Promise<ReadMessage>;
  close(): Promise<void>;
}
