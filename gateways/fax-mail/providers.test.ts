// The values that are extracted from the mails of each provider; every entry of the table can be used.
import { describe, expect, it } from 'vitest';
import { contextOf } from '../../test/conformance/context.js';
import { providerMail } from '../../test/fixtures/provider-mail.js';
import { drivers } from '../index.js';
import { templateProblem } from './address.js';
import { faxMail } from './driver.js';
import { extract } from './extract.js';
import { openMail } from './open-mail.js';
import { type ProviderName, providers, type Rules } from './providers.js';
import { parseTemplate } from './template.js';

async function extracted(provider: ProviderName, subject: string, text: string, html = false) {
  const rules = providers[provider].rules;
  const raw = providerMail({ subject, ...(html ? { html: text } : { text }) });
  const mail = await openMail({ kind: 'mail', raw, receivedAt: 0 });
  return extract(mail, rules ? [rules] : []);
}

describe('eFax', () => {
  it('names station, pages and caller in the subject', async () => {
    const { fields } = await extracted(
      'eFax',
      'eFax message from "ACME LTD" - 3 page(s), Caller-ID: 1-555-701-0200',
      'Hello',
    );
    expect(fields).toEqual({ station: 'ACME LTD', pages: '3', from: '1-555-701-0200' });
  });

  it('gives neither value when it writes that it knows none', async () => {
    const { fields } = await extracted(
      'eFax',
      'Corporate eFax message from "unknown" - 1 page(s), Caller-ID: UNAVAILABLE',
      '',
    );
    expect(fields).toEqual({ pages: '1' });
  });

  it('is read in its older form, too', async () => {
    const { fields } = await extracted('eFax', 'eFax from Praha 3 - 2 page(s), caller ID: 555-010-0199', '');
    expect(fields).toEqual({ station: 'Praha 3', pages: '2', from: '555-010-0199' });
  });
});

describe('RingCentral', () => {
  it('names the caller in the subject and the pages in the text, which may be HTML', async () => {
    const page =
      '<html><head><style>p { color: red }</style></head><body><p>You have a new fax.</p><table><tr><td>Pages:</td><td>&nbsp;5</td></tr></table></body>';
    const { fields } = await extracted(
      'RingCentral',
      'New Fax Message from (469) 555-0101 on 07/01/2026 6:03 PM',
      page,
      true,
    );
    expect(fields).toEqual({ from: '(469) 555-0101', pages: '5' });
  });
});

describe('HylaFAX', () => {
  it('names everything in its table', async () => {
    const text = [
      'recvq/fax000000012.tif (ftp://fax:4559/recvq/fax000000012.tif):',
      '          Sender: +420 222 333 444',
      '           Pages: 4',
      '         Quality: Fine',
      ' Time To Receive: 1:02',
      '     Signal Rate: 14400 bit/s',
      '         CallID1: +420222333444',
      '         CallID2: <NONE>',
      '          CommID: 000000031 (ftp://fax:4559/log/c000000031)',
    ];
    const { fields, facts } = await extracted('HylaFAX', 'Fax received from "+420 222 333 444"', text.join('\n'));
    expect(fields).toEqual({ station: '+420 222 333 444', pages: '4', from: '+420222333444', id: '000000031' });
    expect(facts).toContainEqual({ name: 'Speed', value: '14400 bit/s' });
    expect(facts).toContainEqual({ name: 'Duration', value: '1:02' });
  });

  it('says in its own words that pages are missing', async () => {
    const { fields } = await extracted(
      'HylaFAX',
      'Fax received from "ACME"',
      'Pages: 1\n\nErrors were received:\nNov 22 10:00: No carrier',
    );
    expect(fields).toMatchObject({ pages: '1', problem: 'Errors were received: Nov 22 10:00: No carrier' });
  });
});

describe('FreePBX', () => {
  it('gives name, number and the number that was called', async () => {
    const text = 'Enclosed, please find a new fax from: "Anna Nova" <030123456>\nVia: 03099887\n';
    const { fields } = await extracted('FreePBX', 'New fax from: "Anna Nova" <030123456>', text);
    expect(fields).toEqual({ name: 'Anna Nova', from: '030123456', to: '03099887' });
  });

  it('gives the station where the network gave no number', async () => {
    const { fields } = await extracted(
      'FreePBX',
      'New fax from: "" <>',
      'Enclosed, please find a new fax from: ACME LTD\n',
    );
    expect(fields).toEqual({ station: 'ACME LTD' });
  });
});

describe('FRITZ!Box', () => {
  it('gives the number, with and without a name', async () => {
    expect((await extracted('FritzBox', 'Fax von 03012345', '')).fields).toEqual({ from: '03012345' });
    expect((await extracted('FritzBox', 'Fax von Max Muster (03012345)', '')).fields).toEqual({
      name: 'Max Muster',
      from: '03012345',
    });
  });
});

describe('the table of providers', () => {
  const entries = Object.entries(providers);
  const templates = ({ subject = [], text = [] }: Rules) => [...subject, ...text];

  it.each(entries)('%s has templates that can be parsed and a valid address', (_, { sends, rules = {} }) => {
    expect(Boolean(sends) || templates(rules).length > 0).toBe(true);
    for (const template of templates(rules)) expect(parseTemplate(template)).toMatchObject({ ok: true });
    if (sends) expect(templateProblem(sends.address)).toBeNull();
  });

  it.runIf(drivers.smtphost)('is enough for sending, together with a mail server', async () => {
    const driver = faxMail({ relay: await drivers.smtphost?.() });
    const context = contextOf(driver, { Provider: 'eFax', Relay: { host: 'smtp.example.com', from: 'a@example.com' } });
    expect(context.settings.Provider).toBe('eFax');
  });
});
