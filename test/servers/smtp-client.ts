// An SMTP client over a raw socket that sends exactly the lines of the test.
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

export interface SmtpClient {
  /** Sends a line and resolves with the whole reply; lines of a long one joined by \n. Rejects when the line breaks. */
  command(line: string): Promise<string>;
  /** Sends bytes as they are. */
  write(bytes: string | Uint8Array): void;
  /** The next reply. */
  reply(): Promise<string>;
  /** EHLO, envelope, DATA, the mail with dots stuffed, the final dot; resolves with the reply to that. */
  deliver(raw: Uint8Array | string, envelope?: { from?: string; to?: readonly string[] }): Promise<string>;
  /** STARTTLS and the handshake. `injected` follows the command in the same segment, as a man in the middle does it. */
  secure(options: ConnectionOptions, injected?: string): Promise<void>;
  /** Resolves when the connection is over. */
  readonly closed: Promise<void>;
  cut(): void;
}

/** Connects and resolves once the greeting has come. */
export async function smtpClient(
  port: number,
  options: { tls?: ConnectionOptions } = {},
): Promise<SmtpClient & { greeting: string }> {
  const there = { port, host: '127.0.0.1' };
  let socket: Socket = options.tls ? connectTls({ ...there, ...options.tls }) : connect(there);
  const reader = replyReader();
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      reader.end();
      resolve();
    });
  });
  const listen = () => {
    socket.on('error', () => {}); // 'close' follows
    socket.on('data', (chunk: Buffer) => reader.take(chunk));
  };
  listen();
  const write = (bytes: string | Uint8Array) => void socket.write(bytes);
  const command = (line: string) => {
    write(`${line}\r\n`);
    return reader.next();
  };
  const secure = async (tls: ConnectionOptions, injected = '') => {
    await command(`STARTTLS${injected && `\r\n${injected}`}`);
    const plain = socket.removeAllListeners('data');
    await new Promise<void>((resolve, reject) => {
      socket = connectTls({ socket: plain, ...tls }, resolve);
      socket.once('error', reject);
    });
    listen();
  };
  const greeting = await reader.next();
  const cut = () => void socket.destroy();
  return { greeting, command, write, reply: reader.next, deliver: deliverer(command, write), secure, closed, cut };
}

function deliverer(command: SmtpClient['command'], write: SmtpClient['write']): SmtpClient['deliver'] {
  return async (raw, { from = 'anna@example.net', to = ['desk@example.test'] } = {}) => {
    const recipients = to.map((address) => `RCPT TO:<${address}>`);
    for (const line of ['EHLO client.test', `MAIL FROM:<${from}>`, ...recipients, 'DATA']) {
      const answer = await command(line);
      if (!/^[23]/.test(answer)) return answer;
    }
    const bytes = typeof raw === 'string' ? raw : Buffer.from(raw).toString('latin1');
    const end = bytes.endsWith('\r\n') ? '' : '\r\n';
    write(Buffer.from(`${bytes.replace(/^\./gm, '..')}${end}`, 'latin1'));
    return command('.');
  };
}

/** Cuts what comes into replies; a reply of several lines is one. */
function replyReader() {
  const ready: string[] = [];
  const waiting: { resolve(reply: string): void; reject(error: Error): void }[] = [];
  const LAST_LINE = /^\d{3}(?: .*)?\r\n/m;
  let text = '';
  let over = false;
  return {
    take(chunk: Buffer) {
      text += chunk.toString();
      for (let end = LAST_LINE.exec(text); end; end = LAST_LINE.exec(text)) {
        const whole = text.slice(0, end.index + end[0].length);
        text = text.slice(whole.length);
        const reply = whole.trim().replaceAll('\r', '');
        const first = waiting.shift();
        if (first) first.resolve(reply);
        else ready.push(reply);
      }
    },
    next(): Promise<string> {
      const reply = ready.shift();
      if (reply !== undefined) return Promise.resolve(reply);
      if (over) return Promise.reject(new Error('the connection is closed'));
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    end() {
      over = true;
      for (const { reject } of waiting.splice(0)) reject(new Error('the connection is closed'));
    },
  };
}
