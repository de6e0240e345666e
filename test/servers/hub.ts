// Owns the scriptable server side of SimProt for tests: real TCP, its own few lines of encoding and decoding (nothing of
// src/simprot but type names), so that what it checks is checked by somebody else.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { Packr } from 'msgpackr/pack';
import type { CommandInfo, GatewayInfo, MessageContentInfo } from '../../src/model/message.js';
import type { Login } from '../../src/simprot/messages.js';

export interface HubFrame {
  readonly code: string;
  readonly peer: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: whatever came over the wire; tests look into it freely.
  readonly content: any;
  /** 1 for frames of the first connection, 2 for the second, ... */
  readonly connection: number;
}

/** What the hub says to an ES_MESSAGE_RECEIVING: Data "true", Data "false", or nothing at all. */
export type Verdict = boolean | 'silent';

export interface HubOptions {
  /** A free port when absent; give the port of a closed hub to come back on it. */
  port?: number;
  gateways?: GatewayInfo[];
  /** Seconds announced in SE_LOGIN; 15 when absent. */
  keepAlive?: number;
  /** True lets the login in, a text refuses it with that Reason, 'silent' never answers it. */
  accept?: (login: Login) => true | string;
  /** How contents are written; JSON text when absent. */
  encoding?: 'json' | 'msgpack';
  tls?: TlsOptions;
}

export interface HubConnection {
  readonly number: number;
  readonly socket: Socket;
  login: Login | undefined;
  /** True once SE_LOGIN was sent; before that the connector may send nothing but ES_LOGIN. */
  answered: boolean;
}

export interface Hub {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** The answer to ES_SL_GETGATEWAYS; set it to change the answer. */
  gateways: GatewayInfo[];
  /** Decides on every ES_MESSAGE_RECEIVING; true with a random MessageId unless replaced. May take its time. */
  onReceiving: (message: MessageContentInfo) => Verdict | Promise<Verdict>;
  /** Decides on every login from now on; see HubOptions. */
  accept: (login: Login) => true | string;
  /** Whether SE_PONG is given; true unless set to false. */
  pong: boolean;
  /** The connections that are open now, oldest first. */
  readonly connections: readonly HubConnection[];
  /** Every frame that ever came, in order. */
  readonly frames: readonly HubFrame[];
  /** The contents of every ES_MESSAGE_RECEIVING, of every ES_MESSAGE_SENT and of every ES_LOGIN, in order. */
  readonly received: readonly MessageContentInfo[];
  readonly sent: readonly CommandInfo[];
  readonly logins: readonly Login[];
  /** Sentences on what the connector did against the rules; expected to stay empty. */
  readonly violations: readonly string[];
  /** Resolves with the first recorded frame that fits, whether it came already or comes later. */
  until(code: string, predicate?: (content: HubFrame['content'], frame: HubFrame) => boolean): Promise<HubFrame>;
  /** Resolves once `count` frames with this code have come in all. */
  untilCount(code: string, count: number): Promise<readonly HubFrame[]>;
  /** Resolves once exactly `count` connections are open. */
  untilConnections(count: number): Promise<void>;
  /** Sends one MSG on the newest connection. */
  send(code: string, content: unknown): void;
  /** Sends SE_MESSAGE_SENDING. */
  sendRequest(message: Partial<MessageContentInfo>): void;
  /** Sends SE_MESSAGE_RECEIVED by hand, for late and repeated acks; gives the MessageId. */
  acknowledge(message: MessageContentInfo, taken?: boolean, messageId?: string): string;
  sendRaw(bytes: Uint8Array): void;
  /** Cuts every connection. */
  drop(): void;
  /** Cuts every connection after half a frame. */
  dropMidFrame(): void;
  /** Reads and says nothing more on the connections that are open now, without closing them. */
  stall(): void;
  close(): Promise<void>;
}

const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true });

/** A whole frame: length, then [code, peer, content]. */
export function hubFrame(code: string, content: unknown, encoding: 'json' | 'msgpack' = 'json'): Buffer {
  const native = encoding === 'msgpack' && typeof content === 'object';
  const body = packr.pack([code, null, content === null || native ? content : JSON.stringify(content)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

export async function startHub(options: HubOptions = {}): Promise<Hub> {
  const frames: HubFrame[] = [];
  const violations: string[] = [];
  const connections: HubConnection[] = [];
  const stalled = new Set<HubConnection>();
  const checks = new Set<() => void>();
  const encoding = options.encoding ?? 'json';
  let numbers = 0;

  const look = () => {
    for (const check of [...checks]) check();
  };
  /** Resolves with the first result that is not undefined, looking now and after everything that happens. */
  const untilFact = <T>(find: () => T | undefined): Promise<T> =>
    new Promise((resolve) => {
      const check = () => {
        const found = find();
        if (found === undefined) return;
        checks.delete(check);
        resolve(found);
      };
      checks.add(check);
      check();
    });
  const write = (connection: HubConnection | undefined, bytes: Uint8Array) => {
    if (!connection) throw new Error('the hub has no connection to send on');
    if (!stalled.has(connection) && connection.socket.writable) connection.socket.write(bytes);
  };
  const say = (connection: HubConnection | undefined, code: string, content: unknown) => {
    if (connection && code === 'SE_LOGIN') connection.answered = true;
    write(connection, hubFrame(code, content, encoding));
  };
  const newest = () => connections.at(-1);
  const contents = (code: string) => frames.filter((frame) => frame.code === code).map((frame) => frame.content);

  const answerLogin = (connection: HubConnection, login: Login) => {
    connection.login = login;
    const verdict = hub.accept(login);
    if (verdict === 'silent') return;
    if (verdict === true) return say(connection, 'SE_LOGIN', { Success: true, KeepAlive: options.keepAlive ?? 15 });
    say(connection, 'SE_LOGIN', { Success: false, Reason: verdict });
    connection.socket.end();
  };
  const answer = async (connection: HubConnection, { code, content }: HubFrame) => {
    if (code === 'ES_LOGIN') answerLogin(connection, content);
    else if (code === 'ES_PING' && hub.pong) say(connection, 'SE_PONG', null);
    else if (code === 'ES_SL_GETGATEWAYS') say(connection, 'SE_SL_MSGGATEWAYS', hub.gateways);
    else if (code === 'ES_MESSAGE_RECEIVING') {
      const verdict = await hub.onReceiving(content);
      const alive = connections.includes(connection) ? connection : newest();
      if (verdict !== 'silent' && alive)
        say(alive, 'SE_MESSAGE_RECEIVED', ackOf(content, verdict, crypto.randomUUID()));
    }
  };
  const take = (connection: HubConnection, body: Buffer) => {
    const [code, peer, text, ...rest] = packr.unpack(body);
    const content = typeof text === 'string' ? JSON.parse(text) : text;
    if (typeof code !== 'string' || peer !== null || rest.length > 0) violations.push(`bad shape of ${code}`);
    if (!connection.login && code !== 'ES_LOGIN') violations.push(`${code} before ES_LOGIN`);
    if (connection.login && code === 'ES_LOGIN') violations.push('ES_LOGIN twice');
    if (connection.login && !connection.answered) violations.push(`${code} before SE_LOGIN`);
    const frame = { code, peer, content, connection: connection.number };
    frames.push(frame);
    void answer(connection, frame);
    look();
  };
  const serve = (socket: Socket) => {
    const connection: HubConnection = { number: ++numbers, socket, login: undefined, answered: false };
    connections.push(connection);
    let pieces: Buffer[] = [];
    let size = 0;
    let need = 4;
    socket.setNoDelay(true);
    socket.on('error', () => {}); // a connector that vanishes is part of the game
    socket.on('data', (chunk: Buffer) => {
      pieces.push(chunk);
      size += chunk.length;
      if (size < need) return;
      let held = Buffer.concat(pieces);
      need = 4;
      while (held.length >= need) {
        need = 4 + held.readUInt32BE(0);
        if (held.length < need) break;
        const body = held.subarray(4, need);
        held = held.subarray(need);
        need = 4;
        take(connection, body);
      }
      pieces = [held];
      size = held.length;
    });
    socket.on('close', () => {
      connections.splice(connections.indexOf(connection), 1);
      look();
    });
    look();
  };

  const server: Server = options.tls ? createTlsServer(options.tls, serve) : createServer(serve);
  server.on('tlsClientError', () => {}); // a client that does not trust us is part of the game
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const hub: Hub = {
    host: '127.0.0.1',
    port,
    gateways: options.gateways ?? [],
    onReceiving: () => true,
    accept: options.accept ?? (() => true),
    pong: true,
    connections,
    frames,
    violations,
    get received() {
      return contents('ES_MESSAGE_RECEIVING');
    },
    get sent() {
      return contents('ES_MESSAGE_SENT');
    },
    get logins() {
      return contents('ES_LOGIN');
    },
    until: (code, predicate = () => true) =>
      untilFact(() => frames.find((frame) => frame.code === code && predicate(frame.content, frame))),
    untilCount: (code, count) =>
      untilFact(() => {
        const found = frames.filter((frame) => frame.code === code);
        return found.length >= count ? found : undefined;
      }),
    untilConnections: async (count) => {
      await untilFact(() => (connections.length === count ? true : undefined));
    },
    send: (code, content) => say(newest(), code, content),
    sendRequest: (message) => say(newest(), 'SE_MESSAGE_SENDING', message),
    acknowledge(message, taken = true, messageId = crypto.randomUUID()) {
      say(newest(), 'SE_MESSAGE_RECEIVED', ackOf(message, taken, messageId));
      return messageId;
    },
    sendRaw: (bytes) => write(newest(), bytes),
    drop() {
      for (const { socket } of [...connections]) socket.destroy();
    },
    dropMidFrame() {
      const frame = hubFrame('SE_MESSAGE_SENDING', { SubjectField: 'never arrives whole'.repeat(20) });
      for (const { socket } of [...connections]) socket.write(frame.subarray(0, 100), () => socket.destroy());
    },
    stall() {
      for (const connection of connections) {
        stalled.add(connection);
        connection.socket.pause();
      }
    },
    async close() {
      hub.drop();
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
  return hub;
}

function ackOf(message: MessageContentInfo, taken: boolean, messageId: string): CommandInfo {
  const { GatewayId, RequestId } = message;
  const TimeStamp = new Date().toISOString();
  return { Id: messageId, RefId: GatewayId, Reference: RequestId, Data: String(taken), TimeStamp };
}
