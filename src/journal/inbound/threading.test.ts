// What an answer belongs to: by subject, else by time.
import { describe, expect, test } from 'vitest';
import { DAY, inboundMessage, place } from '../../../test/fixtures/journal.js';
import { threadOf } from '../inbound/threading.js';

describe('the thread of a subject', () => {
  test.each([
    'Where is my delivery?',
    'Re: Where is my delivery?',
    'RE: AW: Fwd: FW: where is  my\r\n delivery?',
    'Re[2]: Re (3) : Where is my delivery?',
    'WG: SV: VS: Antw: TR: RV: Odp: Ynt: Where is my delivery?',
    '回复：Where is my delivery?',
    '  re:re:RE:Where is my delivery?  ',
  ])('"%s" is the same thread', (subject) => {
    expect(threadOf(subject)).toBe('where is my delivery?');
  });

  test('a word before a colon that is no reply mark stays', () => {
    expect(threadOf('Order 7: late')).toBe('order 7: late');
    expect(threadOf('Reply: late')).toBe('reply: late');
    expect(threadOf('')).toBe('');
    expect(threadOf('Re:')).toBe('');
  });

  test('a subject of a million marks does not take long and is bounded', () => {
    expect(threadOf('Re: '.repeat(250_000)).length).toBeLessThanOrEqual(500);
    expect(threadOf('x'.repeat(1_000_000)).length).toBe(500);
  });
});

describe('an answer', () => {
  test('goes to the newest message with its subject, else to the newest of 30 days', async () => {
    const { open, clock } = place();
    const journal = await open();
    const mail = (key: string, subject: string) =>
      journal.open(inboundMessage(key, { subject, references: `<root-${key}@x> <${key}@customers.example>` }));
    await mail('old', 'Delivery');
    await clock.advance(40 * DAY);
    await mail('invoice', 'Invoice');
    await clock.advance(DAY);
    await mail('newest', 'Hello');
    const answer = (subject: string, address = 'carla@customers.EXAMPLE') =>
      journal.threadFor(address, subject, clock.now());
    expect(await answer('RE: Delivery')).toEqual({
      messageId: '<old@customers.example>',
      references: '<root-old@x> <old@customers.example>',
    });
    expect(await answer('AW: invoice')).toMatchObject({ messageId: '<invoice@customers.example>' });
    expect(await answer('Something else')).toMatchObject({ messageId: '<newest@customers.example>' });
    expect(await answer('RE: Delivery', 'somebody@else.example')).toBeNull();
    await clock.advance(31 * DAY);
    expect(await answer('Something else')).toBeNull();
    expect(await answer('Invoice')).toMatchObject({ messageId: '<invoice@customers.example>' });
  });

  test('never goes to a message without Message-ID, nor to an ignored one', async () => {
    const { open, clock } = place();
    const journal = await open();
    await journal.open(inboundMessage('1', { rfcMessageId: null, references: null }));
    await journal.skip('in', [{ key: '2', fingerprint: '' }]);
    expect(await journal.threadFor('carla@customers.example', 'Where is my delivery?', clock.now())).toBeNull();
    expect(await journal.threadFor('', '', clock.now())).toBeNull();
  });

  test('to a message without references refers to it alone', async () => {
    const { open, clock } = place();
    const journal = await open();
    await journal.open(inboundMessage('1', { references: null }));
    const only = '<1@customers.example>';
    expect(await journal.threadFor('carla@customers.example', 'x', clock.now())).toEqual({
      messageId: only,
      references: only,
    });
  });

  test('never goes to a message that came after the first attempt at it', async () => {
    const { open, clock } = place();
    const journal = await open();
    await journal.open(inboundMessage('first', { subject: 'Delivery' }));
    const composedAt = clock.now();
    await clock.advance(60_000);
    await journal.open(inboundMessage('second', { subject: 'Delivery' }));
    await journal.open(inboundMessage('third', { subject: 'Hello' }));
    const first = { messageId: '<first@customers.example>' };
    for (const subject of ['Re: Delivery', 'Something else'])
      expect(await journal.threadFor('carla@customers.example', subject, composedAt)).toMatchObject(first);
    const second = { messageId: '<second@customers.example>' };
    expect(await journal.threadFor('carla@customers.example', 'Re: Delivery', clock.now())).toMatchObject(second);
  });
});
