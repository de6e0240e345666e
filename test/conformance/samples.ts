// Sample messages of each channel, so that one suite holds for all of them: what is offered, what is sent, and whether what
// came out is the same.
import type {
  ComposedMail,
  ComposedMessage,
  ComposedText,
  Content,
  RawMail,
  TextMessage,
} from '../../src/driver/contract.js';
import { mailBytes, outboundMail, outboundText } from './context.js';

/** `Offered`: what a counterparty is given to offer; `Delivered`: what a counterparty shows of the messages it got. */
export interface Samples<In extends Content, Out extends ComposedMessage, Offered, Delivered> {
  offered(name: string): Offered;
  /** True when an inbound message carries the whole of what was offered. */
  carries(content: In, offered: Offered): boolean;
  /** Bytes that an inbound message of it holds at least. */
  size(offered: Offered): number;
  outgoing(name: string): Out;
  /** The DeliverySystemId that the outcome must have; undefined when the counterparty chooses it. */
  idOf(message: Out): string | undefined;
  /** True when it was delivered as it was sent. */
  same(delivered: Delivered, message: Out): boolean;
  /** Different for different messages. */
  identity(delivered: Delivered): string;
}

export interface OfferedText {
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

export interface DeliveredMail {
  readonly raw: Buffer;
}

/** A whole message, its parts joined. */
export interface DeliveredText {
  readonly to: string;
  readonly text: string;
}

export const mailSamples: Samples<RawMail, ComposedMail, Buffer, DeliveredMail> = {
  offered: (name) => mailBytes(name),
  carries: (content, raw) => Buffer.from(content.raw).includes(raw),
  size: (raw) => raw.length,
  outgoing: (name) => outboundMail(name),
  idOf: ({ messageId }) => messageId.replace(/^<|>$/g, ''),
  same: ({ raw }, mail) => raw.equals(Buffer.from(mail.raw)),
  identity: ({ raw }) => raw.toString(),
};

export const textSamples: Samples<TextMessage, ComposedText, OfferedText, DeliveredText> = {
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
