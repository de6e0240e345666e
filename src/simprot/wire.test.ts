import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatepostError } from '../kit/errors.js';
import { decodeBody, encodeBody, type Frame } from './codec.js';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
/** A body with code "A", no peer, and the content given as MessagePack bytes. */
const withContent = (bytes: string | Buffer) =>
  Buffer.concat([hex('93 a1 41 c0'), typeof bytes === 'string' ? hex(bytes) : bytes]);
const text = (json: string) => {
  const bytes = Buffer.from(json);
  const head = Buffer.alloc(5, 0xdb);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
};

function problemOf(body: Buffer): string {
  try {
    decodeBody(body);
  } catch (error) {
    if (!(error instanceof GatepostError)) throw error;
    expect(error.code).toBe('session/protocol');
    return error.message;
  }
  throw new Error('it was accepted');
}

describe('what we write', () => {
  test('is an array of code, peer and JSON text', () => {
    const body = encodeBody({ code: 'A', peer: '@b', content: { Id: null, Data: 'x' } }, 'json');
    expect(body).toEqual(Buffer.concat([hex('93 a1 41 a2 40 62'), text('{"Id":null,"Data":"x"}')]));
  });

  test.each(['json', 'msgpack'] as const)('has nil for no content (%s)', (encoding) => {
    const body = encodeBody({ code: 'ES_PING', peer: null, content: null }, encoding);
    expect(body).toEqual(Buffer.concat([hex('93 a7'), Buffer.from('ES_PING'), hex('c0 c0')]));
  });

  test.each(['json', 'msgpack'] as const)(
    'is JSON text for a bare text, because a bare str means JSON (%s)',
    (encoding) => {
      const body = encodeBody({ code: 'A', peer: null, content: '@gatepost' }, encoding);
      expect(body).toEqual(withContent(text('"@gatepost"')));
    },
  );

  test('is a plain map, absent members nil, when native maps are asked for', () => {
    const body = encodeBody({ code: 'A', peer: null, content: { a: 1, b: undefined } }, 'msgpack');
    expect(body).toEqual(withContent('82 a1 61 01 a1 62 c0'));
  });
});

describe('round trips', () => {
  const word = fc.string({ unit: 'binary', maxLength: 200 });
  // msgpackr drops a byte order mark in front of a long text; it means nothing there.
  const value = fc.string({ unit: 'binary', maxLength: 200 }).filter((s) => !s.startsWith('\ufeff'));
  const number = fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true })).map((n) => n + 0);
  const scalar = fc.oneof(value, number, fc.boolean(), fc.constant(null));
  const key = value.filter((name) => name !== '__proto__');
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ depthSize: 'small' }, scalar, tie('list'), tie('map')),
    list: fc.array(tie('tree'), { maxLength: 20 }),
    map: fc.dictionary(key, tie('tree'), { maxKeys: 20, noNullPrototype: true }),
  }));
  const frame = fc.record({ code: word.filter((w) => !w.startsWith('\ufeff')), peer: fc.option(value), content: tree });

  test.each(['json', 'msgpack'] as const)('give back code, peer and content (%s)', (encoding) => {
    fc.assert(
      fc.property(frame, (sent) => {
        const expected = JSON.parse(JSON.stringify(sent));
        expect(decodeBody(encodeBody(sent as Frame, encoding))).toEqual(expected);
      }),
    );
  });

  test.each(['json', 'msgpack'] as const)('keep a body of several MB (%s)', (encoding) => {
    const content = { BodyHtml: 'Žluťoučký kůň "quoted" \\ 🐎\r\n'.repeat(200_000), Mark: 5 };
    expect(decodeBody(encodeBody({ code: 'A', peer: null, content }, encoding)).content).toEqual(content);
  });
});

describe('what is accepted', () => {
  test('JSON text and native maps and lists alike', () => {
    expect(decodeBody(withContent(text('{"a":[1,null]}'))).content).toEqual({ a: [1, null] });
    expect(decodeBody(withContent('81 a1 61 92 01 c0')).content).toEqual({ a: [1, null] });
    expect(decodeBody(withContent('92 01 c0')).content).toEqual([1, null]);
    expect(decodeBody(withContent('c0')).content).toBeNull();
  });

  test('every length form of arrays, maps and texts', () => {
    expect(decodeBody(hex('dc 0003 d9 01 41 da 0001 62 df 00000001 db 00000001 63 dd 00000001 de 0000'))).toEqual({
      code: 'A',
      peer: 'b',
      content: { c: [{}] },
    });
  });

  test('native timestamps of all three forms, as Date', () => {
    const seconds = Date.UTC(2026, 10, 22, 10, 15, 30) / 1000;
    const nanos = 123_000_000;
    const form4 = Buffer.concat([hex('d6 ff'), Buffer.alloc(4)]);
    form4.writeUInt32BE(seconds, 2);
    const form8 = Buffer.concat([hex('d7 ff'), Buffer.alloc(8)]);
    form8.writeBigUInt64BE((BigInt(nanos) << 34n) | BigInt(seconds), 2);
    const form12 = Buffer.concat([hex('c7 0c ff'), Buffer.alloc(12)]);
    form12.writeUInt32BE(nanos, 3);
    form12.writeBigInt64BE(BigInt(seconds), 7);
    const list = Buffer.concat([hex('93'), form4, form8, form12]);
    expect(decodeBody(withContent(list)).content).toEqual([
      new Date('2026-11-22T10:15:30.000Z'),
      new Date('2026-11-22T10:15:30.123Z'),
      new Date('2026-11-22T10:15:30.123Z'),
    ]);
  });

  test('64-bit integers as numbers', () => {
    expect(decodeBody(withContent('92 cf 0000000100000000 d3 ffffffffffffffff')).content).toEqual([2 ** 32, -1]);
  });
});

describe('what is refused', () => {
  test.each([
    ['an array of two', '92 a1 41 c0', 'not an array of three'],
    ['an array of four', '94 a1 41 c0 c0 c0', 'not an array of three'],
    ['a map', '81 a1 41 c0', 'not an array of three'],
    ['a bare text', 'a1 41', 'not an array of three'],
    ['a code that is a number', '93 01 c0 c0', 'code is not text'],
    ['a code that is nil', '93 c0 c0 c0', 'code is not text'],
    ['a peer that is a number', '93 a1 41 01 c0', 'peer is neither'],
    ['bytes behind it', '93 a1 41 c0 c0 c0', '1 bytes are left over'],
    ['a content that is a number', '93 a1 41 c0 05', 'content is neither'],
    ['a content that is true', '93 a1 41 c0 c3', 'content is neither'],
    ['a content that is binary', '93 a1 41 c0 c4 01 00', 'content is neither'],
    ['a content that is a timestamp', '93 a1 41 c0 d6 ff 00000000', 'content is neither'],
    ['text that is no JSON', '93 a1 41 c0 a3 7b 61 7d', 'no JSON'],
    ['empty text', '93 a1 41 c0 a0', 'no JSON'],
    ['a body that is cut off', '93 a1 41 c0', 'ends before'],
    ['the unused byte c1', '93 a1 41 c0 91 c1', 'c1'],
    ['a record definition of msgpackr', '93 a1 41 c0 d4 72 40 91 a1 61 01', 'extension of type 114'],
    ['a structured clone of msgpackr', '93 a1 41 c0 91 d6 69 00000001 90', 'extension of type 105'],
    ['a regular expression of msgpackr', '93 a1 41 c0 91 c7 00 78 92 a1 61 a0', 'extension of type 120'],
    ['an extension cut off', '93 a1 41 c0 91 c7 0c ff 00', 'ends before'],
    ['a timestamp of 5 bytes', '93 a1 41 c0 91 c7 05 ff 0000000000', 'timestamp of 5'],
    ['a map with a map as key', '93 a1 41 c0 81 80 01', 'key'],
    ['a map with nil as key', '93 a1 41 c0 81 c0 01', 'key'],
  ])('%s', (_, bytes, clause) => {
    expect(problemOf(hex(bytes))).toContain(clause);
  });

  test('names the code as far as it can be read', () => {
    expect(problemOf(hex('93 a7 45535f50494e47 c0 05'))).toContain('the frame "ES_PING" of 11 bytes');
    expect(problemOf(hex('93 d9 07 45535f50494e47 c0'))).toContain('the frame "ES_PING"');
    expect(problemOf(hex('93 05 c0 c0'))).toContain('a frame of 4 bytes');
  });
});

describe('bodies made to hurt', () => {
  const memory = () => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;

  test.each([
    'dd ffffffff',
    'df ffffffff',
    'db ffffffff',
    'c6 ffffffff',

    'dc ffff',
    '91 dd 7fffffff',
  ])('a promise of more than the body holds (%s) is refused without room being made for it', (bytes) => {
    const before = memory();
    expect(problemOf(withContent(bytes))).toContain('ends before');
    expect(memory() - before).toBeLessThan(5_000_000);
  });

  test.each([
    ['lists in lists', withContent(Buffer.alloc(1_000_000, 0x91))],
    ['maps in maps', withContent(Buffer.from('81a161'.repeat(300_000), 'hex'))],
    ['lists in lists in JSON', withContent(text('['.repeat(1_000_000)))],
    ['closed lists in JSON', withContent(text('['.repeat(100_000) + ']'.repeat(100_000)))],
    ['maps in maps in JSON', withContent(text('{"a":'.repeat(300_000)))],
  ])('%s are refused by their depth', (_, body) => {
    expect(problemOf(body)).toContain('nests deeper than 64');
  });

  test('depth 64 is accepted in both encodings', () => {
    const json = '['.repeat(64) + ']'.repeat(64);
    const native = Buffer.concat([Buffer.alloc(63, 0x91), Buffer.of(0x90)]);
    expect(JSON.stringify(decodeBody(withContent(text(json))).content)).toBe(json);
    expect(JSON.stringify(decodeBody(withContent(native)).content)).toBe(json);
  });

  test('brackets, commas and quotes inside text count for nothing', () => {
    const value = `${'[{,"\\'.repeat(1_000_000)}`;
    expect(decodeBody(withContent(text(JSON.stringify({ value })))).content).toEqual({ value });
  });

  test('millions of tiny values are refused before they are built', () => {
    const count = 5_000_000;
    const head = hex('dd 00000000');
    head.writeUInt32BE(count, 1);
    const before = memory();
    expect(problemOf(withContent(Buffer.concat([head, Buffer.alloc(count, 0x80)])))).toContain(
      'more than 1000000 values',
    );
    expect(problemOf(withContent(text(`[${'{},'.repeat(count)}0]`)))).toContain('more than 1000000 values');
    expect(memory() - before).toBeLessThan(100_000_000);
  });

  test.each([
    ['JSON', withContent(text('{"__proto__":{"polluted":1},"a":{"__proto__":{"polluted":1}}}'))],
    [
      'JSON with escapes',
      withContent(text('{"\\u005f_proto_\\u005F":{"polluted":1},"a":{"_\\u005fproto__":{"polluted":1}}}')),
    ],
    [
      'native maps',
      withContent(
        Buffer.concat([
          hex('82 a9'),
          Buffer.from('__proto__'),
          hex('81 a8'),
          Buffer.from('polluted'),
          hex('01 a1 61 80'),
        ]),
      ),
    ],
  ])('a member named __proto__ reaches no prototype (%s)', (_, body) => {
    const { content } = decodeBody(body);
    const copy = Object.assign({}, content);
    expect(Object.keys(Object(content))).not.toContain('__proto__');
    expect('polluted' in copy).toBe(false);
    expect('polluted' in Object(Reflect.get(copy, 'a'))).toBe(false);
    expect('polluted' in {}).toBe(false);
  });
});

describe('garbage', () => {
  const decodesOrRefuses = (body: Uint8Array) => {
    try {
      const frame = decodeBody(Buffer.from(body));
      expect(typeof frame.code).toBe('string');
    } catch (error) {
      if (!(error instanceof GatepostError)) throw error;
      expect(error.code).toBe('session/protocol');
    }
  };

  test('ends in a frame or a protocol error, never in anything else', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), decodesOrRefuses), { numRuns: 2_000 });
  });

  test('in the place of a content does too', () => {
    const garbage = fc.uint8Array({ maxLength: 200 }).map((bytes) => withContent(Buffer.from(bytes)));
    fc.assert(fc.property(garbage, decodesOrRefuses), { numRuns: 5_000 });
  });

  test('made by changing some bytes of a good body does too', () => {
    const content = { Id: 'x'.repeat(40), List: [1, 2.5, -7, null, true, { Deep: ['ž'] }], At: new Date(0) };
    const good = (['json', 'msgpack'] as const).map((encoding) =>
      encodeBody({ code: 'A', peer: '@b', content }, encoding),
    );
    const change = fc.tuple(fc.nat(300), fc.nat(255));
    fc.assert(
      fc.property(fc.constantFrom(...good), fc.array(change, { minLength: 1, maxLength: 4 }), (body, changes) => {
        const changed = Buffer.from(body);
        for (const [at, byte] of changes) changed[at % changed.length] = byte;
        decodesOrRefuses(changed);
      }),
      { numRuns: 5_000 },
    );
  });
});
