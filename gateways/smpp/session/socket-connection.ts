// One TCP or TLS connection to an SMSC: requests and their responses, enquire_link, unbind. It does not know what is bound.
// States: open -> closed, once and for ever. Point of no return: a request that was handed to the socket may have been
// processed, whatever becomes of the connection afterwards.
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  type Clock,
  deadline,
  GatepostError,
  messageOf,
  type Network,
  raceSignal,
  sleep,
} from '../../../src/driver/contract.js';
import { connectionFault, describeConnectionError } from '../../../src/driver/shared/connection-faults.js';
import { encode, type Fields, type Malformed, type Pdu } from '../pdu/pdu.js';
import { PduDecoder } from '../pdu/pdu-decoder.js';
import { STATUS } from '../pdu/status.js';
import { type Connection, type ConnectionEvents, ConnectionLost } from './connection.js';
import { settledBy } from './settled.js';

export interface Target {
  readonly Host: string;
  readonly Port: number;
  readonly Tls: boolean;
  readonly AllowUntrustedCertificate: boolean;
  readonly network: Network;
}

/** Longest time for the SMSC to respond to enquire_link and to unbind, ms. */
const ENQUIRE_MS = 10_000;
const UNBIND_MS = 2_000;
const MAX_SEQUENCE = 0x7fffffff;

export async function openConnection(
  target: Target,
  clock: Clock,
  events: ConnectionEvents,
  signal: AbortSignal,
): Promise<Connection> {
  signal.throwIfAborted();
  const socket = socketTo(target);
  socket.setNoDelay(true);
  const connected = new Promise<void>((resolve, reject) => {
    socket.once(target.Tls ? 'secureConnect' : 'connect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
  });
  try {
    await raceSignal(connected, signal, `connecting to ${target.Host}:${target.Port}`);
  } catch (error) {
    socket.on('error', () => {});
    socket.destroy();
    throw connectError(error);
  }
  return new SocketConnection(socket, clock, events);
}

/** The caller puts the address in front. */
function connectError(cause: unknown): unknown {
  const fault = connectionFault(cause);
  if (!fault || cause instanceof GatepostError) return cause;
  return new GatepostError('smpp/unreachable', fault.text, { advice: fault.advice, cause });
}

function socketTo({ Host: host, Port: port, Tls, AllowUntrustedCertificate, network }: Target): Socket {
  const to = { ...network.to(host), port };
  if (!Tls) return connect(to);
  // An IP address must not be sent as server name (RFC 6066, 3).
  const name = isIP(host) ? {} : { servername: host };
  return connectTls({ ...to, ...name, rejectUnauthorized: !AllowUntrustedCertificate });
}

interface PendingRequest {
  readonly command: string;
  resolve(pdu: Pdu): void;
  reject(error: ConnectionLost): void;
  /** Responses written before this request. */
  readonly responsesBefore: number;
}

class SocketConnection implements Connection {
  readonly closed: Promise<string>;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #events: ConnectionEvents;
  /** Bounded by the callers: the throttle's window, one bind, one enquire_link, one unbind, one query_sm per lookup. */
  readonly #pending = new Map<number, PendingRequest>();
  readonly #over = new AbortController();
  #sequence = 0;
  #responses = 0;
  #responsesRead = 0;
  #isCorked = false;
  #why = 'the SMSC closed the connection';

  constructor(socket: Socket, clock: Clock, events: ConnectionEvents) {
    this.#socket = socket;
    this.#clock = clock;
    this.#events = events;
    const decoder = new PduDecoder({
      onPdu: (pdu) => this.#onPdu(pdu),
      onMalformed: (error) => this.#onMalformed(error),
      onUnreadable: (what) => this.#onUnreadable(what),
    });
    socket.on('data', (chunk) => decoder.push(chunk));
    socket.on('error', (error) => {
      this.#why = describeConnectionError(error, 'the SMSC');
    });
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#onClose();
        resolve(this.#why);
      });
    });
  }

  get isOpen(): boolean {
    return this.#socket.writable && !this.#over.signal.aborted;
  }

  get responsesRead(): number {
    return this.#responsesRead;
  }

  request(command: string, fields?: Fields): Promise<Pdu> {
    if (!this.isOpen) return Promise.reject(new ConnectionLost(this.#why, false));
    const sequence = this.#nextSequence();
    const bytes = encode(command, sequence, STATUS.ok, fields);
    const response = new Promise<Pdu>((resolve, reject) => {
      this.#pending.set(sequence, { command, resolve, reject, responsesBefore: this.#responses });
    });
    this.#write(bytes);
    return response;
  }

  respond(pdu: Pdu, status: number): number | undefined {
    if (!this.isOpen) return undefined;
    this.#write(encode(`${pdu.command}_resp`, pdu.sequence, status));
    this.#responses += 1;
    return this.#responses;
  }

  startEnquiring(seconds: number): void {
    void this.#enquire(seconds);
  }

  async unbind(): Promise<void> {
    if (this.isOpen) {
      const due = deadline(this.#clock, UNBIND_MS);
      await due.race(this.request('unbind'), 'unbind').catch(() => undefined);
      due.dispose();
    }
    this.destroy('closed by Gatepost');
    await this.closed;
  }

  destroy(why: string): void {
    if (!this.#over.signal.aborted && !this.#socket.destroyed) this.#why = why;
    this.#socket.destroy();
  }

  #nextSequence(): number {
    do this.#sequence = this.#sequence >= MAX_SEQUENCE ? 1 : this.#sequence + 1;
    while (this.#pending.has(this.#sequence));
    return this.#sequence;
  }

  /** All PDUs of one turn of the event loop go out in one packet. */
  #write(bytes: Buffer): void {
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(bytes);
  }

  #onPdu(pdu: Pdu): void {
    if (!pdu.isResponse) return void this.#onRequest(pdu);
    if (pdu.flaw !== undefined) this.#events.onMalformed(pdu.flaw);
    const pending = this.#takePending(pdu.sequence);
    if (!pending) return;
    const mismatch = mismatchOf(pending.command, pdu);
    if (mismatch !== undefined) {
      this.#events.onMalformed(mismatch);
      return void pending.reject(new ConnectionLost(mismatch, true));
    }
    this.#responsesRead = Math.max(this.#responsesRead, pending.responsesBefore);
    pending.resolve(pdu);
  }

  #onRequest(pdu: Pdu): void {
    if (pdu.command === 'enquire_link') return void this.respond(pdu, STATUS.ok);
    if (pdu.command === 'unbind') {
      this.respond(pdu, STATUS.ok);
      this.#why = 'the SMSC sent unbind';
      this.#socket.end();
      return;
    }
    if (pdu.command === 'unknown') {
      this.#events.onMalformed('a request with an unknown command id');
      return void this.#write(encode('generic_nack', pdu.sequence, STATUS.invalidCommand));
    }
    this.#events.onRequest(pdu, this);
  }

  #onMalformed(error: Malformed): void {
    this.#events.onMalformed(error.message);
    if (error.isRequest) return void this.#write(encode('generic_nack', error.sequence, STATUS.invalidLength));
    // The response will not come a second time, so its request must not wait for it.
    const why = `a response that cannot be decoded (${error.message})`;
    this.#takePending(error.sequence)?.reject(new ConnectionLost(why, true));
  }

  #onUnreadable(what: string): void {
    this.#events.onMalformed(what);
    this.#write(encode('generic_nack', 0, STATUS.invalidLength));
    this.#why = what;
    this.#socket.destroySoon();
  }

  #onClose(): void {
    this.#over.abort(new ConnectionLost(this.#why, true));
    for (const { reject } of this.#pending.values()) reject(new ConnectionLost(this.#why, true));
    this.#pending.clear();
  }

  #takePending(sequence: number): PendingRequest | undefined {
    const pending = this.#pending.get(sequence);
    this.#pending.delete(sequence);
    return pending;
  }

  async #enquire(seconds: number): Promise<void> {
    try {
      for (;;) {
        await sleep(this.#clock, seconds * 1000, this.#over.signal);
        await this.#enquireOnce(Math.min(ENQUIRE_MS, seconds * 1000));
      }
    } catch (error) {
      this.destroy(`no response to enquire_link: ${messageOf(error)}`);
    }
  }

  /** Any response shows that the SMSC is alive, also one that does not fit. */
  async #enquireOnce(ms: number): Promise<void> {
    const due = deadline(this.#clock, ms, this.#over.signal);
    const response = this.request('enquire_link').catch((error) => {
      if (!this.isOpen) throw error;
    });
    await settledBy(response, due.signal, 'enquire_link').finally(due.dispose);
  }
}

/** Why a PDU is no response to `command`, although it has its sequence number (SMPP 3.4, 4.3); undefined when it is one. */
function mismatchOf(command: string, { command: received, status }: Pdu): string | undefined {
  if (received === `${command}_resp` || (received === 'generic_nack' && status !== STATUS.ok)) return undefined;
  return received === 'generic_nack'
    ? `a generic_nack with status 0 instead of a response to ${command}`
    : `a ${received} instead of a response to ${command}`;
}
