// Every gateway that may receive files has a lifetime of its own for their links.
import { expect, test } from 'vitest';
import { stableIds } from '../src/pipeline/inbound/identity.js';
import { drivers } from './index.js';

test.each(
  ['ImapHost', 'GraphMail', 'SmtpListener', 'DropFolder', 'HttpSms', 'Twilio', 'TelnyxFax', 'HylaFax', 'FaxMail'].map(
    (word) => [word],
  ),
)('%s has LinkDays', async (word) => {
  const driver = await drivers[word.toLowerCase()]?.();
  expect(driver?.settings.meta('LinkDays')).toMatchObject({ only: 'in' });
  expect([driver?.linkDays?.({ LinkDays: 7 }), driver?.linkDays?.({})]).toEqual([7, undefined]);
});

test('the links of a message get the days of its gateway', () => {
  const asked: unknown[] = [];
  const issue = (_file: object, issuedAt: number, days?: number) => `${asked.push([issuedAt, days])}`;
  stableIds({ requestId: 'r', receivedAt: 5 }, issue, 7).link({ id: 'a', name: 'b' });
  stableIds({ requestId: 'r', receivedAt: 6 }, issue).link({ id: 'a', name: 'b' });
  expect(asked).toEqual([
    [5, 7],
    [6, undefined],
  ]);
});
