// Cuts the byte stream of a connection into PDUs: a chunk holds many of them, or a piece of one. Holds at most MAX_PDU
// octets and one chunk. An impossible length ends the decoding, because nothing marks where the next PDU begins.
import { decode, HEADER, MAX_PDU, Malformed, type Pdu } from './pdu.js';

export interface PduEvents {
  onPdu(pdu: Pdu): void;
  onMalformed(error: Malformed): void;
  /** The stream cannot be read any further. */
  onUnreadable(what: string): void;
}

/** Octets of the length field. */
const LENGTH = 4;

export class PduDecoder {
  readonly #events: PduEvents;
  #chunks: Buffer[] = [];
  #held = 0;
  #needed = LENGTH;
  #isUnreadable = false;

  constructor(events: PduEvents) {
    this.#events = events;
  }

  push(chunk: Buffer): void {
    if (this.#isUnreadable) return;
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    if (this.#held < this.#needed) return;
    const rest = this.#cut(this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks));
    this.#chunks = rest.length > 0 ? [rest] : [];
    this.#held = rest.length;
  }

  /** Emits every whole PDU and returns the rest. */
  #cut(bytes: Buffer): Buffer {
    let rest = bytes;
    this.#needed = LENGTH;
    while (rest.length >= LENGTH) {
      const length = rest.readUInt32BE(0);
      if (length < HEADER || length > MAX_PDU) {
        this.#isUnreadable = true;
        this.#events.onUnreadable(`a PDU of ${length} octets was announced`);
        return Buffer.alloc(0);
      }
      this.#needed = length;
      if (rest.length < length) break;
      this.#emit(rest.subarray(0, length));
      rest = rest.subarray(length);
      this.#needed = LENGTH;
    }
    return rest;
  }

  #emit(bytes: Buffer): void {
    try {
      this.#events.onPdu(decode(bytes));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.#events.onMalformed(error);
    }
  }
}
