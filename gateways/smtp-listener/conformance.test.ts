import { createServer } from 'node:net';
import { conform, type InboundCounterparty } from '../../test/conformance/suite.js';
import { waitFor } from '../../test/fixtures/wait-for.js';
import { freePort } from '../../test/servers/process.js';
import { smtpClient } from '../../test/servers/smtp-client.js';
import { smtpListener } from './driver.js';

/** A client as mail servers are: it stores its mail and sends it again until the reply is 250 or 5xx. */
async function inbound(): Promise<InboundCounterparty> {
  const port = await freePort();
  const other = createServer((socket) => socket.on('error', () => {}).end('220 another.test ESMTP\r\n'));
  const otherPort = await freePort();
  await new Promise<void>((resolve) => other.listen(otherPort, '127.0.0.1', resolve));
  const settings = { Port: port, User: 'shop', Password: 'conformance-password' };
  const clients: Promise<void>[] = [];
  const counts = { unconfirmed: 0, rejected: 0 };
  let closed = false;

  const tryOnce = async (raw: Buffer): Promise<boolean> => {
    const client = await smtpClient(port).catch(() => undefined);
    if (!client) return false;
    try {
      await client.command('EHLO client.test');
      await client.command(`AUTH PLAIN ${Buffer.from('\0shop\0conformance-password').toString('base64')}`);
      const reply = await client.deliver(raw);
      if (/^250/.test(reply)) counts.unconfirmed -= 1;
      if (/^5/.test(reply)) counts.rejected += 1;
      return /^[25]/.test(reply);
    } catch {
      return false;
    } finally {
      client.cut();
    }
  };
  return {
    settings,
    unreachable: { ...settings, Port: otherPort },
    async offer(raw) {
      counts.unconfirmed += 1;
      clients.push(
        waitFor('the mail to be accepted or rejected', async () => closed || (await tryOnce(raw))).then(() => {}),
      );
    },
    unconfirmed: () => counts.unconfirmed,
    rejected: () => counts.rejected,
    async close() {
      closed = true;
      await Promise.all(clients);
      await new Promise((resolve) => other.close(resolve));
    },
  };
}

conform(smtpListener, { inbound });
