import { composeMail } from '../content/mail/compose/compose.js';
import type { Clock } from '../kit/clock.js';
import { GatepostError, messageOf } from '../kit/errors.js';
import { problemsOf } from '../kit/schema-problems.js';
import { messageContentInfo } from '../simprot/messages.js';
import { readStdin } from './stdin.js';

/** Bodies with inline images; far above the size that mail servers accept. */
const MAX_INPUT = 128 * 1024 * 1024;
/** For a send request written by hand, which names no gateway. */
const NO_GATEWAY = '00000000-0000-0000-0000-000000000000';

export interface ComposeOptions {
  from?: string;
  fromName?: string;
}

export async function composeCommand(
  options: ComposeOptions,
  clock: Clock,
  write: (bytes: Uint8Array) => void,
): Promise<number> {
  const sendRequest = readSendRequest((await readStdin(MAX_INPUT)).toString('utf8'));
  const sender = { address: options.from, name: options.fromName };
  const result = await composeMail(sendRequest, { sender, gatewayName: null, thread: null, now: clock.now() });
  if (!result.ok)
    throw new GatepostError('send-request/rejected', result.problem, {
      advice: 'correct the send request and try again',
    });
  write(result.mail.raw);
  return 0;
}

function readSendRequest(text: string) {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new GatepostError('send-request/unreadable', `the send request is not JSON: ${messageOf(error)}`, {
      advice: 'give one JSON object with the members of MessageContentInfo on standard input',
      cause: error,
    });
  }
  const members = typeof json === 'object' && json !== null && !Array.isArray(json) ? json : {};
  const result = messageContentInfo.safeParse({ GatewayId: NO_GATEWAY, ...members });
  if (result.success) return result.data;
  throw new GatepostError('send-request/unreadable', `the send request cannot be read: ${problemsOf(result.error)}`, {
    advice: 'see the members of MessageContentInfo',
  });
}
