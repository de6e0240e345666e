// The Received line that every mail gets on the way in (RFC 5321 4.4).

export interface Passage {
  /** The name that the client gave with HELO or EHLO. */
  readonly helo: string;
  readonly clientAddress: string;
  /** SMTP, ESMTP, ESMTPS, ESMTPSA. */
  readonly protocol: string;
  readonly by: string;
  readonly id: string;
  readonly recipients: readonly string[];
  /** Ms since the epoch. */
  readonly at: number;
}

export function receivedLine(passage: Passage): Buffer {
  const { helo, clientAddress, protocol, by, id, recipients, at } = passage;
  const address = clientAddress.includes(':') ? `IPv6:${clientAddress}` : clientAddress;
  // Only for a single recipient: a blind copy must not show the others (RFC 5321 7.2).
  const only = recipients.length === 1 ? `\r\n\tfor <${clean(recipients[0] ?? '')}>` : '';
  const date = new Date(at).toUTCString().replace('GMT', '+0000');
  const from = `Received: from ${clean(helo) || 'unknown'} ([${address}])`;
  return Buffer.from(`${from}\r\n\tby ${by} with ${protocol} id ${id}${only};\r\n\t${date}\r\n`);
}

/** The client chooses this text: nothing in it may end the header line or a comment. */
function clean(text: string): string {
  return text.replace(/[^\x21-\x7e\u00a0-\uffff]|[()<>;]/g, '').slice(0, 255);
}
