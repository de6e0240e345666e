import { GatepostError } from '../kit/errors.js';

export async function readStdin(maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxBytes) {
      throw new GatepostError('input/too-large', `standard input is longer than ${maxBytes} bytes`, {
        advice: 'give a smaller input',
      });
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}
