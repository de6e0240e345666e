import { outboundText } from '../../test/conformance/context.js';
import {
  conformText,
  type TextCut,
  type TextInboundCounterparty,
  type TextOutboundCounterparty,
} from '../../test/conformance/suite.js';
import { freePort } from '../../test/servers/process.js';
import { type Smsc, type SubmitAction, startSmsc } from '../../test/servers/smsc.js';
import { smpp } from './driver.js';

const login = { systemId: 'desk', password: 'conformance-password' };

async function counterparty() {
  const smsc = await startSmsc(login);
  const settings = { Host: '127.0.0.1', Port: smsc.port, SystemId: login.systemId, Password: login.password };
  return { smsc, settings, unreachable: { ...settings, Port: await freePort() }, close: () => smsc.close() };
}

async function inbound(): Promise<TextInboundCounterparty> {
  const { smsc, ...rest } = await counterparty();
  return { ...rest, offer: smsc.offer, unconfirmed: smsc.unconfirmed, rejected: smsc.rejected };
}

interface Server extends TextOutboundCounterparty {
  readonly smsc: Smsc;
}

async function outbound(): Promise<Server> {
  const { smsc, ...rest } = await counterparty();
  return { ...rest, smsc, delivered: () => smsc.texts() };
}

const LONG = outboundText('A long message that goes out in parts. '.repeat(12));

function cut(name: string, action: SubmitAction, outcomes: TextCut<Server>['outcomes'], part = 1): TextCut<Server> {
  return {
    name,
    outcomes,
    arm: ({ smsc }) => {
      smsc.script = (_, count) => (count === part ? action : undefined);
    },
    ...(part > 1 && { mail: LONG }),
    ...(action === 'silent' && { silent: ({ smsc }: Server) => smsc.silent() }),
  };
}

conformText(smpp, {
  inbound,
  outbound,
  cuts: [
    cut('the connection is lost after submit_sm', 'drop', ['unknown']),
    cut('no response to submit_sm', 'silent', ['unknown']),
    cut('the connection is lost with the positive response', 'answer and drop', ['sent']),
    cut('the connection is lost with the negative response', 'refuse and drop', ['rejected']),
    cut('rejected for good', { status: 0x0b }, ['rejected']),
    cut('rejected for now', { status: 0x64 }, ['deferred']),
    cut('the connection is lost after the second part', 'drop', ['unknown'], 2),
    cut('no response to the second part', 'silent', ['unknown'], 2),
  ],
});
