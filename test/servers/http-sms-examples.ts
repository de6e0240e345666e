// Reads the examples out of the README of HttpSms, so that tests run what administrators copy.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDevice } from '../../src/simprot/device.js';

const README = join(import.meta.dirname, '..', '..', 'gateways', 'http-sms', 'README.md');

/** The settings of the example under the heading that contains `title`, with `instead` in place of what belongs to it. */
export function exampleFor(title: string, instead: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const section = readFileSync(README, 'utf8')
    .split(/^## /m)
    .find((text) => text.split('\n', 1)[0]?.includes(title));
  const device = parseDevice(/```\n(HttpSms \{[\s\S]*?)```/.exec(section ?? '')?.[1]?.trim() ?? '');
  if (!device.ok) throw new Error(`the README has no example under "${title}": ${device.message}`);
  return { ...device.settings, ...instead };
}
