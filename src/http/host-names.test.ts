import { describe, expect, test } from 'vitest';
import { openPort } from '../../test/fixtures/http-port.js';
import { isOwnHost } from './host-names.js';
import { startHttp } from './server.js';

const NAMES = ['gate.example.com'];

describe('a Host header', () => {
  test.each([
    undefined,
    'gate.example.com',
    'GATE.example.com:443',
    'gate.example.com.',
    'localhost:18380',
    'gatepost.localhost',
    'gatepost:18380',
    '127.0.0.1:18380',
    '[::1]:18380',
    '192.168.1.7',
    '[fd12::1]',
  ])('%s is of this port', (header) => expect(isOwnHost(header, NAMES)).toBe(true));

  test.each([
    'evil.example',
    'evil.example:18380',
    'gate.example.com.evil.example',
    '127.0.0.1.nip.io',
    'localhost.evil.example',
    'xgate.example.com',
    'user@gate.example.com',
    'gate.example.com/path',
    'a b',
    '[::1',
    '',
  ])('%j is of another', (header) => expect(isOwnHost(header, NAMES)).toBe(false));
});

test('a request for another name is answered 421, whatever it asks for', async () => {
  const port = await openPort();
  try {
    const http = await startHttp({
      host: '127.0.0.1',
      port: 0,
      log: port.log,
      clock: port.clock,
      metrics: port.metrics,
      names: NAMES,
    });
    const { request } = await import('node:http');
    const ask = (host: string, path: string) =>
      new Promise<number | undefined>((resolve, reject) => {
        const asked = request({ port: http.port, host: '127.0.0.1', path, headers: { host } }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        });
        asked.once('error', reject).end();
      });
    expect(await ask('gate.example.com', '/metrics')).toBe(200);
    expect(await ask('rebound.example:18380', '/metrics')).toBe(421);
    expect(await ask('rebound.example', '/nothing')).toBe(421);
    await http.close();
  } finally {
    await port.http.close();
  }
});
