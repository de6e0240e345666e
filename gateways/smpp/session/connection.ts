// Owns one connection to an SMSC: requests and their answers, enquire_link, the end. Knows nothing of binds.
// A request that was handed to the socket may have been taken, whatever happens then: that is the point of no return.
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Clock, deadline, messageOf, raceSignal, sleep } from '../../../src/driver/contract.js';
import { encode, type FieldValue, type Malformed, type Pdu } from '../pdu/pdu.js';
import { reader } from '../pdu/pdu-decoder.js';
import { STATUS } from '../pdu/status.js';

type Fields = Readonly<Record<string, FieldValue | undefined>>;

export interface Target {
  readonly Host: string;
  readonly Port: number;
  readonly Tls: boolean;
  readonly AllowUntrustedCertificate: boolean;
}

/** The connection is over. `written`: the request had been handed to the socket, so it may have been taken. */
export class LinkLost extends Error {
  override readonly name = 'LinkLost';
  readonly written: boolean;
  constructor(why: string, written: boolean) {
    super(why);
    this.written = written;
  }
}

export interface Wire {
  readonly open: boolean;
  /** Writes a request in this very turn; resolves with its answer, whatever its status, or rejects with LinkLost: also when
   *  what came says neither yes nor no. */
  request(command: string, fields?: Fields): Promise<Pdu>;
  /** Answers a request of the SMSC; the number of this answer among all, or undefined when the connection is over. */
  answer(pdu: Pdu, status: number): number | undefined;
  /** Answers up to this number have surely been read there: a later request of ours was answered (one stream, in order). */
  readonly read: number;
  /** Resolves with the reason when the connection is over. */
  readonly lost: Promise<string>;
  /** Begins to try the connection every so many seconds. */
  enquireEvery(seconds: number): void;
  /** Says goodbye and closes; resolves when the socket is closed. */
  end(): Promise<void>;
  /** Closes at once. */
  cut(why: string): void;
}

export interface WireEvents {
  /** A request of the SMSC. */
  onRequest(pdu: Pdu, wire: Wire): void;
  /** Bytes that are no PDU. */
  onMalformed(what: string): void;
}

/** Ms that an SMSC may take to answer enquire_link and unbind. */
const ANSWER_MS = 10_000;
const GOODBYE_MS = 2_000;

export async function dial(target: Target, clock: Clock, events: WireEvents, signal: AbortSignal): Promise<Wire> {
  const { Host: host, Port: port } = target;
  signal.throwIfAborted();
  const socket = target.Tls
    ? connectTls({
        host,
        port,
        // RFC 6066, 3: an address is no server name.
        ...(isIP(host) ? {} : { servername: host }),
        rejectUnauthorized: !target.AllowUntrustedCertificate,
      })
    : connect({ host, port });
  socket.setNoDelay(true);
  const connected = new Promise<void>((resolve, reject) => {
    socket.once(target.Tls ? 'secureConnect' : 'connect', resolve);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
  });
  try {
    await raceSignal(connected, signal, `connecting to ${host}:${port}`);
  } catch (error) {
    socket.on('error', () => {});
    socket.destroy();
    throw error;
  }
  return wireOver(socket, clock, events);
}

interface Waiting {
  readonly command: string;
  resolve(pdu: Pdu): void;
  reject(error: LinkLost): void;
  /** Answers written before this request. */
  readonly answersBefore: number;
}

function wireOver(socket: Socket, clock: Clock, events: WireEvents): Wire {
  const waiting = new Map<number, Waiting>();
  const over = new AbortController();
  let sequence = 0;
  let answers = 0;
  let read = 0;
  let corked = false;
  let why = 'the SMSC closed the connection';
  let resolveLost: (reason: string) => void = () => {};
  const lost = new Promise<string>((resolve) => {
    resolveLost = resolve;
  });

  /** What one turn writes goes out in one piece. */
  const write = (bytes: Buffer) => {
    if (!corked) {
      corked = true;
      socket.cork();
      process.nextTick(() => {
        corked = false;
        socket.uncork();
      });
    }
    socket.write(bytes);
  };

  const take = (pdu: Pdu) => {
    if (!pdu.isResponse) return respond(pdu);
    if (pdu.flaw !== undefined) events.onMalformed(pdu.flaw);
    const entry = waiting.get(pdu.sequence);
    if (!entry) return;
    waiting.delete(pdu.sequence);
    const strange = strangeness(entry.command, pdu);
    if (strange !== undefined) {
      events.onMalformed(strange);
      return entry.reject(new LinkLost(strange, true));
    }
    read = Math.max(read, entry.answersBefore);
    entry.resolve(pdu);
  };

  const respond = (pdu: Pdu) => {
    if (pdu.command === 'enquire_link') return void wire.answer(pdu, STATUS.ok);
    if (pdu.command === 'unbind') {
      wire.answer(pdu, STATUS.ok);
      why = 'the SMSC said goodbye (unbind)';
      socket.end();
      return;
    }
    if (pdu.command === 'unknown') {
      events.onMalformed('a request of a kind that is not known');
      return write(encode('generic_nack', pdu.sequence, STATUS.invalidCommand));
    }
    events.onRequest(pdu, wire);
  };

  const malformed = (error: Malformed) => {
    events.onMalformed(error.message);
    if (error.isRequest) return write(encode('generic_nack', error.sequence, STATUS.invalidLength));
    // An answer that cannot be read is an answer that will not come: nobody must wait for it any more.
    const entry = waiting.get(error.sequence);
    waiting.delete(error.sequence);
    entry?.reject(new LinkLost(`an answer that cannot be read (${error.message})`, true));
  };

  const wire: Wire = {
    get open() {
      return socket.writable && !over.signal.aborted;
    },
    get read() {
      return read;
    },
    lost,
    request(command, fields) {
      if (!wire.open) return Promise.reject(new LinkLost(why, false));
      do sequence = sequence >= 0x7fffffff ? 1 : sequence + 1;
      while (waiting.has(sequence));
      const bytes = encode(command, sequence, STATUS.ok, fields);
      const answer = new Promise<Pdu>((resolve, reject) => {
        waiting.set(sequence, { command, resolve, reject, answersBefore: answers });
      });
      write(bytes);
      return answer;
    },
    answer(pdu, status) {
      if (!wire.open) return undefined;
      write(encode(`${pdu.command}_resp`, pdu.sequence, status));
      answers += 1;
      return answers;
    },
    enquireEvery: (seconds) => void enquire(seconds),
    async end() {
      if (wire.open) {
        const time = deadline(clock, GOODBYE_MS);
        await time.race(wire.request('unbind'), 'unbind').catch(() => undefined);
        time.dispose();
      }
      wire.cut('closed here');
      await lost;
    },
    cut(reason) {
      if (!over.signal.aborted && !socket.destroyed) why = reason;
      socket.destroy();
    },
  };

  async function enquire(seconds: number): Promise<void> {
    try {
      for (;;) {
        await sleep(clock, seconds * 1000, over.signal);
        const time = deadline(clock, Math.min(ANSWER_MS, seconds * 1000), over.signal);
        // Whatever it answers, it lives.
        const asked = wire.request('enquire_link').catch((error) => {
          if (!wire.open) throw error;
        });
        await time.race(asked, 'enquire_link').finally(time.dispose);
      }
    } catch (error) {
      wire.cut(`it did not answer enquire_link: ${messageOf(error)}`);
    }
  }

  socket.on(
    'data',
    reader(take, malformed, (what) => {
      events.onMalformed(what);
      write(encode('generic_nack', 0, STATUS.invalidLength));
      why = what;
      socket.destroySoon();
    }),
  );
  socket.on('error', (error) => {
    why = messageOf(error);
  });
  socket.once('close', () => {
    over.abort(new LinkLost(why, true));
    for (const { reject } of waiting.values()) reject(new LinkLost(why, true));
    waiting.clear();
    resolveLost(why);
  });
  return wire;
}

/** Why this is no answer to that request, though it has its number; undefined when it is one (SMPP 3.4, 4.3: generic_nack says no). */
function strangeness(command: string, { command: came, status }: Pdu): string | undefined {
  if (came === `${command}_resp` || (came === 'generic_nack' && status !== STATUS.ok)) return undefined;
  return came === 'generic_nack'
    ? `a generic_nack with status 0 in place of an answer to ${command}`
    : `a ${came} in place of an answer to ${command}`;
}
