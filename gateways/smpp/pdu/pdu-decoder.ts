// Owns finding the PDUs in the bytes that come: a chunk holds many of them, or a piece of one.
import { decode, HEADER, MAX_PDU, Malformed, type Pdu } from './pdu.js';

/** Cuts the stream into PDUs. A length that cannot be is the end: from there on nobody knows where a PDU begins. */
export function reader(
  take: (pdu: Pdu) => void,
  malformed: (error: Malformed) => void,
  hopeless: (what: string) => void,
): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let held = 0;
  let needed = 4;
  let dead = false;

  const one = (bytes: Buffer) => {
    try {
      take(decode(bytes));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      malformed(error);
    }
  };

  return (chunk) => {
    if (dead) return;
    chunks.push(chunk);
    held += chunk.length;
    if (held < needed) return;
    let rest = chunks.length === 1 ? chunk : Buffer.concat(chunks);
    needed = 4;
    while (rest.length >= 4) {
      const length = rest.readUInt32BE(0);
      if (length < HEADER || length > MAX_PDU) {
        dead = true;
        chunks = [];
        return hopeless(`a PDU of ${length} octets was announced`);
      }
      needed = length;
      if (rest.length < length) break;
      one(rest.subarray(0, length));
      rest = rest.subarray(length);
      needed = 4;
    }
    chunks = rest.length > 0 ? [rest] : [];
    held = rest.length;
  };
}
