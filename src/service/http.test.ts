// Which port answers what.
import { afterEach, describe, expect, test } from 'vitest';
import { type Fixture, startFixture } from '../../test/fixtures/connector.js';
import { hasAdminPort } from './http.js';

let fixture: Fixture | undefined;
afterEach(async () => {
  await fixture?.close();
  fixture = undefined;
});

const statuses = (url: string) =>
  Promise.all(
    ['/live', '/ready', '/metrics', '/attachments/a/b'].map(async (path) => (await fetch(url + path)).status),
  );

describe('probes and metrics', () => {
  test.each([
    ['a public address', ', publicUrl: "https://gate.example.com"', [404, 404, 404, 403]],
    ['a port of their own', ', adminPort: 0', [404, 404, 404, 403]],
    ['probes: both', ', adminPort: 0, probes: both', [200, 200, 200, 403]],
  ])('with %s are on the admin port', async (_name, http, found) => {
    fixture = await startFixture({ http });
    const { service } = fixture;
    expect(service.adminUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(service.adminUrl).not.toBe(service.http.url);
    expect(await statuses(service.http.url)).toEqual(found);
    expect(await statuses(service.adminUrl)).toEqual([200, 200, 200, 404]);
  });

  test('share the port that only this machine reaches', async () => {
    fixture = await startFixture();
    expect(fixture.service.adminUrl).toBe(fixture.service.http.url);
    expect(await statuses(fixture.service.http.url)).toEqual([200, 200, 200, 403]);
  });

  const http = { port: 18_380, adminHost: '127.0.0.1', probes: 'admin' } as const;
  test.each([
    [{ host: '127.0.0.1', publicUrl: '', adminPort: '' }, false],
    [{ host: 'localhost', publicUrl: '', adminPort: '' }, false],
    [{ host: '0.0.0.0', publicUrl: '', adminPort: '' }, true],
    [{ host: '192.168.1.7', publicUrl: '', adminPort: '' }, true],
    [{ host: '127.0.0.1', publicUrl: 'https://g.example.com', adminPort: '' }, true],
    [{ host: '127.0.0.1', publicUrl: '', adminPort: 9_000 }, true],
  ] as const)('%o: a port of their own is %s', (settings, isOwn) =>
    expect(hasAdminPort({ ...http, ...settings })).toBe(isOwn),
  );
});
