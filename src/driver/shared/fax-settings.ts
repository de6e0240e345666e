import type { FaxRules } from '../contract.js';
import { setting, z } from '../settings.js';
import { regionType } from './host.js';

const GUID = /^\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?$/i;

/** Spread into the shape of a driver's settings. */
export const faxSettings = {
  Region: setting(regionType().optional(), {
    description:
      'Country of numbers without a country code, as two letters (ISO 3166-1). When absent, numbers are called and shown as they are written.',
    example: 'CZ',
  }),
  StationId: setting(z.string().trim().min(1).max(20).optional(), {
    description:
      'Own fax number for the display of the other machine and the header line of every page, at most 20 characters (T.30).',
    example: '+420 222 333 444',
    only: 'out',
  }),
  Header: setting(z.string().trim().min(1).max(60).optional(), {
    description:
      'Name in the header line of every page, beside time, own number and page numbers. Without Header and StationId there is no header line.',
    example: 'Example Ltd.',
    only: 'out',
  }),
  PageSize: setting(z.enum(['A4', 'Letter', 'Legal']).default('A4'), {
    description: 'Size of the pages that are sent: A4, Letter or Legal.',
    example: 'Letter',
    only: 'out',
  }),
  Resolution: setting(z.enum(['Standard', 'Fine', 'Superfine']).default('Fine'), {
    description:
      'Dots per inch of the pages that are sent: Standard 204x98, Fine 204x196, Superfine 204x391. A finer resolution takes longer to transmit.',
    example: 'Standard',
    only: 'out',
  }),
  CoverPage: setting(z.boolean().default(false), {
    description: 'True adds a first page with sender, recipient, subject, date and number of pages.',
    example: true,
    only: 'out',
  }),
  AnswerWhen: setting(z.enum(['Accepted', 'Done']).default('Accepted'), {
    description:
      'The answer to the contact center when the call does not end before the answer is due. Accepted: sent, because the fax is accepted for transmission. Done: unknown, because the fax may not arrive. A call that ends in time is answered with its result; a later result is in the delivery log.',
    example: 'Done',
    only: 'out',
  }),
  ReportTo: setting(z.string().regex(GUID, 'is not the Id of a gateway (a GUID)').toLowerCase().optional(), {
    description:
      'Id of an inbound gateway that delivers a notice when the result of a fax becomes known after the answer to the send request. When absent, such results are in the delivery log only.',
    example: '0f8e4c3a-2b1d-4e5f-8a9b-0c1d2e3f4a5b',
    only: 'out',
  }),
};

export type FaxSettings = z.output<z.ZodObject<typeof faxSettings>>;

/** `documents`: what the driver's `send` needs. */
export function faxRulesOf(settings: FaxSettings, documents: FaxRules['documents']): FaxRules {
  const { Region, PageSize, Resolution, Header, StationId, CoverPage } = settings;
  const paper = { pageSize: PageSize, resolution: Resolution, coverPage: CoverPage };
  return { region: Region, ...paper, documents, header: Header ?? StationId, station: StationId };
}

/** Without braces, as gateways are listed. */
export function reportToOf({ ReportTo }: FaxSettings): string | undefined {
  return ReportTo?.replace(/^\{|\}$/g, '');
}
