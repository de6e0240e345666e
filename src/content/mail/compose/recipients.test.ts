import { describe, expect, it } from 'vitest';
import type { MessageContentInfo } from '../../../model/message.js';
import { composeMail } from './compose.js';
import { recipientsOf } from './recipients.js';

const sendRequest = (changes: Partial<MessageContentInfo>): MessageContentInfo => ({
  GatewayId: '0d2a6b1e-0000-4000-8000-000000000001',
  FromField: 'info@desk.example',
  SubjectField: 'Hello',
  ...changes,
});

/** `to | cc | bcc | reply-to => envelope`, or the problem. */
function recipients(changes: Partial<MessageContentInfo>): string {
  const result = recipientsOf(sendRequest(changes));
  if (!result.ok) return result.problem;
  const { to, cc, bcc, replyTo, envelope } = result.recipients;
  const lists = [to, cc, bcc, replyTo].map((list) =>
    list.map(({ name, address }) => (name ? `${name} <${address}>` : address)).join(','),
  );
  return `${lists.join('|')} => ${envelope.join(',')}`;
}

describe('the fields of a send request', () => {
  it('give header lists and envelope; RemoteAddress is always among them', () => {
    expect(recipients({ RemoteAddress: 'a@x.example' })).toBe('a@x.example||| => a@x.example');
    expect(recipients({ RemoteAddress: 'a@x.example', ToField: 'Ann <A@x.example>' })).toBe(
      'Ann <A@x.example>||| => A@x.example',
    );
    expect(
      recipients({
        RemoteAddress: 'a@x.example',
        ToField: 'b@x.example',
        ToCcField: 'C <c@x.example>, d@x.example',
        ToBccField: 'e@x.example',
      }),
    ).toBe(
      'a@x.example,b@x.example|C <c@x.example>,d@x.example|e@x.example| => a@x.example,b@x.example,c@x.example,d@x.example,e@x.example',
    );
    expect(recipients({ RemoteAddress: 'a@x.example', ToField: 'b@x.example', ToCcField: 'a@x.example' })).toBe(
      'b@x.example|a@x.example|| => b@x.example,a@x.example',
    );
    expect(recipients({ RemoteAddress: 'Ann <a@x.example>' })).toBe('Ann <a@x.example>||| => a@x.example');
  });

  it('serve nobody twice, whatever the letters’ case', () => {
    expect(
      recipients({ RemoteAddress: 'a@x.example', ToField: 'A@X.example, a@x.example', ToCcField: 'a@X.EXAMPLE' }),
    ).toMatch(/=> a@x\.example$/);
  });

  it('may show names that nobody can mail to', () => {
    expect(recipients({ RemoteAddress: 'a@x.example', ToField: 'Ann Novak', ToCcField: 'b@x.example, … +12' })).toBe(
      'a@x.example|b@x.example|| => a@x.example,b@x.example',
    );
    expect(recipients({ RemoteAddress: 'a@x.example', ToField: 'Team: b@x.example, Cy <c@x.example>;' })).toBe(
      'a@x.example,b@x.example,Cy <c@x.example>||| => a@x.example,b@x.example,c@x.example',
    );
  });

  it('with an address that cannot be mailed to stop the send request and name it', () => {
    expect(recipients({ RemoteAddress: 'Ann' })).toBe('the address "Ann" in RemoteAddress has no @');
    expect(recipients({ RemoteAddress: 'a@x.example', ToCcField: 'b@x..example' })).toBe(
      'the address "b@x..example" in ToCcField has no valid domain after the @',
    );
    expect(recipients({ RemoteAddress: 'žába@x.example' })).toBe(
      'the address "žába@x.example" in RemoteAddress has letters before the @ that need SMTPUTF8, which is not supported: use its plain form',
    );
    expect(recipients({ RemoteAddress: 'a@x.example\r\nBcc: b@x.example' })).toBe(
      'RemoteAddress has control characters or line breaks in it',
    );
    expect(recipients({ RemoteAddress: 'a@x.example b@x.example' })).toBe(
      'RemoteAddress has no comma between a@x.example and b@x.example',
    );
    expect(recipients({ RemoteAddress: '' })).toBe('the send request names no recipient: RemoteAddress is empty');
  });

  it('with more recipients than one message can have stop the send request', () => {
    const many = Array.from({ length: 501 }, (_, i) => `a${i}@x.example`).join(', ');
    expect(recipients({ RemoteAddress: many })).toBe(
      'the send request has 501 recipients; at most 500 are sent to in one message',
    );
  });
});

describe('ExtendedFields', () => {
  const extended = (value: unknown, changes: Partial<MessageContentInfo> = {}) =>
    recipients({
      RemoteAddress: 'ignored@x.example',
      ToField: 'ignored@x.example',
      ExtendedFields: typeof value === 'string' ? value : JSON.stringify(value),
      ...changes,
    });

  it('take the place of all other fields', () => {
    expect(
      extended({
        To: [{ Name: 'Ann, the first', Address: 'a@x.example' }],
        Cc: [{ Address: 'b@x.example', Extra: 1 }],
        Bcc: [{ Name: null, Address: 'c@x.example' }],
        ReplyTo: [{ Name: 'Desk', Address: 'r@desk.example' }],
        Other: true,
      }),
    ).toBe(
      'Ann, the first <a@x.example>|b@x.example|c@x.example|Desk <r@desk.example> => a@x.example,b@x.example,c@x.example',
    );
    expect(extended({ Bcc: [{ Address: 'c@x.example' }] })).toBe('||c@x.example| => c@x.example');
  });

  it('that name no recipient leave RemoteAddress in place', () => {
    expect(extended({ ReplyTo: [{ Address: 'r@desk.example' }] })).toBe(
      'ignored@x.example|||r@desk.example => ignored@x.example',
    );
    expect(extended('  ')).toBe('ignored@x.example||| => ignored@x.example');
  });

  it('that are wrong stop the send request and say what is wrong', () => {
    expect(extended('{')).toMatch(/^ExtendedFields is not valid JSON/);
    expect(extended({ To: 'a@x.example' })).toBe(
      'ExtendedFields is wrong: To: Invalid input: expected array, received string',
    );
    expect(extended({ Cc: [{ Name: 'x' }] })).toMatch(/^ExtendedFields is wrong: Cc\.0\.Address: /);
    expect(extended([])).toMatch(/^ExtendedFields is wrong: content: /);
    expect(extended({ Bcc: [{ Address: 'b@x.example\r\nRCPT TO:<c@x.example>' }] })).toMatch(
      /^the address "b@x\.example\\r\\nRCPT.*" in ExtendedFields Bcc has control characters or line breaks in it$/,
    );
    expect(extended(`"${'x'.repeat(300_000)}"`)).toBe('ExtendedFields has 300002 characters; at most 256000 are read');
  });
});

describe('what goes out', () => {
  const options = { sender: {}, gatewayName: null, thread: null, now: 0 };
  const fields = sendRequest({ RemoteAddress: 'a@x.example', ToCcField: 'B@x.example', ToBccField: 'c@x.example' });

  it('is, after a partial acceptance, the same mail for the others only', async () => {
    const all = await composeMail(fields, options);
    const rest = await composeMail(fields, { ...options, only: ['b@X.example', 'stranger@x.example'] });
    if (!all.ok || !rest.ok) throw new Error('not composed');
    expect(rest.mail.recipients).toEqual(['B@x.example']);
    expect(rest.mail.raw).toEqual(all.mail.raw);
    expect(await composeMail(fields, { ...options, only: [] })).toEqual({
      ok: false,
      problem: 'every recipient of the send request has accepted the mail already',
    });
  });

  it('has a To header even when everybody is blind', async () => {
    const result = await composeMail(sendRequest({ ExtendedFields: '{"Bcc":[{"Address":"c@x.example"}]}' }), options);
    expect(result.ok && result.mail.raw.toString()).toMatch(/^To: Undisclosed recipients:;\r$/m);
  });

  it('has international domains in their ASCII form in headers and envelope alike', async () => {
    const result = await composeMail(sendRequest({ RemoteAddress: 'Jan <Jan@Žluťoučký.example>' }), options);
    if (!result.ok) throw new Error(result.problem);
    expect(result.mail.recipients).toEqual([
      'Jan@xn--luouk-uva54d0dhl.example'.replace(
        /xn--[^.]*/,
        new URL('http://žluťoučký.example').hostname.split('.')[0] ?? '',
      ),
    ]);
    expect(result.mail.raw.toString()).toContain(`To: Jan <${result.mail.recipients[0]}>`);
  });
});
