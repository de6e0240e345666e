// What a device string means when a setting holds the settings of another device.
import { expect, it } from 'vitest';
import type { AnyDriver } from '../../driver/contract.js';
import { nested, setting, settingsSchema, z } from '../../driver/settings.js';
import { redactor } from '../../kit/redact.js';
import { resolveGateway } from './config.js';
import { secretsFrom } from './secrets.js';

const word = () => z.string().min(3, 'is too short');
const inner = {
  device: 'Box',
  settings: settingsSchema(
    {
      Host: setting(word(), { description: 'A host.', example: 'a.example' }),
      Key: setting(word().optional(), { description: 'A key.', example: 'key', secret: true }),
      Mode: setting(z.enum(['A', 'B']).default('A'), { description: 'A mode.', example: 'B' }),
    },
    ({ Mode, Key }) => (Mode === 'B' && !Key ? [{ setting: 'Key', message: 'is missing with Mode B' }] : []),
  ),
};

const outer: AnyDriver = {
  device: 'Outer',
  channel: 'Fax',
  summary: 'A driver that holds the settings of another.',
  settings: settingsSchema({
    Name: setting(z.string().optional(), { description: 'A name.', example: 'x' }),
    Box: nested(inner, { description: 'A box.', example: { Host: 'a.example' } }, { Mode: 'has no place here' }),
    Headers: setting(z.record(z.string(), z.string()).optional(), { description: 'Headers.', example: { A: 'b' } }),
  }),
  open: async () => ({}),
  close: async () => {},
  check: async function* () {},
  receive: async function* () {},
};

async function defined(settings: object) {
  const env = { GATEPOST_SECRET_KEY: 'the-secret-key' };
  const deps = {
    drivers: { outer: async () => outer },
    secrets: secretsFrom({ env, folder: '/nowhere' }),
    redactor: redactor(),
  };
  const Device = `Outer ${JSON.stringify(settings)}`;
  const info = { Id: '11111111-2222-4333-8444-555555555555', Channel: 'Fax' as const, Direction: 'I' as const, Device };
  return { result: await resolveGateway(info, deps), redact: deps.redactor.redact };
}

async function problems(settings: object) {
  const { result } = await defined(settings);
  return result.ok ? [] : result.problems;
}

it('names inside match in any capitals, defaults are filled in, and it may be absent', async () => {
  expect((await defined({ BOX: { hOST: 'a.example' } })).result).toMatchObject({
    config: { settings: { Box: { Host: 'a.example', Mode: 'A' } } },
  });
  expect((await defined({ Name: 'x' })).result).toMatchObject({ ok: true });
});

it('a secret inside is resolved from its reference, and hidden from then on however it was given', async () => {
  const { result, redact } = await defined({ box: { Host: 'a.example', key: '${env:GATEPOST_SECRET_KEY}' } });
  expect(result).toMatchObject({ config: { settings: { Box: { Key: 'the-secret-key' } } } });
  expect(redact('it is the-secret-key')).toBe('it is [hidden]');
  expect((await defined({ Box: { Host: 'a.example', Key: 'written-out' } })).redact('written-out')).toBe('[hidden]');
});

it('a reference inside that is set nowhere is a problem of this machine, named with its place', async () => {
  expect(await problems({ box: { Host: 'a.example', key: '${env:GATEPOST_SECRET_NONE}' } })).toMatchObject([
    { setting: 'box.key', local: true, message: expect.stringContaining('GATEPOST_SECRET_NONE') },
  ]);
});

it('a reference is followed inside only where a secret belongs', async () => {
  expect(await problems({ Box: { Host: '${env:GATEPOST_SECRET_KEY}' } })).toMatchObject([
    { setting: 'Box.Host', local: false, message: expect.stringContaining('only passwords') },
  ]);
});

it('what is wrong inside is named with its place, in the words of the device it belongs to', async () => {
  expect(await problems({ box: { Hosst: 'x', Key: 'k' } })).toMatchObject([
    { setting: 'box.Hosst', message: 'is not a setting; did you mean "Host"?' },
    { setting: 'box.Host', message: expect.stringContaining('is missing: A host') },
    { setting: 'box.Key', message: expect.stringContaining('is too short') },
  ]);
});

it('names that have no place there are refused with the reason', async () => {
  expect(await problems({ Box: { Host: 'a.example', mode: 'B', Key: 'the key' } })).toEqual([
    { setting: 'Box.mode', message: 'has no place here', local: false },
  ]);
});

it('an object with nothing of that device in it is one problem, not as many as the device has settings', async () => {
  expect(await problems({ Box: { Hots: 'x', other: 1 } })).toMatchObject([
    {
      setting: 'Box',
      message: expect.stringMatching(/^holds no setting of Box: "Hots" is not a setting; did you mean "Host"\?/),
    },
  ]);
  expect(await problems({ Box: {} })).toMatchObject([{ setting: 'Box.Host' }]);
});

it.each([['a text'], [['a', 'list']], [7], [null]])('%j is no settings of a device', async (Box) => {
  expect(await problems({ Box })).toMatchObject([
    { setting: 'Box', message: expect.stringContaining('settings of Box') },
  ]);
});

it('an object that holds no settings is left as it is', async () => {
  const Headers = { Host: '${env:GATEPOST_SECRET_KEY}' };
  expect((await defined({ Headers })).result).toMatchObject({ config: { settings: { Headers } } });
});
