// What other users of the machine and others on the way see of a service that runs: the shipped command as a process.
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../fixtures/wait-for.js';
import { type FakeServer, startFakeServer } from '../servers/fake-server.js';
import { freePort, type Running } from '../servers/process.js';
import { command, type Folder, folder, gatepost, gateway, IN, remote } from './connector.js';

let place: Folder;
let server: FakeServer;
let service: Running | undefined;
beforeEach(async () => {
  place = folder();
  server = await startFakeServer({ gateways: [gateway(IN, 'I', 'DropFolder', { FolderName: 'drop' })] });
});
afterEach(async () => {
  await service?.stop();
  await server.close();
  place.remove();
});

const start = (text: string) => {
  service = gatepost(['start', '--config', place.configure(text)]);
  return service;
};

it.skipIf(process.platform === 'win32')('makes files and folders that its own user alone can read', async () => {
  const running = start(remote(server.port));
  await waitFor('the gateway to run', () => running.output().includes('gateway is running'), 60_000);
  mkdirSync(join(place.path, 'data/drop'), { recursive: true });
  writeFileSync(join(place.path, 'data/drop/one.eml'), 'From: ann@example.com\r\nSubject: hi\r\n\r\nhello\r\n');
  await server.waitForFrame('ES_MESSAGE_RECEIVING');
  const made = readdirSync(join(place.path, 'data'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => !name.includes('one.eml'),
  );
  expect(made).toContain('journal.db');
  const open = made.filter((name) => (statSync(join(place.path, 'data', name)).mode & 0o077) !== 0);
  expect(open).toEqual([]);
});

/** The same machine under a name that is no loopback name: what a remote server looks like to the configuration. */
const away = (more: string) => remote(server.port).replace('host: 127.0.0.1', `host: "127.1"${more}`);

describe('a remote server', () => {
  it('that speaks no TLS is refused, and learns no login', async () => {
    const told: Buffer[] = [];
    const plain = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        told.push(bytes);
        // No TLS record: what a server that expects a login in plaintext answers.
        socket.end('\0\0\0\u0004nope');
      });
    });
    const port = await freePort();
    await new Promise<void>((done) => plain.listen(port, '127.0.0.1', done));
    start(away('').replace(`port: ${server.port}`, `port: ${port}`));
    await waitFor('two attempts', () => told.length >= 2, 60_000);
    plain.close();
    // A TLS handshake (22) and nothing else.
    expect(told.map((bytes) => bytes[0])).toEqual(told.map(() => 22));
    expect(Buffer.concat(told).toString('latin1')).not.toMatch(/server-password|ES_LOGIN/);
  });

  it('without TLS by configuration is warned of at start and by check', async () => {
    const running = start(away(', tls: false'));
    await waitFor('the login', () => server.logins.length > 0, 60_000);
    expect(running.output()).toMatch(/connection to the server is not protected/);
    expect(running.output()).toMatch(/everybody on the way reads the login and all messages/);
    const gateways = join(place.path, 'gateways.yaml');
    writeFileSync(gateways, '[]\n');
    const { output } = await command(['check', gateways, '--config', join(place.path, 'gatepost.yaml')]);
    expect(output).toMatch(/^warning: the connection to the server at 127\.1:\d+ is not encrypted/);
  });
});
