import { describe, expect, it } from 'vitest';
import type { AnyDriver, Content } from '../../driver/contract.js';
import type { Notice } from '../../model/content.js';
import { contentOf, documentOf, noticeKey, rawOf } from './spool-codec.js';

const bytes = Buffer.from([0, 255, 13, 10, 128]);
const at = { receivedAt: 7 };
const fax = { from: '+420222333444', to: null, station: 'Žluťák', callerName: null, providerId: 'x', pages: 2 };
const contents: Record<string, Content | Notice> = {
  Email: { kind: 'mail', raw: bytes, ...at },
  SMS: {
    kind: 'text',
    from: '1',
    to: '2',
    text: 'Žluť 😀',
    providerId: null,
    sentAt: null,
    media: [{ name: 'a.png', type: 'image/png', bytes }],
    notes: ['n'],
    ...at,
  },
  Fax: { kind: 'fax', raw: bytes, ...fax, expectedPages: null, problem: 'cut', facts: [], notes: [], ...at },
};
const notice: Notice = {
  kind: 'notice',
  messageId: 'o',
  deliverySystemId: 'd',
  remoteAddress: '+1',
  subject: 's',
  channel: 'Fax',
  delivered: false,
  detail: null,
  at: 7,
};
const back = (channel: string, key: string, content: Content | Notice) => {
  const driver = { channel } as AnyDriver;
  return contentOf({ driver }, { key, raw: rawOf(content) }, 7);
};

describe('a stored content', () => {
  it.each(Object.entries(contents))('of %s is read back as it was stored', (channel, content) => {
    expect(back(channel, 'key', content)).toEqual(content);
  });

  it.each(Object.keys(contents))('that is a notice is read back by a gateway for %s, too', (channel) => {
    expect(back(channel, noticeKey(notice), notice)).toEqual(notice);
  });

  it('that is a notice of the previous version is read back', () => {
    const { messageId, ...rest } = notice;
    const raw = Buffer.from(JSON.stringify({ ...rest, orderId: messageId }));
    expect(contentOf({ driver: { channel: 'Fax' } as AnyDriver }, { key: noticeKey(notice), raw }, 7)).toEqual(notice);
  });

  it('is exported as a file that a program can open: a fax as its file, a mail as it is', () => {
    for (const content of Object.values(contents)) {
      const document = documentOf(rawOf(content));
      expect(Buffer.from(document).equals(content.kind === 'text' ? Buffer.from(rawOf(content)) : bytes)).toBe(true);
    }
  });

  it('that is a mail and only begins like a stored fax is left as it is', () => {
    const mail = Buffer.from('{"kind":"fax"} is no JSON of ours');
    expect(documentOf(mail)).toBe(mail);
  });
});
