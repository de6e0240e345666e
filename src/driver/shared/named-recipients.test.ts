import { describe, expect, it } from 'vitest';
import { hiddenRecipients } from './named-recipients.js';

const mail = (header: string[], recipients: string[]) => ({
  raw: Buffer.from([...header, '', 'To: body@example.com'].join('\r\n')),
  recipients,
});

describe('a recipient is named only by a whole address in To, Cc or Bcc', () => {
  it.each([
    ['in To', ['To: ann@example.com'], []],
    ['in Cc, with a display name', ['To: x@example.com', 'Cc: "Ann, Sales" <ann@example.com>'], []],
    ['in other capitals', ['TO: ANN@Example.COM'], []],
    ['in a folded field', ['To: x@example.com,', '\tann@example.com'], []],
    ['in a group', ['To: Team: x@example.com, ann@example.com;'], []],
    ['only as the end of a longer address', ['To: joann@example.com'], ['ann@example.com']],
    ['only as the beginning of a longer address', ['To: ann@example.com.au'], ['ann@example.com']],
    ['only in a display name', ['To: "ann@example.com" <x@example.com>'], ['ann@example.com']],
    ['only in the subject', ['To: x@example.com', 'Subject: for ann@example.com'], ['ann@example.com']],
    ['only as the sender', ['From: ann@example.com', 'To: x@example.com'], ['ann@example.com']],
    [
      'only in a field whose name ends like To',
      ['To: x@example.com', 'Reply-To: ann@example.com'],
      ['ann@example.com'],
    ],
    ['nowhere', ['Subject: none'], ['ann@example.com']],
  ])('%s', (_where, header, hidden) => expect(hiddenRecipients(mail(header, ['ann@example.com']))).toEqual(hidden));

  it('an international domain in either notation', () => {
    expect(hiddenRecipients(mail(['To: ann@xn--mller-kva.example'], ['ann@müller.example']))).toEqual([]);
    expect(hiddenRecipients(mail(['To: ann@müller.example'], ['ann@xn--mller-kva.example']))).toEqual([]);
  });

  it('an address in the body does not count', () => {
    expect(hiddenRecipients(mail(['To: x@example.com'], ['body@example.com']))).toEqual(['body@example.com']);
  });
});
