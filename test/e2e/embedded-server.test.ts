// What the README promises after `npm start`: drop a mail, see it arrive, answer it, find the answer; all as processes.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import nodemailer from 'nodemailer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../fixtures/wait-for.js';
import { freePort, type Running } from '../servers/process.js';
import { command, type Folder, folder, gatepost } from './connector.js';

const config = fileURLToPath(new URL('../../config', import.meta.url));
let place: Folder;
let file: string;
let service: Running;
let smtpPort: number;
let httpPort: number;

beforeAll(async () => {
  place = folder();
  smtpPort = await freePort();
  httpPort = await freePort();
  mkdirSync(join(place.path, 'config'));
  // The very files that a fresh clone starts with; only ports differ, because tests share the machine.
  const gateways = readFileSync(join(config, 'gateways.yaml'), 'utf8').replace('2525', String(smtpPort));
  writeFileSync(join(place.path, 'config/gateways.yaml'), gateways);
  copyFileSync(join(config, 'gatepost.yaml'), join(place.path, 'config/gatepost.yaml'));
  file = join(place.path, 'config/gatepost.yaml');
  const env = {
    GATEPOST_SERVER_PORT: '0',
    GATEPOST_HTTP_PORT: String(httpPort),
    GATEPOST_LOG_FORMAT: 'json',
    GATEPOST_SERVER_REFRESH_SECONDS: '1',
  };
  service = gatepost(['start', '--config', file], { env });
  await waitFor('three gateways to run', () => service.output().match(/gateway is running/g)?.length === 3);
});
afterAll(async () => {
  await service.stop();
  expect(await service.ended).toBe(0);
  place.remove();
});

const gate = (...args: string[]) => command([...args, '--config', file]);
const data = (name: string) => join(place.path, 'data', name);

async function arrived(subject: string): Promise<string> {
  const line = await waitFor(`"${subject}" in the inbox`, async () =>
    (await gate('desk', 'inbox')).output.split('\n').find((row) => row.includes(subject)),
  );
  return /\b[0-9a-f]{8}\b/.exec(line)?.[0] ?? '';
}

describe('the main job on the embedded defaults', () => {
  it('takes a dropped mail, shows it, sends the answer into the pickup folder, and traces both', async () => {
    copyFileSync(join(config, 'welcome.eml'), join(data('drop'), 'welcome.eml'));
    const id = await arrived('My first message');
    const read = await gate('desk', 'read', id);
    expect(read.output).toContain('my router blinks red');
    const reply = await gate('desk', 'reply', id, '--text', 'We are on it.');
    expect(reply.code, reply.output).toBe(0);
    const name = readdirSync(data('pickup')).find((entry) => entry.endsWith('.eml')) ?? '';
    const answer = readFileSync(join(data('pickup'), name), 'utf8');
    expect(answer).toMatch(/^Subject: Re: My first message/m);
    expect(answer).toMatch(/^To: .*ann@example\.com/m);
    expect(answer).toMatch(/^In-Reply-To: <welcome-1@example\.com>/m);
    expect(answer).toContain('We are on it.');
    const trace = await gate('explain', 'welcome-1@example.com');
    expect(trace.code).toBe(0);
    for (const step of ['received', 'acknowledged', 'confirmed']) expect(trace.output).toContain(step);
    expect(readdirSync(data('drop')).filter((entry) => entry.includes('.eml'))).toEqual([]);
  });

  it('takes mail by SMTP and says 250 only when the embedded server has it', async () => {
    const transport = nodemailer.createTransport({ host: '127.0.0.1', port: smtpPort, secure: false, ignoreTLS: true });
    const info = await transport.sendMail({
      from: 'bob@example.com',
      to: 'support@example.com',
      subject: 'By SMTP',
      text: 'hello',
    });
    transport.close();
    expect(info.response).toMatch(/^250/);
    const { output } = await gate('desk', 'inbox');
    expect(output).toContain('By SMTP');
  });

  it('writes a delivery log that can be searched and exported', async () => {
    const csv = await gate('log', '--format', 'csv', '--gateway', 'Drop folder');
    expect(csv.output.split('\r\n')[0]).toBe('time,gateway,dir,step,address,id,detail');
    expect(csv.output).toContain('Drop folder');
    const json = await gate('log', '--format', 'json', '--status', 'confirmed');
    for (const line of json.output.trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ step: 'confirmed' });
  });

  it('is ready, and says so', async () => {
    const ready = await fetch(`http://127.0.0.1:${httpPort}/ready`);
    expect(ready.status).toBe(200);
    const metrics = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
    expect(metrics).toMatch(/gatepost_arrivals_total\{[^}]*result="acknowledged"[^}]*\} [1-9]/);
  });

  it('serves an attachment under the link in the message, and only under it', async () => {
    writeFileSync(
      join(data('drop'), 'attached.eml'),
      'From: ann@example.com\r\nTo: support@example.com\r\nSubject: With attachment\r\nMessage-ID: <att-1@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee below\r\n--b\r\nContent-Type: application/pdf; name=invoice.pdf\r\nContent-Disposition: attachment; filename=invoice.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--b--\r\n',
    );
    const id = await arrived('With attachment');
    const { output } = await gate('desk', 'read', id);
    const link = /http:\/\/127\.0\.0\.1:\d+\/attachments\/\S+/.exec(output)?.[0] ?? '';
    const answer = await fetch(link);
    expect(answer.status, link).toBe(200);
    expect(await answer.text()).toBe('%PDF-1.4\n');
    const forged = link.replace(/signature=(.)/, (_, first) => `signature=${first === 'A' ? 'B' : 'A'}`);
    expect((await fetch(forged)).status).toBe(403);
  });

  it('starts a gateway that is added to the file, and leaves the others alone', async () => {
    const gateways = join(place.path, 'config/gateways.yaml');
    const added = `
- id: 8a7f3f60-51a5-4c7e-9f0e-0b6f5d1c0009
  displayName: Second folder
  channel: Email
  direction: I
  device: 'DropFolder { "FolderName": "drop2" }'
`;
    writeFileSync(gateways, readFileSync(gateways, 'utf8') + added);
    await waitFor('the new gateway', async () => (await ready()).includes('Second folder'));
    expect(service.output()).not.toMatch(/gateway is (?:stopped|draining)/);
  });
});

async function ready(): Promise<string> {
  return (await fetch(`http://127.0.0.1:${httpPort}/ready`)).text();
}
