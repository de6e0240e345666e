// Asks a remote server for its gateways once, without taking part in anything: the login names no PeerAddress, so the
// server sends no message to it.
import { hostname } from 'node:os';
import type { Config } from '../config.js';
import type { Clock, Random } from '../kit/clock.js';
import { deadline } from '../kit/deadline.js';
import { GatepostError } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import type { GatewayInfo } from '../model/message.js';
import { channelsOf, clientTls } from '../server-settings.js';
import { createClient } from '../simprot/client.js';
import { gatewayInfo, MSG } from '../simprot/messages.js';

const PATIENCE_MS = 30_000;

export async function fetchGateways(
  config: Config,
  { clock, random, log }: { clock: Clock; random: Random; log: Log },
): Promise<GatewayInfo[]> {
  const entry = gatewayInfo(channelsOf(config));
  const due = deadline(clock, PATIENCE_MS);
  let answered: (content: unknown) => void = () => {};
  let trouble = '';
  const client = createClient({
    host: config.server.host,
    port: config.server.port,
    tls: clientTls(config),
    account: config.server.account,
    password: config.server.password,
    peerAddresses: [],
    instance: `${hostname()}-${process.pid}-test`,
    clock,
    random,
    log,
  });
  client.start({
    onFrame: ({ code, content }) => {
      if (code === MSG.gateways) answered(content);
    },
    onState: (state) => {
      if ('reason' in state) trouble = state.reason;
    },
  });
  try {
    await client.untilUp(due.signal);
    const found: GatewayInfo[] = [];
    for (const address of config.server.peerAddresses) {
      const answer = new Promise<unknown>((resolve) => {
        answered = resolve;
      });
      await client.send(MSG.getGateways, address);
      const list = await due.race(answer, 'the list of gateways');
      for (const item of Array.isArray(list) ? list : []) {
        const result = entry.safeParse(item);
        if (result.success) found.push(result.data);
      }
    }
    return found;
  } catch (error) {
    throw new GatepostError('test/no-list', `the server did not give its list of gateways: ${trouble || 'no answer'}`, {
      cause: error,
      advice: 'see `gatepost start` for the state of the connection',
    });
  } finally {
    due.dispose();
    await client.stop();
  }
}
