// Pushes: what is accepted, what is rejected, and the text of the reply.
import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { clock, HOOK, json, message, type Push, push, receipts } from '../../test/servers/http-sms-push.js';

describe('a pushed message', () => {
  it('is one inbound message, keyed by the gateway’s id, the same each time', async () => {
    const first = await push(json, { body: message() });
    const again = await push(json, { body: message() });
    expect(first.messages).toEqual([
      {
        key: 'id a',
        fingerprint: '',
        content: {
          kind: 'text',
          from: '+420777123456',
          to: '123',
          text: 'hi',
          providerId: 'a',
          receivedAt: clock.now(),
          sentAt: null,
          media: [],
          notes: [],
        },
      },
    ]);
    expect(again.messages?.[0]?.key).toBe('id a');
    expect(first.reply).toEqual({ status: 200, body: '', headers: { 'content-type': 'text/plain; charset=utf-8' } });
  });

  it('of a gateway that gives no ids is a message each time: a customer may write the same twice', async () => {
    const written = { ...json, ReceiveFrom: { ...json.ReceiveFrom, Id: undefined } };
    const keys = [await push(written, { body: message() }), await push(written, { body: message() })].map(
      ({ messages }) => messages?.[0]?.key,
    );
    expect(new Set(keys).size).toBe(2);
  });

  it('without a recipient counts as sent to the number in From', async () => {
    const { messages } = await push(json, { body: message({ to: undefined }) });
    expect(messages?.[0]?.content?.to).toBe('+420777000111');
  });

  it('keeps ids of more digits than a double holds, and shortens only what no key can hold', async () => {
    const long = await push(json, { body: message().replace('"a"', '9007199254740993') });
    expect(long.messages?.[0]).toMatchObject({
      key: 'id 9007199254740993',
      content: { providerId: '9007199254740993' },
    });
    const huge = await push(json, { body: message({ id: 'x'.repeat(5_000) }) });
    expect(huge.messages?.[0]?.key).toMatch(/^id sha256 [0-9a-f]{64}$/);
  });

  it('with an empty text is a message', async () => {
    expect((await push(json, { body: message({ text: '' }) })).messages?.[0]?.content?.text).toBe('');
  });

  it.each([
    ['1763805600', Date.UTC(2025, 10, 22, 10)],
    ['1763805600123', Date.UTC(2025, 10, 22, 10, 0, 0, 123)],
    ['2025-11-22T11:00:00+01:00', Date.UTC(2025, 10, 22, 10)],
    ['2025-11-22 10:00:00', Date.UTC(2025, 10, 22, 10)],
    ['2999-01-01T00:00:00Z', null],
    ['yesterday', null],
    ['-5', null],
  ])('says when it was sent: %s', async (time, at) => {
    const written = { ...json, ReceiveFrom: { ...json.ReceiveFrom, Time: 'json:time' } };
    expect((await push(written, { body: message({ time }) })).messages?.[0]?.content?.sentAt).toBe(at);
  });

  it.each([
    ['UTF-16BE', '%01%0d%d8%3d%de%00', 'č😀'],
    ['utf-8', '%C5%BE+%2B', 'ž +'],
    ['ISO-8859-2', '%be', 'ž'],
    ['8-BIT', '%e9', 'é'],
    ['no such thing', '%C5%BE', 'ž'],
  ])('in the character set %s is read in it', async (charset, text, read) => {
    const places = { From: 'query:from', Text: 'query:text', Charset: 'query:charset' };
    const path = `?from=123&text=${text}&charset=${encodeURIComponent(charset)}`;
    const result = await push({ ...json, ReceiveFrom: places }, { method: 'GET', path });
    expect(result.messages?.[0]?.content?.text).toBe(read);
  });
});

describe('a push is rejected with the reason, and counted', () => {
  it.each<[string, Record<string, unknown>, Push, number, string, string?]>([
    ['without proof', json, { body: message(), headers: {} }, 403, 'not authenticated', 'forged'],
    [
      'with a wrong secret',
      json,
      { body: message(), headers: { 'x-key': 'right secre' } },
      403,
      'not authenticated',
      'forged',
    ],
    ['without a sender', json, { body: message({ from: '' }) }, 400, 'there is no sender at json:from'],
    ['without a text', json, { body: message({ text: undefined }) }, 400, 'there is no text at json:text'],
    ['without its id', json, { body: message({ id: null }) }, 400, 'there is no id at json:id'],
    [
      'with an endless sender',
      json,
      { body: message({ from: '1'.repeat(101) }) },
      400,
      'the sender is longer than 100 characters',
    ],
    ['that is no JSON', json, { body: '{"from":' }, 400, 'the body is not JSON'],
    [
      'that is a prototype',
      json,
      { body: '{"__proto__":{"from":"1","id":"2","text":"3"}}' },
      400,
      'there is no sender at json:from',
    ],
    ['below the address', json, { body: message(), path: '/other?x=1' }, 400, 'there is nothing at /other', 'unwanted'],
    [
      'that is a receipt without ReceiptFrom',
      json,
      { path: '/receipt' },
      400,
      'receipts are not described (ReceiptFrom)',
      'unwanted',
    ],
    [
      'with another method',
      { ...json, ReceiveFrom: { ...json.ReceiveFrom, Method: 'POST' } },
      { method: 'PUT', body: message() },
      400,
      'the method is PUT, not POST',
    ],
    [
      'that is no list',
      { ...json, ReceiveFrom: { ...json.ReceiveFrom, List: 'json:events' } },
      { body: '{"events":{}}' },
      400,
      'there is no list at events',
    ],
    [
      'with a list without end',
      { ...json, ReceiveFrom: { ...json.ReceiveFrom, List: 'json:events' } },
      { body: JSON.stringify({ events: Array.from({ length: 1_001 }, () => 0) }) },
      400,
      'more than 1000 items at once',
      'too_large',
    ],
    [
      'that is a message at a gateway which only sends',
      { ...json, SendUrl: 'http://127.0.0.1/{to}/{text}', ReceiptFrom: receipts },
      { body: message(), direction: 'O' },
      400,
      'there is no id at query:ref',
    ],
  ])('%s', async (_name, written, what, status, words, reason = 'malformed') => {
    const inputRejected: string[] = [];
    const { reply, messages = [], receipts = [] } = await push(written, { ...what, inputRejected });
    expect(reply).toEqual({ status, body: words, headers: { 'content-type': 'text/plain; charset=utf-8' } });
    expect({ messages, receipts, inputRejected }).toEqual({ messages: [], receipts: [], inputRejected: [reason] });
  });

  it('within moments, whatever it contains', async () => {
    for (const body of [
      '['.repeat(1_000_000),
      `"${'\\'.repeat(999_998)}"`,
      '9'.repeat(1_000_000),
      `{"a":"${'a'.repeat(999_000)}`,
    ]) {
      const before = process.cpuUsage();
      expect((await push(json, { body })).reply.status).toBe(400);
      // Processor time: other programs on the machine do not count.
      expect(process.cpuUsage(before).user / 1_000).toBeLessThan(2_000);
    }
  });
});

describe('one bad item among others', () => {
  const listed = { ...json, ReceiveFrom: { ...json.ReceiveFrom, List: 'json:events' } };
  const good = { id: 'a', from: '+420777123456', text: 'good' };
  const body = JSON.stringify({ events: [good, { ...good, id: 'b', from: '' }, { ...good, id: 'c' }, 7] });

  it('does not stop the others: they are accepted, and the push is rejected because of it', async () => {
    const inputRejected: string[] = [];
    const { reply, messages } = await push(listed, { body, inputRejected });
    expect(messages?.map(({ key }) => key)).toEqual(['id a', 'id c']);
    expect(reply).toMatchObject({
      status: 400,
      body: 'there is no sender at json:from; 2 others in the same push were accepted',
    });
    expect(inputRejected).toEqual(['malformed', 'malformed']);
  });

  it('without ids rejects all of them: otherwise they would arrive again with every repeat', async () => {
    const written = { ...listed, ReceiveFrom: { ...listed.ReceiveFrom, Id: undefined } };
    const { reply, messages } = await push(written, { body });
    expect([reply.status, reply.body, messages]).toEqual([400, 'there is no sender at json:from', []]);
  });

  it('is the same with receipts', async () => {
    const written = {
      ...json,
      SendUrl: 'http://127.0.0.1/{to}/{text}',
      ReceiptFrom: { List: 'json:events', Id: 'json:id', State: 'json:state', States: { ok: 'delivered' } },
    };
    const events = [{ id: 'm1', state: 'ok' }, { state: 'ok' }, { id: 'm2', state: 'ok' }];
    const { reply, receipts } = await push(written, {
      path: '/receipt',
      body: JSON.stringify({ events }),
      direction: 'O',
    });
    expect(receipts?.map(({ id }) => id)).toEqual(['m1', 'm2']);
    expect(reply.status).toBe(400);
  });
});

describe('receipts', () => {
  const both = { ...json, SendUrl: 'http://127.0.0.1/{to}/{text}', ReceiptFrom: { ...receipts, Detail: 'query:why' } };

  it('come to the address for them, with the detail of the gateway', async () => {
    const path = '/receipt?ref=m1&state=ok&why=at+last';
    const result = await push(both, { method: 'GET', path, direction: 'O' });
    expect(result.receipts).toEqual([{ id: 'm1', state: 'delivered', at: clock.now(), detail: 'ok: at last' }]);
  });

  it('come to the one address, distinguished from messages by their fields', async () => {
    const result = await push(both, { method: 'GET', path: '?ref=m1&state=ok' });
    expect(result).toMatchObject({ messages: [], receipts: [{ id: 'm1' }] });
    expect(await push(both, { body: message() })).toMatchObject({ messages: [{ key: 'id a' }], receipts: [] });
  });

  it('with a state that States does not name are accepted without effect', async () => {
    const inputRejected: string[] = [];
    const result = await push(both, { method: 'GET', path: '/receipt?ref=m1&state=constructor', inputRejected });
    expect(result).toMatchObject({ reply: { status: 200 }, receipts: [] });
    expect(inputRejected).toEqual(['unknown_state']);
  });
});

describe('a signature', () => {
  const key = 'right secret';
  const settings = (how: object) => ({ ...json, Authenticate: { Kind: 'Hmac', Header: 'X-Sig', ...how } });

  it.each([
    ['sha256', 'hex'],
    ['sha1', 'base64'],
    ['sha512', 'base64'],
  ] as const)('over the body by %s in %s', async (Algorithm, Encoding) => {
    const body = message();
    const sig = createHmac(Algorithm, key).update(body).digest(Encoding);
    const written = settings({ Algorithm, Encoding });
    expect((await push(written, { body, headers: { 'x-sig': sig } })).reply.status).toBe(200);
    expect((await push(written, { body: `${body}\n`, headers: { 'x-sig': sig } })).reply.status).toBe(403);
    const shouted = await push(written, { body, headers: { 'x-sig': sig.toUpperCase() } });
    expect(shouted.reply.status).toBe(Encoding === 'hex' ? 200 : 403);
  });

  it('over address and body holds for that address alone', async () => {
    const body = message();
    const path = '?x=1';
    const sig = createHmac('sha256', key).update(`${HOOK}${path}${body}`).digest('hex');
    const written = settings({ Over: 'UrlAndBody' });
    expect((await push(written, { body, path, headers: { 'x-sig': sig } })).reply.status).toBe(200);
    expect((await push(written, { body, path: '?x=2', headers: { 'x-sig': sig } })).reply.status).toBe(403);
    const spelled = createHmac('sha256', key).update(`${HOOK}/${path}${body}`).digest('hex');
    expect((await push(written, { body, path, headers: { 'x-sig': spelled } })).reply.status).toBe(200);
  });
});

describe('basic authentication', () => {
  const written = { ...json, Authenticate: { Kind: 'Basic', User: 'carrier' } };
  const pair = (text: string) => Buffer.from(text).toString('base64');

  it.each([
    [`Basic ${pair('carrier:right secret')}`, 200],
    [`basic ${pair('carrier:right secret')}`, 200],
    [`Basic ${pair('carrier:right secre')}`, 403],
    [`Basic ${pair('Carrier:right secret')}`, 403],
    [`Bearer ${pair('carrier:right secret')}`, 403],
    [pair('carrier:right secret'), 403],
    ['', 403],
  ])('%s', async (authorization, status) => {
    expect((await push(written, { body: message(), headers: { authorization } })).reply.status).toBe(status);
  });
});

describe('a signature with a time', () => {
  const key = 'right secret';
  const GATEWAY = '11111111-2222-4333-8444-555555555555';
  const at = (seconds: number) => String(Math.floor(clock.now() / 1_000) + seconds);
  const without = { ...json, ReceiveFrom: { From: 'json:from', To: 'json:to', Text: 'json:text' } };
  const written = (how: object = {}) => ({
    ...without,
    Authenticate: { Kind: 'Hmac', Header: 'X-Sig', Timestamp: 'X-Time', ...how },
  });
  const signed = (words: string) => createHmac('sha256', key).update(words).digest('hex');
  const send = (settings: Record<string, unknown>, time: string, sig: string, inputRejected: string[] = []) =>
    push(settings, { body: message(), headers: { 'x-sig': sig, 'x-time': time }, inputRejected });

  it.each([
    [0, 200],
    [-299, 200],
    [299, 200],
    [-301, 200],
    [86_401, 403],
    [-86_401, 403],
  ])('%i s from now is answered %i', async (seconds, status) => {
    const time = at(seconds);
    const inputRejected: string[] = [];
    const { reply } = await send(written(), time, signed(`${time}.${message()}`), inputRejected);
    expect([reply.status, inputRejected]).toEqual([status, status === 200 ? [] : ['stale']]);
  });

  it('covers the time: another one is forged, and so is none', async () => {
    const sig = signed(`${at(-400)}.${message()}`);
    for (const time of [at(0), '', 'now']) expect((await send(written(), time, sig)).reply.status).toBe(403);
    const unnamed = signed(`.${message()}`);
    expect((await send(written(), '', unnamed)).reply.status).toBe(403);
  });

  it('makes a replay the same message, not another one', async () => {
    const time = at(0);
    const sig = signed(`${time}.${message()}`);
    const keys = [await send(written(), time, sig), await send(written(), time, sig.toUpperCase())].map(
      ({ messages }) => messages?.[0]?.key,
    );
    expect(keys[0]).toMatch(/^push [0-9a-f]{40} 0$/);
    expect(keys[1]).toBe(keys[0]);
    const later = at(1);
    const other = await send(written(), later, signed(`${later}.${message()}`));
    expect(other.messages?.[0]?.key).not.toBe(keys[0]);
  });

  it('may cover the gateway, so that a push to one is forged at another', async () => {
    const time = at(0);
    const settings = written({ Signed: 'v1:{timestamp}:{gateway}:{body}', ToleranceSeconds: 60 });
    const results = [GATEWAY, 'other'].map((id) => send(settings, time, signed(`v1:${time}:${id}:${message()}`)));
    const own = (await Promise.all(results)).map(({ reply }) => reply.status);
    expect(own).toEqual([200, 403]);
  });

  it.each([
    [{ Signed: '{body}' }, 'has a Timestamp that Signed does not contain'],
    [{ Signed: '{timestamp}.{body}', Timestamp: undefined }, 'but not in which header it is'],
    [{ Signed: '{timestamp}' }, 'Signed has no {body}'],
  ])('is checked in the settings: %o', async (how, words) => {
    await expect(push(written(how), { body: message() })).rejects.toThrow(words);
  });
});
