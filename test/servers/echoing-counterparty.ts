// Counterparties that refuse everybody and repeat in their refusals whatever they were told, in every spelling that servers use:
// the worst that can happen to a secret after it has left.
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { startSmsc } from './smsc.js';

export interface EchoingCounterparty {
  readonly imap: number;
  readonly smtp: number;
  readonly hylafax: number;
  readonly smpp: number;
  readonly http: string;
  /** Everything that was repeated, for the test of the test. */
  readonly repeated: string[];
  close(): Promise<void>;
}

const entities = (text: string, base: 10 | 16) =>
  [...text].map((sign) => `&#${base === 16 ? 'x' : ''}${sign.codePointAt(0)?.toString(base)};`).join('');

/** One text in all spellings, one line. */
export function spellings(text: string): string[] {
  return [
    text,
    Buffer.from(text).toString('base64'),
    Buffer.from(`user:${text}`).toString('base64'),
    Buffer.from(`\0user\0${text}`).toString('base64url'),
    encodeURIComponent(text),
    new URLSearchParams([['p', text]]).toString(),
    Buffer.from(text).toString('hex'),
    Buffer.from(text).toString('hex').toUpperCase(),
    JSON.stringify(text),
    JSON.stringify(JSON.stringify(text)),
    text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;'),
    entities(text, 10),
    entities(text, 16),
  ];
}

/** What stands in a text that may be base64, as SASL and Basic authentication send it. */
function decoded(text: string): string[] {
  const words = text.split(/[\s=:]+/).filter((word) => word.length > 3);
  const inside = words
    .map((word) => Buffer.from(word, 'base64').toString('latin1'))
    .filter((plain) => [...plain].every((sign) => sign < '\u007f'));
  return [text, ...inside.flatMap((plain) => plain.replaceAll('\0', '\u0001').split('\u0001'))].filter(
    (part) => part.length > 5,
  );
}

export async function startEchoingCounterparty(): Promise<EchoingCounterparty> {
  const repeated: string[] = [];
  let count = 0;
  /** The refusal begins with another spelling each time, because drivers shorten what they show. */
  const echo = (said: string): string => {
    const all = decoded(said).flatMap(spellings);
    const from = (count++ * 3) % all.length;
    const words = [...all.slice(from), ...all.slice(0, from)].join(' ').replace(/[\r\n\0]/g, ' ');
    repeated.push(words);
    return words;
  };
  const imap = await lineServer('* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR] ready', imapReply(echo));
  const smtp = await lineServer('220 echo.test ESMTP', smtpReply(echo));
  const hylafax = await lineServer('220 echo.test server (HylaFAX (tm) Version 6.0.7) ready.', hylafaxReply(echo));
  const smsc = await startSmsc({ systemId: 'nobody', password: 'nothing' });
  const http = createHttpServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      const form = [...new URLSearchParams(body).values()].join(' ');
      const said = `${request.headers.authorization ?? ''} ${request.url} ${form} ${body}`;
      const words = echo(said);
      response.writeHead(401, {
        'content-type': 'application/json',
        'x-said': encodeURIComponent(words.slice(0, 500)),
      });
      response.end(
        JSON.stringify({
          error: 'invalid_client',
          error_description: words,
          message: words,
          errors: [{ code: '10009', title: words, detail: words }],
        }),
      );
    });
  });
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
  return {
    imap: portOf(imap),
    smtp: portOf(smtp),
    hylafax: portOf(hylafax),
    smpp: smsc.port,
    http: `http://127.0.0.1:${portOf(http)}`,
    repeated,
    async close() {
      await smsc.close();
      http.closeAllConnections();
      for (const server of [imap, smtp, hylafax, http]) await new Promise((done) => server.close(done));
    },
  };
}

type Reply = (line: string, socket: Socket) => string;

async function lineServer(greeting: string, reply: Reply): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.write(`${greeting}\r\n`);
    const lines = createInterface({ input: socket });
    // The interface repeats the errors of its socket.
    lines.on('error', () => {}).on('line', (line) => socket.writable && socket.write(reply(line, socket)));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return server;
}

function imapReply(echo: (said: string) => string): Reply {
  let waiting = '*';
  return (line) => {
    if (!line.includes(' ')) return `${waiting} NO [AUTHENTICATIONFAILED] refused: ${echo(line)}\r\n`;
    const [tag = '*', verb = '', ...rest] = line.split(' ');
    if (/^CAPABILITY$/i.test(verb)) return `* CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR\r\n${tag} OK\r\n`;
    if (/^AUTHENTICATE$/i.test(verb) && rest.length === 1) {
      waiting = tag;
      return '+ \r\n';
    }
    if (/^(?:ID|NOOP|LOGOUT)$/i.test(verb)) return `${tag} OK\r\n`;
    return `${tag} NO [AUTHENTICATIONFAILED] refused: ${echo(rest.join(' ').replace(/\\(["\\])/g, '$1'))}\r\n`;
  };
}

const smtpReply =
  (echo: (said: string) => string): Reply =>
  (line) => {
    if (/^EHLO/i.test(line)) return '250-echo.test\r\n250 AUTH PLAIN XOAUTH2\r\n';
    if (/^(?:NOOP|RSET)/i.test(line)) return '250 ok\r\n';
    if (/^QUIT/i.test(line)) return '221 bye\r\n';
    return `535 5.7.8 refused: ${echo(line.slice(5))}\r\n`;
  };

const hylafaxReply =
  (echo: (said: string) => string): Reply =>
  (line) => {
    if (/^USER/i.test(line)) return '331 Password required.\r\n';
    if (/^PASS/i.test(line) && !line.includes('admin')) return `530 Login incorrect: ${echo(line.slice(5))}\r\n`;
    if (/^ADMIN/i.test(line)) return `530 Password incorrect: ${echo(line.slice(6))}\r\n`;
    return '200 ok\r\n';
  };

function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
