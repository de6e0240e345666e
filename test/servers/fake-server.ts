// The server side of SimProt as a scriptable fake: real TCP, with an encoder and decoder of its own, so that a fault in
// src/simprot does not hide itself.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { Packr } from 'msgpackr/pack';
import type { CommandInfo, GatewayInfo, MessageContentInfo } from '../../src/model/message.js';
import type { Login } from '../../src/simprot/messages.js';

export interface FakeServerFrame {
  readonly code: string;
  readonly peer: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the client sent; tests read any member.
  readonly content: any;
  /** 1 for frames of the first connection, 2 for the second, ... */
  readonly connection: number;
}

/** The answer to an ES_MESSAGE_RECEIVING: Data "true", Data "false", or nothing at all. */
export type Verdict = boolean | 'silent';

export interface FakeServerOptions {
  /** A free port when absent; give the port of a closed fake server to come back on it. */
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

export interface FakeServerConnection {
  readonly number: number;
  readonly socket: Socket;
  login: Login | undefined;
  /** True once SE_LOGIN was sent; before that the connector may send nothing but ES_LOGIN. */
  answered: boolean;
}

export interface FakeServer {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** The answer to ES_SL_GETGATEWAYS; set it to change the answer. */
  gateways: GatewayInfo[];
  /** Decides on every ES_MESSAGE_RECEIVING; true with a random MessageId unless replaced. May take its time. */
  onReceiving: (message: MessageContentInfo) => Verdict | Promise<Verdict>;
  /** Decides on every login from now on; see FakeServerOptions. */
  accept: (login: Login) => true | string;
  /** Whether SE_PONG is given; true unless set to false. */
  pong: boolean;
  /** The connections that are open now, oldest first. */
  readonly connections: readonly FakeServerConnection[];
  /** Every frame that ever came, in order. */
  readonly frames: readonly FakeServerFrame[];
  /** The contents of every ES_MESSAGE_RECEIVING, of every ES_MESSAGE_SENT and of every ES_LOGIN, in order. */
  readonly received: readonly MessageContentInfo[];
  readonly sent: readonly CommandInfo[];
  readonly logins: readonly Login[];
  /** Sentences on what the connector did against the rules; expected to stay empty. */
  readonly violations: readonly string[];
  /** Resolves with the first recorded frame that fits, whether it came already or comes later. */
  waitForFrame(
    code: string,
    predicate?: (content: FakeServerFrame['content'], frame: FakeServerFrame) => boolean,
  ): Promise<FakeServerFrame>;
  /** Resolves once `count` frames with this code have come in all. */
  waitForFrames(code: string, count: number): Promise<readonly FakeServerFrame[]>;
  /** Resolves once exactly `count` connections are open. */
  waitForConnections(count: number): Promise<void>;
  /** Sends one MSG on the newest connection. */
  send(code: string, content: unknown): void;
  /** Sends SE_MESSAGE_SENDING. */
  sendRequest(message: Partial<MessageContentInfo>): void;
  /** Sends SE_MESSAGE_RECEIVED by hand, for late and repeated acks; gives the MessageId. */
  acknowledge(message: MessageContentInfo, accepted?: boolean, messageId?: string): string;
  sendRaw(bytes: Uint8Array): void;
  /** Cuts every connection. */
  drop(): void;
  /** Cuts every connection after half a frame. */
  dropMidFrame(): void;
  /** Stops reading and sending on the connections that are open now, without closing them. */
  stall(): void;
  close(): Promise<void>;
}

const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true });

/** A whole frame: length, then [code, peer, content]. */
export function serverFrame(code: string, content: unknown, encoding: 'json' | 'msgpack' = 'json'): Buffer {
  const native = encoding === 'msgpack' && typeof content === 'object';
  const body = packr.pack([code, null, content === null || native ? content : JSON.stringify(content)]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  return Buffer.concat([length, body]);
}

export async function startFakeServer(options: FakeServerOptions = {}): Promise<FakeServer> {
  const state = newState(options);
  const serve = (socket: Socket) => serveConnection(state, fakeServer, socket);
  const server: Server = options.tls ? createTlsServer(options.tls, serve) : createServer(serve);
  server.on('tlsClientError', () => {}); // tests also connect clients that do not trust this certificate
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const fakeServer = handleOf(state, server, options);
  return fakeServer;
}

interface State {
  readonly frames: FakeServerFrame[];
  readonly violations: string[];
  readonly connections: FakeServerConnection[];
  readonly stalled: Set<FakeServerConnection>;
  readonly encoding: 'json' | 'msgpack';
  readonly keepAlive: number;
  /** Runs every check that a test waits for. */
  readonly recheck: () => void;
  /** Resolves with the first result that is not undefined, checked now and after every event. */
  readonly firstResult: <T>(find: () => T | undefined) => Promise<T>;
  nextNumber: number;
}

function newState(options: FakeServerOptions): State {
  const checks = new Set<() => void>();
  return {
    frames: [],
    violations: [],
    connections: [],
    stalled: new Set(),
    encoding: options.encoding ?? 'json',
    keepAlive: options.keepAlive ?? 15,
    nextNumber: 1,
    recheck: () => {
      for (const check of [...checks]) check();
    },
    firstResult: (find) =>
      new Promise((resolve) => {
        const check = () => {
          const found = find();
          if (found === undefined) return;
          checks.delete(check);
          resolve(found);
        };
        checks.add(check);
        check();
      }),
  };
}

function write(state: State, connection: FakeServerConnection | undefined, bytes: Uint8Array): void {
  if (!connection) throw new Error('the fake server has no connection to send on');
  if (!state.stalled.has(connection) && connection.socket.writable) connection.socket.write(bytes);
}

function sendFrame(state: State, connection: FakeServerConnection | undefined, code: string, content: unknown): void {
  if (connection && code === 'SE_LOGIN') connection.answered = true;
  write(state, connection, serverFrame(code, content, state.encoding));
}

function answerLogin(state: State, fake: FakeServer, connection: FakeServerConnection, login: Login): void {
  connection.login = login;
  const verdict = fake.accept(login);
  if (verdict === 'silent') return;
  if (verdict === true) {
    sendFrame(state, connection, 'SE_LOGIN', { Success: true, KeepAlive: state.keepAlive });
    return;
  }
  sendFrame(state, connection, 'SE_LOGIN', { Success: false, Reason: verdict });
  connection.socket.end();
}

async function answer(
  state: State,
  fake: FakeServer,
  connection: FakeServerConnection,
  { code, content }: FakeServerFrame,
): Promise<void> {
  if (code === 'ES_LOGIN') answerLogin(state, fake, connection, content);
  else if (code === 'ES_PING' && fake.pong) sendFrame(state, connection, 'SE_PONG', null);
  else if (code === 'ES_SL_GETGATEWAYS') sendFrame(state, connection, 'SE_SL_MSGGATEWAYS', fake.gateways);
  else if (code === 'ES_MESSAGE_RECEIVING') {
    const verdict = await fake.onReceiving(content);
    const alive = state.connections.includes(connection) ? connection : state.connections.at(-1);
    if (verdict !== 'silent' && alive)
      sendFrame(state, alive, 'SE_MESSAGE_RECEIVED', ackOf(content, verdict, crypto.randomUUID()));
  }
}

function takeFrame(state: State, fake: FakeServer, connection: FakeServerConnection, body: Buffer): void {
  const [code, peer, text, ...rest] = packr.unpack(body);
  const content = typeof text === 'string' ? JSON.parse(text) : text;
  const { violations } = state;
  if (typeof code !== 'string' || peer !== null || rest.length > 0) violations.push(`malformed frame ${code}`);
  if (!connection.login && code !== 'ES_LOGIN') violations.push(`${code} before ES_LOGIN`);
  if (connection.login && code === 'ES_LOGIN') violations.push('ES_LOGIN twice');
  if (connection.login && !connection.answered) violations.push(`${code} before SE_LOGIN`);
  const frame = { code, peer, content, connection: connection.number };
  state.frames.push(frame);
  void answer(state, fake, connection, frame);
  state.recheck();
}

function serveConnection(state: State, fake: FakeServer, socket: Socket): void {
  const connection: FakeServerConnection = { number: state.nextNumber++, socket, login: undefined, answered: false };
  state.connections.push(connection);
  socket.setNoDelay(true);
  socket.on('error', () => {}); // tests also end connectors without a goodbye
  socket.on(
    'data',
    frameSplitter((body) => takeFrame(state, fake, connection, body)),
  );
  socket.on('close', () => {
    state.connections.splice(state.connections.indexOf(connection), 1);
    state.recheck();
  });
  state.recheck();
}

/** Joins chunks only once a whole frame is there: joining on every chunk is quadratic for large frames. */
function frameSplitter(onFrame: (body: Buffer) => void): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let size = 0;
  let need = 4;
  return (chunk) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size < need) return;
    let rest = Buffer.concat(chunks);
    need = 4;
    while (rest.length >= need) {
      need = 4 + rest.readUInt32BE(0);
      if (rest.length < need) break;
      const body = rest.subarray(4, need);
      rest = rest.subarray(need);
      need = 4;
      onFrame(body);
    }
    chunks = [rest];
    size = rest.length;
  };
}

function handleOf(state: State, server: Server, options: FakeServerOptions): FakeServer {
  const { port } = server.address() as AddressInfo;
  const contents = (code: string) => state.frames.filter((frame) => frame.code === code).map(({ content }) => content);
  return {
    host: '127.0.0.1',
    port,
    gateways: options.gateways ?? [],
    onReceiving: () => true,
    accept: options.accept ?? (() => true),
    pong: true,
    connections: state.connections,
    frames: state.frames,
    violations: state.violations,
    get received() {
      return contents('ES_MESSAGE_RECEIVING');
    },
    get sent() {
      return contents('ES_MESSAGE_SENT');
    },
    get logins() {
      return contents('ES_LOGIN');
    },
    ...waitsOf(state),
    ...sendsOf(state),
    ...faultsOf(state),
    async close() {
      for (const { socket } of [...state.connections]) socket.destroy();
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}

function waitsOf({
  frames,
  connections,
  firstResult,
}: State): Pick<FakeServer, 'waitForFrame' | 'waitForFrames' | 'waitForConnections'> {
  return {
    waitForFrame: (code, predicate = () => true) =>
      firstResult(() => frames.find((frame) => frame.code === code && predicate(frame.content, frame))),
    waitForFrames: (code, count) =>
      firstResult(() => {
        const found = frames.filter((frame) => frame.code === code);
        return found.length >= count ? found : undefined;
      }),
    waitForConnections: async (count) => {
      await firstResult(() => (connections.length === count ? true : undefined));
    },
  };
}

function sendsOf(state: State): Pick<FakeServer, 'send' | 'sendRequest' | 'acknowledge' | 'sendRaw'> {
  const newest = () => state.connections.at(-1);
  return {
    send: (code, content) => sendFrame(state, newest(), code, content),
    sendRequest: (message) => sendFrame(state, newest(), 'SE_MESSAGE_SENDING', message),
    acknowledge(message, accepted = true, messageId = crypto.randomUUID()) {
      sendFrame(state, newest(), 'SE_MESSAGE_RECEIVED', ackOf(message, accepted, messageId));
      return messageId;
    },
    sendRaw: (bytes) => write(state, newest(), bytes),
  };
}

function faultsOf({ connections, stalled }: State): Pick<FakeServer, 'drop' | 'dropMidFrame' | 'stall'> {
  return {
    drop() {
      for (const { socket } of [...connections]) socket.destroy();
    },
    dropMidFrame() {
      const frame = serverFrame('SE_MESSAGE_SENDING', { SubjectField: 'never arrives whole'.repeat(20) });
      for (const { socket } of [...connections]) socket.write(frame.subarray(0, 100), () => socket.destroy());
    },
    stall() {
      for (const connection of connections) {
        stalled.add(connection);
        connection.socket.pause();
      }
    },
  };
}

function ackOf(message: MessageContentInfo, accepted: boolean, messageId: string): CommandInfo {
  const { GatewayId, RequestId } = message;
  const TimeStamp = new Date().toISOString();
  return { Id: messageId, RefId: GatewayId, Reference: RequestId, Data: String(accepted), TimeStamp };
}
