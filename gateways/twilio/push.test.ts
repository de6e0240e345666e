// What a Twilio gateway promises about what Twilio pushes.
import { afterEach, describe, expect, it } from 'vitest';
import { PUBLIC, startFixture, type TwilioFixture } from '../../test/servers/twilio-fixture.js';

const fixtures: TwilioFixture[] = [];
afterEach(async () => {
  for (let fixture = fixtures.pop(); fixture; fixture = fixtures.pop()) await fixture.close();
});

/** A gateway that does not poll, unless `settings` changes that. */
async function set(direction: 'I' | 'O' = 'I', written: Record<string, unknown> = {}) {
  const fixture = await startFixture();
  fixtures.push(fixture);
  const session = await fixture.open(direction, { Webhook: true, PollSeconds: 0, ...written });
  return { ...fixture, session };
}

const png = { type: 'image/png', bytes: Buffer.from('89504e470d0a1a0a', 'hex') };

describe('a pushed message', () => {
  it('arrives under the identity it has in the list, and the reply is the one that Twilio expects', async () => {
    const { server, session, push } = await set();
    const message = server.receive({ text: 'Příliš žluťoučký 🐎 & "more"' });
    const { reply, messages, receipts } = await push(session, server.pushed(message));
    expect(messages).toMatchObject([
      {
        key: `sms:${message.sid}`,
        content: { kind: 'text', from: message.from, to: server.number, text: message.body, providerId: message.sid },
      },
    ]);
    expect(receipts ?? []).toEqual([]);
    expect(reply).toMatchObject({ status: 200, headers: { 'content-type': expect.stringContaining('text/xml') } });
    expect(reply.body).toMatch(/<Response\s*\/>/);
  });

  it('is accepted by GET, too, where its parameters are part of the signed address', async () => {
    const { server, session, push } = await set();
    const query = new URLSearchParams(server.pushed(server.receive({ text: 'by GET' })));
    const url = `${PUBLIC}?${query}`;
    const { messages } = await push(session, {}, { method: 'GET', path: `?${query}`, url, body: Buffer.alloc(0) });
    expect(messages).toMatchObject([{ content: { text: 'by GET' } }]);
  });

  it('that the journal has, from a push or a poll, is accepted and not fetched again', async () => {
    const { server, session, push, driverState } = await set();
    const message = server.receive({ media: [png] });
    driverState.set(`sms:${message.sid}`, 'pending');
    const before = server.requests.length;
    expect(await push(session, server.pushed(message))).toMatchObject({ reply: { status: 200 } });
    expect((await push(session, server.pushed(message))).messages).toBeUndefined();
    expect(server.requests.length).toBe(before);
  });

  it.each([
    [
      'the id in capitals',
      PUBLIC.toUpperCase().replace('HTTPS://GATEPOST.EXAMPLE.COM/WEBHOOKS', 'https://gatepost.example.com/webhooks'),
    ],
    ['a slash at the end', `${PUBLIC}/`],
    ['the default port', PUBLIC.replace('.com', '.com:443')],
  ])('is genuine when Twilio has the address with %s', async (_, signed) => {
    const { server, session, push } = await set();
    const form = server.pushed(server.receive({ text: 'spelled otherwise' }));
    const { messages } = await push(session, form, { ...server.signed(signed, form), url: PUBLIC });
    expect(messages).toMatchObject([{ content: { text: 'spelled otherwise' } }]);
    const other = server.signed(signed.replace(/5555/, '6666'), form);
    expect((await push(session, form, { ...other, url: PUBLIC })).reply.status).toBe(403);
  });

  it.each([
    ['thousands of parameters', Array.from({ length: 20_000 }, (_, index) => `p${index}=`).join('&')],
    ['nothing but separators', '&'.repeat(1_000_000)],
  ])('with %s is refused before its signature is computed', async (_, body) => {
    const { session, push } = await set();
    const { reply } = await push(session, {}, { body: Buffer.from(body) });
    expect(reply.status).toBe(400);
  });

  it("contains Twilio's reading of STOP, START and HELP", async () => {
    const { server, session, push } = await set();
    for (const [word, consent] of [
      ['STOP', 'stop'],
      ['START', 'start'],
      ['HELP', 'help'],
      ['SOMETHING', undefined],
    ] as const) {
      const { messages } = await push(session, server.pushed(server.receive(), { OptOutType: word }));
      expect(messages?.[0]?.content?.consent).toBe(consent);
    }
  });

  it('brings its media', async () => {
    const { server, session, push } = await set();
    const { messages } = await push(session, server.pushed(server.receive({ media: [png, png] })));
    expect(messages?.[0]?.content).toMatchObject({ notes: [], media: [{ bytes: png.bytes }, { bytes: png.bytes }] });
  });

  it('whose media cannot be fetched is rejected when a poll will find it, and else arrives with a note', async () => {
    for (const PollSeconds of [30, 0]) {
      const { server, session, push } = await set('I', { PollSeconds });
      server.trouble = ({ path }) => (path.includes('/Media') ? { is: 'refuse', status: 500 } : undefined);
      const pushed = push(session, server.pushed(server.receive({ text: 'picture', media: [png] })));
      if (PollSeconds > 0) await expect(pushed).rejects.toThrow();
      else
        expect((await pushed).messages).toMatchObject([
          { content: { text: 'picture', media: [], notes: [expect.stringContaining('could not be fetched')] } },
        ]);
    }
  });
});

describe('what is not genuine is rejected with 403, and counted', () => {
  const forgeries: [
    name: string,
    forge: (fixture: Awaited<ReturnType<typeof set>>) => ReturnType<TwilioFixture['push']>,
  ][] = [
    [
      'no signature',
      ({ server, session, push }) =>
        push(session, server.pushed(server.receive()), {
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
        }),
    ],
    [
      'a signature of another account',
      ({ server, session, push }) => {
        const form = server.pushed(server.receive());
        const { headers } = server.signed(PUBLIC, { ...form, Body: 'other words' });
        return push(session, form, { headers });
      },
    ],
    [
      'a changed text under a genuine signature',
      ({ server, session, push }) => {
        const form = server.pushed(server.receive());
        const body = Buffer.from(new URLSearchParams({ ...form, Body: 'send money' }).toString());
        return push(session, form, { body });
      },
    ],
    [
      'a parameter too many',
      ({ server, session, push }) => {
        const form = server.pushed(server.receive());
        const body = Buffer.from(new URLSearchParams({ ...form, OptOutType: 'STOP' }).toString());
        return push(session, form, { body });
      },
    ],
    [
      'a request for another address, replayed here',
      ({ server, session, push }) => {
        const form = server.pushed(server.receive());
        return push(session, form, { headers: server.signed(`${PUBLIC}x`, form).headers });
      },
    ],
    [
      'a delivery state replayed as a message',
      ({ server, session, push }) => {
        const form = server.pushed(server.receive());
        return push(session, form, { headers: server.signed(`${PUBLIC}/status`, form).headers });
      },
    ],
    [
      'another account',
      ({ server, session, push }) => push(session, server.pushed(server.receive(), { AccountSid: 'AC0000' })),
    ],
  ];
  for (const [name, forge] of forgeries) {
    it(name, async () => {
      const fixture = await set();
      const { reply, messages, receipts } = await forge(fixture);
      expect([reply.status, messages, receipts]).toEqual([403, undefined, undefined]);
      expect(fixture.inputRejected).toEqual([name === 'another account' ? 'unknown_account' : 'forged']);
      expect(JSON.stringify(fixture.recorded.lines)).not.toContain(fixture.server.authToken);
    });
  }

  it('what is no form of Twilio is rejected with 400, quickly even when it is large', async () => {
    const { server, session, push, inputRejected } = await set();
    const json = await push(session, {}, { headers: { 'content-type': 'application/json' }, body: Buffer.from('{}') });
    expect(json.reply.status).toBe(400);
    expect((await push(session, {}, { method: 'PUT' })).reply.status).toBe(400);
    const many = { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': 'x' };
    const large = await push(session, {}, { headers: many, body: Buffer.from('a=1&'.repeat(250_000)) });
    expect(large.reply.status).toBe(400);
    const noSid = await push(session, { AccountSid: server.accountSid, Body: 'x' });
    expect([noSid.reply.status, noSid.messages]).toEqual([400, undefined]);
    const noSidState = { AccountSid: server.accountSid, MessageStatus: 'delivered' };
    expect((await push(session, noSidState, { path: '/status' })).reply.status).toBe(400);
    expect(inputRejected).toEqual(['malformed', 'malformed', 'malformed', 'malformed', 'malformed']);
  });

  it('what is genuine is not counted', async () => {
    const { server, session, push, inputRejected } = await set();
    const state = { AccountSid: server.accountSid, MessageSid: 'SM1', MessageStatus: 'delivered' };
    expect((await push(session, server.pushed(server.receive()))).reply.status).toBe(200);
    expect((await push(session, state, { path: '/status' })).reply.status).toBe(204);
    expect(inputRejected).toEqual([]);
  });
});

describe('delivery states', () => {
  it('become receipts, with the code and its meaning', async () => {
    const { server, session, push, inputRejected } = await set('O');
    const ends = { AccountSid: server.accountSid, MessageSid: 'SM1' };
    const status = async (form: Record<string, string>) =>
      (await push(session, { ...ends, ...form }, { path: '/status' })).receipts?.map(({ id, state, detail }) => [
        id,
        state,
        detail,
      ]);
    expect(await status({ MessageStatus: 'sent' })).toEqual([['SM1', 'sent', null]]);
    expect(await status({ MessageStatus: 'delivered' })).toEqual([['SM1', 'delivered', null]]);
    expect(await status({ MessageStatus: 'undelivered', ErrorCode: '30003' })).toEqual([
      ['SM1', 'undelivered', '30003: Unreachable destination handset'],
    ]);
    expect(await status({ MessageStatus: 'failed', ErrorCode: '39999' })).toEqual([
      ['SM1', 'undelivered', 'failed 39999'],
    ]);
    expect(await status({ MessageStatus: 'receiving' })).toEqual([]);
    expect(inputRejected).toEqual(['unknown_state']);
  });

  it('reach either half of a gateway, but a message never the half that only sends', async () => {
    const receiving = await set('I');
    const form = { AccountSid: receiving.server.accountSid, MessageSid: 'SM1', MessageStatus: 'delivered' };
    expect(await receiving.push(receiving.session, form, { path: '/status' })).toMatchObject({
      reply: { status: 204 },
      receipts: [{ id: 'SM1' }],
    });
    const sending = await set('O');
    const { reply, messages } = await sending.push(sending.session, sending.server.pushed(sending.server.receive()));
    expect([reply.status, messages, sending.inputRejected]).toEqual([404, undefined, ['unwanted']]);
  });
});

describe('a gateway with Webhook switched off', () => {
  it('accepts no push', async () => {
    const { server, session, push, inputRejected } = await set('I', { Webhook: false, PollSeconds: 30 });
    const { reply, messages } = await push(session, server.pushed(server.receive()));
    expect([reply.status, messages, inputRejected]).toEqual([404, undefined, ['unwanted']]);
  });
});

describe('pushing and polling at the same time', () => {
  it('a message in the journal is not received a second time', async () => {
    const { server, session, push, driverState, receiving } = await set('I', { PollSeconds: 1 });
    const polling = receiving(session);
    const asked = polling.next();
    await server.until(({ query }) => query.get('PageSize') === '100');
    const both = server.receive({ text: 'pushed', at: Date.now() + 5_000 });
    const { messages = [] } = await push(session, server.pushed(both));
    for (const inboundMessage of messages) driverState.open(inboundMessage);
    server.receive({ text: 'only in the list', at: Date.now() + 5_000 });
    expect((await asked).content?.text).toBe('only in the list');
    expect(messages).toHaveLength(1);
  });

  it('a message that the journal could not store is found by polling', async () => {
    const { server, session, push, receiving } = await set('I', { PollSeconds: 1 });
    const polling = receiving(session);
    const asked = polling.next();
    await server.until(({ query }) => query.get('PageSize') === '100');
    await push(session, server.pushed(server.receive({ text: 'not journaled', at: Date.now() + 5_000 })));
    expect((await asked).content?.text).toBe('not journaled');
  });
});
