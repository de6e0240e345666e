// What the channels carry: mails, texts and faxes, as they come in and as they go out, and what the content rules
// need to know of a gateway's settings.

/** The content of an inbound message. */
export type Content = RawMail | TextMessage | FaxDocument;

/** An e-mail as bytes. */
export interface RawMail {
  readonly kind: 'mail';
  readonly raw: Uint8Array;
  /** When the mailbox or listener took it, ms since the epoch. */
  readonly receivedAt: number;
  /** The SMTP envelope, when there was one. */
  readonly envelope?: { readonly from: string; readonly recipients: readonly string[] };
  /** Set when `raw` is only the beginning: whole size in bytes, and one sentence why and where the whole is. */
  readonly cut?: { readonly size: number; readonly reason: string };
}

/** A text message as the carrier gave it, complete (parts joined). */
export interface TextMessage {
  readonly kind: 'text';
  /** Sender and recipient as given: number, short code or alphanumeric sender. */
  readonly from: string;
  readonly to: string;
  readonly text: string;
  /** The counterparty's id; null when it gives none. */
  readonly providerId: string | null;
  /** When Gatepost received the message, and when it was sent (null when unknown), ms since the epoch. */
  readonly receivedAt: number;
  readonly sentAt: number | null;
  /** MMS media. */
  readonly media: readonly { readonly name: string; readonly type: string; readonly bytes: Uint8Array }[];
  /** One sentence each for what is missing or odd. */
  readonly notes: readonly string[];
  /** The carrier's own reading of a keyword, when the carrier reports it. */
  readonly consent?: 'stop' | 'start' | 'help';
}

/** A received fax as the counterparty gave it. */
export interface FaxDocument {
  readonly kind: 'fax';
  /** The file, TIFF or PDF: its own first bytes say which. */
  readonly raw: Uint8Array;
  /** Number of the caller and number that was called, as given; null when not known. */
  readonly from: string | null;
  readonly to: string | null;
  /** The other machine's name for itself (TSI, T.30), free text; null when the machine gives none. */
  readonly station: string | null;
  /** The caller's name from the network; null when there is none. */
  readonly callerName: string | null;
  /** The counterparty's id of the call or file; null when it gives none. */
  readonly providerId: string | null;
  /** When its reception ended, ms since the epoch. */
  readonly receivedAt: number;
  /** Pages that came, by the counterparty's count; null when it does not count. */
  readonly pages: number | null;
  /** Pages that were announced; null when nobody said. */
  readonly expectedPages: number | null;
  /** Why reception ended before the document did, in the counterparty's words; null when it is complete. */
  readonly problem: string | null;
  /** The quality of the call, for agents: `Speed` `14400 bit/s`, `Duration` `0:42`. */
  readonly facts: readonly { readonly name: string; readonly value: string }[];
  /** One sentence each for what is missing or odd. */
  readonly notes: readonly string[];
}

/** What the content rules need to know of a fax gateway's settings. */
export interface FaxRules {
  /** ISO 3166-1 region in which numbers without a country code are read; undefined: such numbers are dialled as written. */
  readonly region: string | undefined;
  readonly pageSize: 'A4' | 'Letter' | 'Legal';
  /** 204x98, 204x196 and 204x391 dots per inch (T.4). */
  readonly resolution: 'Standard' | 'Fine' | 'Superfine';
  /** What `send` needs. `tiff`: a page image file beside the PDF, where this machine can make one. */
  readonly documents: 'pdf' | 'tiff';
  /** Printed on top of every page with time, sender and page numbers; undefined: no such line. */
  readonly header: string | undefined;
  /** The own fax number, for the header line and the cover page; undefined: not shown. */
  readonly station: string | undefined;
  /** True: a first page says from whom, to whom and how many pages. */
  readonly coverPage: boolean;
}

/** What the content rules need to know of a gateway's settings. */
export interface TextRules {
  /** ISO 3166-1 region in which numbers without a country code are read, `CZ`; undefined: such numbers are refused. */
  readonly region: string | undefined;
  /** Sender to use; undefined: the one in the send request. */
  readonly sender: string | undefined;
  /** Replace characters that alone force UCS-2 by near ones of GSM 03.38. */
  readonly transliterate: boolean;
  /** Gateways with the same group share one opt-out registry; undefined: the gateway has its own. */
  readonly optOutGroup: string | undefined;
  /** Keywords that opt out, opt in and ask for help; undefined: the usual ones of several languages. */
  readonly keywords?: {
    readonly stop: readonly string[];
    readonly start: readonly string[];
    readonly help: readonly string[];
  };
}

/** A composed e-mail, ready to be transmitted. */
export interface ComposedMail {
  readonly kind: 'mail';
  /** The bytes of the mail, CRLF line ends, no Bcc header. */
  readonly raw: Uint8Array;
  /** Message-ID with brackets, the same on every attempt. */
  readonly messageId: string;
  /** Envelope sender address. */
  readonly from: string;
  /** Envelope recipients still to be served. */
  readonly recipients: readonly string[];
}

/** A composed text message. */
export interface ComposedText {
  readonly kind: 'text';
  /** E.164 (`+420...`), or a short code as it is. */
  readonly to: string;
  /** Sender; undefined: the counterparty's default. */
  readonly from: string | undefined;
  readonly text: string;
  readonly encoding: 'GSM-7' | 'UCS-2';
  /** Parts it takes on the air. */
  readonly segments: number;
  /** The same on every attempt: what a lookup can recognize it by, where the counterparty keeps references. */
  readonly reference: string;
}

/** A composed fax. */
export interface ComposedFax {
  readonly kind: 'fax';
  /** E.164 (`+420...`) where the region makes that possible, else as written, digits and `*`, `#`, `,`, `-` only. */
  readonly to: string;
  /** Sender as the send request names it; undefined: the gateway's own. */
  readonly from: string | undefined;
  readonly subject: string;
  readonly pdf: Uint8Array;
  /** TIFF class F, G4 (T.6), 1728 dots wide; null when the gateway does not ask for it or this machine cannot make it. */
  readonly tiff: Uint8Array | null;
  readonly pages: number;
  /** The same on every attempt: what a lookup can recognize it by. At most 80 characters. */
  readonly reference: string;
}

export type ComposedMessage = ComposedMail | ComposedText | ComposedFax;

/** The late result of a send request that was answered before its end, as a message to the contact center. */
export interface Notice {
  readonly kind: 'notice';
  /** MessageId of the send request. */
  readonly messageId: string;
  /** The DeliverySystemId under which the message went out: the notice answers it. */
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
