// What a service that carries faxes has in its own process: none of the libraries that look into them or lay them out.
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { barPages, faxOf, tiffOf } from '../../../../test/fixtures/received-faxes.js';
import { dataUri, picture, RULES, sendRequestOf } from '../../../../test/fixtures/sent-faxes.js';

/** Node says where each module is that is imported; what those require is in its cache. */
const HOOK = `export const resolve = async (name, context, next) => {
  const found = await next(name, context);
  process._rawDebug('loaded ' + found.url);
  return found;
};`;

function loadedBy(script: string): { packages: Set<string>; out: string } {
  const list = `
    import { createRequire } from 'node:module';
    for (const file of Object.keys(createRequire(import.meta.url)('node:module')._cache)) process._rawDebug('loaded ' + file);
    process.exit();`;
  const register = `import { register } from 'node:module'; register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(HOOK)}`)});`;
  const start = `data:text/javascript,${encodeURIComponent(register)}`;
  const said = execFileSync(
    'sh',
    ['-c', 'exec "$0" "$@" 2>&1', process.execPath, '--import', start, '--input-type=module'],
    {
      input: `${script}\n${list}`,
      encoding: 'utf8',
      maxBuffer: 1e8,
    },
  );
  const found = said.matchAll(/^loaded .*node_modules\/((?:@[^/]+\/)?[^/]+)/gm);
  return { packages: new Set([...found].map(([, name = '']) => name)), out: said.replace(/^loaded .*\n/gm, '') };
}

const HEAVY = ['sharp', 'pdfkit', 'fontkit', 'playwright-core', 'tesseract.js'];
const dist = (file: string) => JSON.stringify(new URL(`../../../../dist/src/${file}`, import.meta.url).href);

test('the service itself does not load them, neither at its start nor when faxes come and go', async () => {
  const fax = faxOf(await tiffOf(barPages(1)));
  const sendRequest = sendRequestOf({ BodyHtml: `<p>words</p><img src="${dataUri(await picture(40, 40, 'ramp'))}">` });
  const given = { ...fax, raw: Buffer.from(fax.raw).toString('base64') };
  const { packages, out } = loadedBy(`
    import ${dist('service.js')};
    import { createReader } from ${dist('content/create-reader.js')};
    import { createFaxComposer } from ${dist('content/fax/render/compose.js')};
    import { systemClock as clock } from ${dist('kit/clock.js')};
    import { silentLog as log } from ${dist('kit/log.js')};
    const fax = ${JSON.stringify(given)};
    const reader = createReader({ clock, log, ocr: false });
    const read = await reader.readFax({ ...fax, raw: Buffer.from(fax.raw, 'base64') }, {}, { gatewayId: 'g', link: () => '' });
    const composer = createFaxComposer({ clock, log, chromium: null });
    const made = await composer.compose(${JSON.stringify(sendRequest)}, { header: undefined, station: undefined, ...${JSON.stringify(RULES)} }, new AbortController().signal);
    console.log(read.message.SubjectField, made.ok);
    await Promise.all([reader.close(), composer.close()]);`);
  expect(out.trim()).toBe('Fax from +420 777 123 456, 1 page true');
  expect(packages).toContain('zod');
  expect(HEAVY.filter((name) => packages.has(name))).toEqual([]);
});
