// The baseline of the drain, run as a process of its own: the loop that one writes first. One FETCH, one parse with
// the libraries' defaults, one frame, one wait for the answer, one STORE per mail; no journal, no limits.
import { connect } from 'node:net';
import { convert } from 'html-to-text';
import { ImapFlow } from 'imapflow';
import { simpleParser } from 'mailparser';
import sanitizeHtml from 'sanitize-html';
import { z } from 'zod';
import { frame, onFrames } from './frames.js';

const options = z.object({ serverPort: z.number(), imapPort: z.number(), user: z.string(), password: z.string() });
const { serverPort, imapPort, user, password } = options.parse(JSON.parse(process.argv[2] ?? ''));

const CLEANING: sanitizeHtml.IOptions = {
  allowedTags: [...sanitizeHtml.defaults.allowedTags, 'img', 'center', 'font'],
  allowedAttributes: {
    ...sanitizeHtml.defaults.allowedAttributes,
    '*': ['style', 'class', 'align', 'width', 'height'],
  },
};

const server = connect(serverPort, '127.0.0.1').setNoDelay(true);
let onCode: (code: string) => void = () => {};
onFrames(server, (code) => onCode(code));

function ask(code: string, content: unknown, answer: string): Promise<void> {
  return new Promise((resolve) => {
    onCode = (said) => {
      if (said === answer) resolve();
    };
    server.write(frame(code, content));
  });
}

await ask('ES_LOGIN', { Account: 'naive', Password: 'none' }, 'SE_LOGIN');
await ask('ES_SL_GETGATEWAYS', JSON.stringify('@gatepost'), 'SE_SL_MSGGATEWAYS');

const auth = { user, pass: password };
const client = new ImapFlow({
  host: '127.0.0.1',
  port: imapPort,
  secure: false,
  doSTARTTLS: false,
  auth,
  logger: false,
});
await client.connect();
await client.mailboxOpen('INBOX');
const uids = await client.search({ seen: false }, { uid: true });
for (const uid of uids || []) await carry(String(uid));
// Stays connected until the runner, which wants to know its CPU and memory, ends it.

async function carry(uid: string): Promise<void> {
  const mail = await client.fetchOne(uid, { source: true }, { uid: true });
  const source = mail ? mail.source : undefined;
  if (!source) throw new Error(`no mail ${uid}`);
  const parsed = await simpleParser(source);
  const html = sanitizeHtml(parsed.html || '', CLEANING);
  const message = {
    DeliverySystemId: parsed.messageId?.slice(1, -1) ?? '',
    GatewayId: '11111111-1111-4111-8111-111111111111',
    RequestId: uid,
    FromField: parsed.from?.text,
    RemoteAddress: parsed.from?.value[0]?.address,
    SubjectField: parsed.subject,
    ReceivedSentTime: parsed.date?.toISOString(),
    BodyHtml: html,
    BodyText: html ? convert(html) : parsed.text,
  };
  await ask('ES_MESSAGE_RECEIVING', message, 'SE_MESSAGE_RECEIVED');
  await client.messageFlagsAdd(uid, ['\\Seen'], { uid: true });
}
