import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatepostError } from '../kit/errors.js';
import { encodeFrame, frameDecoder } from './frame.js';

const LIMIT = 1000;

/** Cuts `bytes` at the given places, in order. */
function pieces(bytes: Buffer, cuts: number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

function collect(limit = LIMIT) {
  const bodies: Buffer[] = [];
  const decoder = frameDecoder(limit, (body) => bodies.push(Buffer.from(body)));
  return { bodies, decoder };
}

function header(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

describe('a stream of frames', () => {
  const someBodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: LIMIT }), { maxLength: 8 });

  test('gives the same bodies however it is cut', () => {
    fc.assert(
      fc.property(someBodies, fc.array(fc.nat(), { maxLength: 30 }), (expected, cuts) => {
        const { bodies, decoder } = collect();
        for (const piece of pieces(Buffer.concat(expected.map(encodeFrame)), cuts)) decoder.push(piece);
        expect(bodies).toEqual(expected.map((body) => Buffer.from(body)));
        expect(decoder.held).toBe(0);
        expect(decoder.unfinished).toBe('');
      }),
    );
  });

  test('may come one byte at a time', () => {
    const { bodies, decoder } = collect(10_000);
    const sent = [Buffer.alloc(9_000, 'a'), Buffer.from('b'), Buffer.alloc(5_000, 'c')];
    for (const byte of Buffer.concat(sent.map(encodeFrame))) decoder.push(Buffer.of(byte));
    expect(bodies).toEqual(sent);
  });

  test('may bring a large body in very many small pieces without the work growing with their square', () => {
    const { bodies, decoder } = collect(32 * 1024 * 1024);
    const body = Buffer.alloc(32 * 1024 * 1024, 'x');
    const frame = encodeFrame(body);
    // Joining anew for each of these pieces would copy more than 4 TB.
    for (let at = 0; at < frame.length; at += 128) decoder.push(frame.subarray(at, at + 128));
    expect(bodies).toHaveLength(1);
    expect(bodies[0]?.equals(body)).toBe(true);
  });

  test('describes how much of an unfinished frame has arrived', () => {
    const { decoder } = collect();
    decoder.push(Buffer.of(0, 0));
    expect(decoder.unfinished).toBe('2 of 4 bytes of its length had arrived');
    decoder.push(Buffer.of(0, 9, 1, 2));
    expect(decoder.unfinished).toBe('2 of 9 bytes of its body had arrived');
    expect(decoder.held).toBe(6);
  });
});

describe('an announced length', () => {
  test.each([0, LIMIT + 1, 0xffffffff])('of %d is rejected at once, and nothing behind it is stored', (length) => {
    const { bodies, decoder } = collect();
    const stream = Buffer.concat([encodeFrame(Buffer.from('before')), header(length), Buffer.alloc(500)]);
    expect(() => decoder.push(stream)).toThrow(expect.objectContaining({ code: 'session/protocol' }));
    expect(bodies).toEqual([Buffer.from('before')]);
    expect(decoder.held).toBe(4);
  });

  test('of exactly the limit is accepted', () => {
    const { bodies, decoder } = collect();
    decoder.push(encodeFrame(Buffer.alloc(LIMIT, 1)));
    expect(bodies).toHaveLength(1);
  });

  test('that is followed by little costs little', () => {
    const limit = 32 * 1024 * 1024;
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 100 }, () => collect(limit).decoder);
    for (const decoder of decoders) {
      decoder.push(header(limit));
      for (let i = 0; i < 10; i++) decoder.push(Buffer.alloc(1_000));
    }
    const each = (process.memoryUsage().arrayBuffers - before) / decoders.length;
    expect(decoders.every((decoder) => decoder.held === 10_004)).toBe(true);
    expect(each).toBeLessThan(60_000);
  });
});

test('garbage ends in a protocol error or in bodies, and is never held beyond the limit', () => {
  const garbage = fc.array(fc.uint8Array({ maxLength: 3 * LIMIT }), { maxLength: 10 });
  const likelier = fc.array(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.nat(2 * LIMIT).map(header)), {
    maxLength: 10,
  });
  fc.assert(
    fc.property(fc.oneof(garbage, likelier), (chunks) => {
      const { bodies, decoder } = collect();
      try {
        for (const chunk of chunks) {
          decoder.push(Buffer.from(chunk));
          expect(decoder.held).toBeLessThanOrEqual(LIMIT + 4);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(GatepostError);
        expect(error).toMatchObject({ code: 'session/protocol' });
      }
      expect(bodies.every((body) => body.length > 0 && body.length <= LIMIT)).toBe(true);
    }),
  );
});
