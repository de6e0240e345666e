import { GatepostError } from '../kit/errors.js';

export function readStdin(maxBytes: number): Promise<Buffer> {
  return readAll(process.stdin, maxBytes, 'standard input');
}

export async function readAll(source: AsyncIterable<Uint8Array>, maxBytes: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBytes) {
      throw new GatepostError('input/too-large', `${what} is longer than ${maxBytes} bytes`, {
        advice: 'give a smaller input',
      });
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
