import { isoTime } from '../../../kit/clock.js';
import type { FaxRules } from '../../../model/content.js';
import type { MessageContentInfo } from '../../../model/message.js';
import { cleanLine, cutText } from '../../limits.js';

/** At a minute per page a longer call hardly ever succeeds. */
export const MAX_PAGES = 200;
/** Limit of common mail gateways and fax services. */
export const MAX_PDF = 20 * 1024 * 1024;
/** Dots of a line (T.4, 4.1.1): 215 mm, a little more than A4 and a little less than Letter is wide. */
export const LINE_DOTS = 1728;

const POINTS = { A4: [595.28, 841.89], Letter: [612, 792], Legal: [612, 1008] } as const;
const DOTS_DOWN = { Standard: 98, Fine: 196, Superfine: 391 } as const;
const DOTS_ACROSS = 204;
const MM = 72 / 25.4;

/** Lengths in points (1/72 inch). */
export interface Paper {
  readonly width: number;
  readonly height: number;
  readonly margin: { readonly top: number; readonly side: number; readonly bottom: number };
  /** Distance of the header line from the top. */
  readonly headerTop: number;
  /** Dots per inch, across and down: they differ. */
  readonly dots: { readonly across: number; readonly down: number };
}

export function paperOf({ pageSize, resolution, header }: FaxRules): Paper {
  const [width, height] = POINTS[pageSize];
  return {
    width,
    height,
    // Machines lose up to 5 mm at the edges.
    margin: { top: (header === undefined ? 16 : 21) * MM, side: 18 * MM, bottom: 15 * MM },
    headerTop: 9 * MM,
    dots: { across: DOTS_ACROSS, down: DOTS_DOWN[resolution] },
  };
}

/** The area that the message may fill, points. */
export function areaOf({ width, height, margin }: Paper): { width: number; height: number } {
  return { width: width - 2 * margin.side, height: height - margin.top - margin.bottom };
}

/** The header line of every page without the page number; undefined: no header line. */
export function headerOf({ header, station }: FaxRules, now: number): { time: string; sender: string } | undefined {
  if (header === undefined) return undefined;
  const sender = station === undefined || station === header ? header : `${header}  ${station}`;
  return { time: timeText(now), sender: cleanLine(sender) };
}

/** UTC: the recipient's time zone is unknown. */
export function timeText(now: number): string {
  return `${isoTime(now).slice(0, 16).replace('T', ' ')} UTC`;
}

export interface CoverLine {
  readonly name: string;
  readonly value: string;
}

/** The lines of a cover page without the number of pages, which is known after the layout. */
export function coverOf(sendRequest: MessageContentInfo, to: string, rules: FaxRules, now: number): CoverLine[] {
  const lines = [
    { name: 'From', value: distinct([sendRequest.FromField, rules.header, rules.station]) },
    { name: 'To', value: distinct([sendRequest.ToField, to]) },
    { name: 'Subject', value: oneLine(sendRequest.SubjectField) },
    { name: 'Date', value: timeText(now) },
  ];
  return lines.filter(({ value }) => value !== '');
}

function distinct(values: readonly (string | null | undefined)[]): string {
  const lines = values.map(oneLine).filter((value) => value !== '');
  const fresh = lines.filter((value, at) => !lines.slice(0, at).some((earlier) => earlier.includes(value)));
  return fresh.join(', ');
}

/** The longest member of a send request is 320 characters. */
function oneLine(value: string | null | undefined): string {
  return cutText(cleanLine(value ?? ''), 320);
}

/** `about`: the pages were estimated, not laid out. */
export function tooManyPages(pages: number, about = false): string {
  const count = Math.ceil(pages).toLocaleString('en-US');
  return `the fax would have ${about ? 'about ' : ''}${count} pages, at most ${MAX_PAGES} are sent`;
}
