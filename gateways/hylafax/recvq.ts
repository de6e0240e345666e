// Owns the listing of received faxes: what hfaxd tells of each file in recvq.
import type { Talk } from './talk.js';

export interface Received {
  /** `fax000000001.tif`; names come round again. */
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  /** When its reception ended, seconds since the epoch, by the server's clock. */
  readonly at: number;
  /** Its identity: name, time and size. */
  readonly key: string;
  /** A modem is still writing it. */
  readonly arriving: boolean;
  /** What HylaFAX read in it; undefined when it cannot read it itself. */
  readonly about: Told | undefined;
}

export interface Told {
  readonly pages: number;
  /** bit/s. */
  readonly rate: number;
  /** `2-D MMR`. */
  readonly format: string;
  /** Lines per inch. */
  readonly lines: number;
  /** `0:00:42`. */
  readonly duration: string;
  readonly subaddress: string;
  readonly number: string;
  readonly station: string;
  readonly name: string;
}

/** What may be foreign text comes last; a bar in it ends up in the name. */
const FORMAT = '#F|%f|%z|%n|%Y|%p|%b|%d|%r|%h|%a|%j|%s|%i';
const LINE =
  /^#F\|([^|]+)\|([* ])\|(\d+)\|([\d/]+ [\d.]+)\|(\d+)\|(\d*)\|([^|]*)\|(\d*)\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|(.*)$/;
/** Nothing else is asked for by name. */
const NAME = /^fax[\w.-]+$/;
/** Unreadable files that are asked about one by one, in one look. */
const MOST_STRANGE = 20;

/** The faxes in recvq, oldest first, those without a byte left out. */
export async function listReceived(talk: Talk): Promise<Received[]> {
  await talk.ask(`RCVFMT "${FORMAT}"`);
  const names = (await talk.list('NLST recvq')).filter((name) => NAME.test(name));
  const known = (await talk.list('LIST recvq')).flatMap(readLine);
  const strange = names.filter((name) => !known.some(({ file }) => file === name)).slice(0, MOST_STRANGE);
  const all = [...known];
  for (const name of strange) all.push(...(await askAbout(talk, name)));
  return all.filter(({ size }) => size > 0).sort((a, b) => a.at - b.at || (a.file < b.file ? -1 : 1));
}

function readLine(line: string): Received[] {
  const found = LINE.exec(line);
  if (!found) return [];
  const [, file = '', star, bytes, time = '', pages, rate, format = '', lines, duration = '', subaddress = ''] = found;
  const [number = '', station = '', name = ''] = found.slice(11);
  if (!NAME.test(file)) return [];
  const told = { format, duration, subaddress, number, station, name };
  const about = { ...told, pages: Number(pages), rate: Number(rate), lines: Number(lines) };
  return [received(file, Number(bytes), Date.parse(`${iso(time)}Z`) / 1000, star === '*', about)];
}

/** `2026/11/22 14.14.06` */
function iso(time: string): string {
  return time.replaceAll('/', '-').replace(' ', 'T').replaceAll('.', ':');
}

/** hfaxd lists no file that it cannot read as a fax; but one that a call has left is a customer's all the same. */
async function askAbout(talk: Talk, file: string): Promise<Received[]> {
  const size = await talk.tryAsk(`SIZE recvq/${file}`);
  const time = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec((await talk.tryAsk(`MDTM recvq/${file}`)) ?? '');
  if (size === undefined || !time) return [];
  const [year, month, day, hour, minute, second] = time.slice(1).map(Number);
  const at = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second) / 1000;
  return [received(file, Number(size), at, false, undefined)];
}

function received(file: string, size: number, at: number, arriving: boolean, about: Told | undefined): Received {
  return { file, size, at, arriving, about, key: `${file} ${new Date(at * 1000).toISOString().slice(0, 19)}Z ${size}` };
}
