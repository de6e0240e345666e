// What goes wrong before anything can go right: one clear sentence, what to do next, an exit code, nothing lost.
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { waitFor } from '../fixtures/wait-for.js';
import { startFakeServer } from '../servers/fake-server.js';
import { freePort } from '../servers/process.js';
import { command, type Folder, folder, gatepost, remote } from './connector.js';

let place: Folder;
beforeEach(() => {
  place = folder();
});
afterEach(() => place.remove());

const start = (text: string, env: Record<string, string> = {}) =>
  command(['start', '--config', place.configure(text)], { env });

/** No stack trace, no library name: sentences. */
function expectSentence(output: string): void {
  expect(output).not.toMatch(/^\s+at /m);
  expect(output).toMatch(/→ /);
}

describe('gatepost start ends with one sentence and a code that is not 0', () => {
  it('for a configuration that is not there', async () => {
    const { code, output } = await command(['start', '--config', join(place.path, 'none.yaml')]);
    expect(code).toBe(1);
    expect(output).toContain('there is no such file');
    expectSentence(output);
  });

  it('for YAML that is broken, with the line', async () => {
    const { code, output } = await start('server:\n  host: "x\n');
    expect(code).toBe(1);
    expect(output).toMatch(/gatepost\.yaml, line \d+, column \d+: not valid YAML/);
  });

  it('for an unknown key, with the line and the nearest known one', async () => {
    const { code, output } = await start('server:\n  mode: remote\n  prot: 1\n');
    expect(code).toBe(1);
    expect(output).toMatch(/gatepost\.yaml, line 3: server\.prot is not a key; did you mean "port"\?/);
  });

  it('for a value that cannot be, with the line', async () => {
    const { code, output } = await start('http:\n  port: 99999\n');
    expect(code).toBe(1);
    expect(output).toMatch(/line 2: http\.port/);
  });

  it('for a remote server without a password', async () => {
    const { code, output } = await start('server: { mode: remote }\n');
    expect(code).toBe(1);
    expect(output).toContain('GATEPOST_SERVER_PASSWORD');
  });

  it('for a taken port', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = typeof address === 'object' ? address?.port : 0;
    writeFileSync(join(place.path, 'gateways.yaml'), '');
    const { code, output } = await start(`server: { port: ${port} }\nhttp: { port: 0 }\ndataDir: data\n`);
    taken.close();
    expect(code).toBe(1);
    expect(output).toContain(String(port));
    expectSentence(output);
  });

  it('for a data folder that cannot be made', async () => {
    writeFileSync(join(place.path, 'file'), '');
    const { code, output } = await start('dataDir: file/data\n');
    expect(code).toBe(1);
    expect(output).toContain('cannot create the data folder');
    expectSentence(output);
  });

  it('for a journal that is no journal, and leaves it as it is', async () => {
    mkdirSync(join(place.path, 'data'));
    writeFileSync(
      join(place.path, 'data/journal.db'),
      'this is not a database at all, only some words in a file'.repeat(100),
    );
    const { code, output } = await start(remote(1));
    expect(code).toBe(1);
    expect(output).toContain('journal.db');
    expectSentence(output);
  });

  it('for a journal that another gatepost is using', async () => {
    const fakeServer = await startFakeServer();
    const file = place.configure(remote(fakeServer.port));
    const first = gatepost(['start', '--config', file]);
    await waitFor('the first to be up', () => fakeServer.logins.length > 0);
    const { code, output } = await command(['start', '--config', file]);
    await first.stop();
    await fakeServer.close();
    expect(code).toBe(1);
    expectSentence(output);
  });
});

describe('gatepost start keeps trying where waiting can help', () => {
  it('says that the server cannot be reached, and connects when it is there', async () => {
    const port = await freePort();
    const connector = gatepost(['start', '--config', place.configure(remote(port))]);
    await waitFor('the sentence', () => connector.output().includes(`127.0.0.1:${port}`));
    const fakeServer = await startFakeServer({ port });
    await waitFor('the login', () => fakeServer.logins.length > 0);
    await connector.stop();
    expect(await connector.ended).toBe(0);
    await fakeServer.close();
  });

  it('says that the login was refused, and shows no password', async () => {
    const fakeServer = await startFakeServer({ accept: () => 'wrong account or password' });
    const connector = gatepost(['start', '--config', place.configure(remote(fakeServer.port))]);
    await waitFor('the sentence', () => connector.output().includes('wrong account or password'));
    await connector.stop();
    await fakeServer.close();
    expect(connector.output()).not.toContain('server-password');
  });
});

describe('every key is also an environment variable', () => {
  it('that wins over the file', async () => {
    const fakeServer = await startFakeServer();
    const env = { GATEPOST_SERVER_PORT: String(fakeServer.port), GATEPOST_SERVER_PASSWORD: 'from-env' };
    const connector = gatepost(['start', '--config', place.configure(remote(1))], { env });
    await waitFor('the login', () => fakeServer.logins.length > 0);
    await connector.stop();
    await fakeServer.close();
    expect(fakeServer.logins[0]?.Password).toBe('from-env');
  });
});
