// Owns HTTP as far as the counterparty needs it: one request, one answer, bounded, ended by its signal, and a clear word
// about the moment from which the request may have been read.
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { codeOf, GatepostError } from '../../src/driver/contract.js';

export interface WireRequest {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  /** For POST. */
  readonly body?: string;
  /** Longer answers are an error. */
  readonly maxBytes: number;
  readonly signal: AbortSignal;
  /** Called right before the first byte of a POST leaves: from here on the counterparty may have acted on it. */
  readonly committed?: () => void;
}

export interface WireReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Wire {
  /** Rejects when there is no whole answer. An answer that says "error" counts even when its body was cut off. */
  exchange(request: WireRequest): Promise<WireReply>;
  /** Cuts the connections that are kept; requests under way end with their signals. */
  close(): void;
}

/** Connections for reading at once to one host; Twilio allows far more, but nobody needs them. */
const SOCKETS = 50;

interface Agents {
  readonly 'http:': HttpAgent;
  readonly 'https:': HttpsAgent;
}

export function openWire(): Wire {
  const options = { keepAlive: true, maxSockets: SOCKETS };
  const kept: Agents = { 'http:': new HttpAgent(options), 'https:': new HttpsAgent(options) };
  return {
    async exchange(request) {
      // A POST goes out on a connection of its own: on one that was used before nobody can tell whether the server closed
      // it before or after it read the request.
      if (request.method === 'POST') return oneExchange(null, request);
      try {
        return await oneExchange(kept, request);
      } catch (error) {
        // Reading may be repeated, and this one most likely met a connection that had been closed meanwhile.
        if (request.signal.aborted || codeOf(error) !== 'ECONNRESET') throw error;
        return oneExchange(null, request);
      }
    },
    close() {
      kept['http:'].destroy();
      kept['https:'].destroy();
    },
  };
}

/** Without `agents` on a fresh connection. */
function oneExchange(agents: Agents | null, request: WireRequest): Promise<WireReply> {
  const { url, method, headers, signal } = request;
  return new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:';
    const open = secure ? httpsRequest : httpRequest;
    const agent = agents ? agents[secure ? 'https:' : 'http:'] : false;
    const sending = open(url, { method, headers: { ...headers }, agent, signal });
    sending.on('error', reject);
    sending.once('response', (reply) => collect(reply, request.maxBytes).then(resolve, reject));
    if (method === 'GET') return void sending.end();
    sending.once('socket', (socket: Socket) => {
      socket.once(secure ? 'secureConnect' : 'connect', () => {
        if (signal.aborted) return;
        request.committed?.();
        sending.end(request.body);
      });
    });
  });
}

async function collect(reply: IncomingMessage, maxBytes: number): Promise<WireReply> {
  const status = reply.statusCode ?? 0;
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of reply) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new GatepostError('twilio/too-large', `the answer is larger than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (status < 400) throw error;
  }
  return { status, headers: reply.headers, body: Buffer.concat(chunks) };
}
