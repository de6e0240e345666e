// Owns the words in which the suite speaks of messages, so that its cases hold for every channel: what is put on offer,
// what is sent, and whether what came out is the same.
import type {
  ComposedMail,
  ComposedMessage,
  ComposedText,
  Content,
  RawMail,
  TextMessage,
} from '../../src/driver/contract.js';
import { mailBytes, outboundMail, outboundText } from './context.js';

/** `Offered`: what a counterparty is given to hand over; `Taken`: what one shows of the messages it has taken. */
export interface Words<In extends Content, Out extends ComposedMessage, Offered, Taken> {
  offered(name: string): Offered;
  /** True when an inbound message carries the whole of what was offered. */
  carries(content: In, offered: Offered): boolean;
  /** Bytes that an inbound message of it holds at least. */
  size(offered: Offered): number;
  outgoing(name: string): Out;
  /** The id under which it has to be known outside; undefined when the counterparty chooses. */
  idOf(message: Out): string | undefined;
  /** True when it was taken as it was sent. */
  same(taken: Taken, message: Out): boolean;
  /** Different for different messages. */
  identity(taken: Taken): string;
}

export interface OfferedText {
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

export interface TakenMail {
  readonly raw: Buffer;
}

/** A whole message, its parts joined. */
export interface TakenText {
  readonly to: string;
  readonly text: string;
}

export const mailWords: Words<RawMail, ComposedMail, Buffer, TakenMail> = {
  offered: (name) => mailBytes(name),
  carries: (content, raw) => Buffer.from(content.raw).includes(raw),
  size: (raw) => raw.length,
  outgoing: (name) => outboundMail(name),
  idOf: ({ messageId }) => messageId.replace(/^<|>$/g, ''),
  same: ({ raw }, mail) => raw.equals(Buffer.from(mail.raw)),
  identity: ({ raw }) => raw.toString(),
};

export const textWords: Words<TextMessage, ComposedText, OfferedText, TakenText> = {
  offered: (name) => ({ from: '+420777123456', to: '12345', text: `Text ${name}: 50 € [ok]` }),
  carries: ({ from, to, text }, offered) =>
    text === offered.text && digits(from) === digits(offered.from) && digits(to) === digits(offered.to),
  size: ({ text }) => text.length,
  outgoing: (name) => outboundText(`Out ${name}: 50 € [ok]`),
  idOf: () => undefined,
  same: ({ to, text }, message) => text === message.text && digits(to) === digits(message.to),
  identity: ({ to, text }) => `${to} ${text}`,
};

function digits(address: string): string {
  return address.replace(/^\+/, '');
}
