// Pictures of pushed messages: fetched within bounds, from hosts that are named.
import { afterEach, describe, expect, it } from 'vitest';
import { createDriverState } from '../../test/fixtures/driver-state.js';
import { manualClock } from '../../test/fixtures/manual-clock.js';
import { json, message, push } from '../../test/servers/http-sms-push.js';
import { type SmsGateway, startSmsGateway } from '../../test/servers/sms-gateway.js';
import { httpSms } from './driver.js';
import type { HttpSmsSession } from './session.js';

let undo: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.reverse()) await step();
  undo = [];
});

describe('pictures of a pushed message', () => {
  const media = async (): Promise<SmsGateway> => {
    const gateway = await startSmsGateway();
    undo.push(() => gateway.close());
    return gateway;
  };

  it('are fetched from the hosts in MediaHosts', async () => {
    const gateway = await media();
    gateway.answer = () => ({ headers: { 'content-type': 'image/png' }, body: 'PNG' });
    const body = message({ media: [`${gateway.url}/a.png`], text: undefined });
    const { messages } = await push({ ...json, MediaHosts: ['127.0.0.1'] }, { body });
    expect(messages?.[0]?.content).toMatchObject({
      text: '',
      media: [{ name: 'media-1.png', type: 'image/png', bytes: Buffer.from('PNG') }],
      notes: [],
    });
  });

  it('are not fetched again for a message that the journal has', async () => {
    const gateway = await media();
    const driverState = createDriverState();
    driverState.set('id a', 'pending');
    const body = message({ media: `${gateway.url}/a.png` });
    const { reply, messages } = await push({ ...json, MediaHosts: ['127.0.0.1'] }, { body, driverState });
    expect([reply.status, messages]).toEqual([200, [{ key: 'id a', fingerprint: '', content: null }]]);
    expect(gateway.requests).toEqual([]);
  });

  it('of one push hold 25 MB together at most', async () => {
    const gateway = await media();
    gateway.answer = () => ({ headers: { 'content-type': 'image/png' }, body: 'x'.repeat(5 * 1024 * 1024) });
    const events = ['a', 'b'].map((id) => ({
      ...{ id, from: '+420777123456', text: 'hi' },
      media: Array.from({ length: 4 }, () => `${gateway.url}/${id}.png`),
    }));
    const written = {
      ...json,
      ReceiveFrom: { ...json.ReceiveFrom, List: 'json:events' },
      MediaHosts: ['127.0.0.1'],
    };
    const { messages } = await push(written, { body: JSON.stringify({ events }) });
    expect(messages?.map(({ content }) => content?.media.length)).toEqual([4, 1]);
    expect(messages?.[1]?.content?.notes).toEqual(
      Array.from({ length: 3 }, () => expect.stringContaining('more than 25 MB')),
    );
  });

  it('are fetched for 8 seconds in all; the missing ones are mentioned', async () => {
    const gateway = await media();
    gateway.script = () => 'hang';
    const own = manualClock();
    const body = message({ media: [`${gateway.url}/1`, `${gateway.url}/2`] });
    const pushing = push({ ...json, MediaHosts: ['127.0.0.1'] }, { body, clock: own });
    await gateway.reached(1);
    await own.advance(8_000);
    expect((await pushing).messages?.[0]?.content).toMatchObject({
      text: 'hi',
      media: [],
      notes: [expect.stringContaining('/1'), expect.stringContaining('/2')],
    });
    expect(own.armed).toBe(0);
  });

  it('that are being fetched as the gateway closes: nothing is accepted, and the push comes again', async () => {
    const gateway = await media();
    gateway.script = () => 'hang';
    let session: HttpSmsSession | undefined;
    const opened = (open: HttpSmsSession) => {
      session = open;
    };
    const pushing = push(
      { ...json, MediaHosts: ['127.0.0.1'] },
      { body: message({ media: `${gateway.url}/1` }), opened },
    );
    await gateway.reached(1);
    const rejected = expect(pushing).rejects.toThrow('being closed');
    if (session) await httpSms.close(session);
    await rejected;
  });

  it('of other hosts, behind redirects, too large or not addresses at all are only mentioned', async () => {
    const gateway = await media();
    gateway.script = ({ path }) =>
      path === '/moved' ? { status: 302, headers: { location: '/a' } } : { body: 'x'.repeat(65_536), endless: true };
    const urls = [
      'http://169.254.169.254/latest',
      `${gateway.url}/moved`,
      `${gateway.url}/endless`,
      'file:///etc/passwd',
      '',
    ];
    const { messages } = await push({ ...json, MediaHosts: ['127.0.0.1'] }, { body: message({ media: urls }) });
    expect(messages?.[0]?.content?.media).toEqual([]);
    expect(messages?.[0]?.content?.notes).toEqual([
      'An attachment was not fetched, because MediaHosts does not name 169.254.169.254: http://169.254.169.254/latest',
      expect.stringContaining('HTTP 302'),
      expect.stringContaining('larger than 5 MB'),
      'An attachment has no usable address.',
    ]);
  });
});
