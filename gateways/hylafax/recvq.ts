import type { HfaxdClient } from './hfaxd-client.js';

export interface ReceivedFile {
  /** `fax000000001.tif`; HylaFAX reuses names. */
  readonly file: string;
  /** Bytes. */
  readonly size: number;
  /** When its reception ended, seconds since the epoch, by the server's clock. */
  readonly at: number;
  /** Identity of the fax: name, time and size. */
  readonly key: string;
  /** A modem is still writing it. */
  readonly arriving: boolean;
  /** What HylaFAX read in the file; undefined when HylaFAX cannot read it. */
  readonly details: FaxDetails | undefined;
}

export interface FaxDetails {
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

/** Text of the sender comes last; a bar in it ends up in the name. */
const FORMAT = '#F|%f|%z|%n|%Y|%p|%b|%d|%r|%h|%a|%j|%s|%i';
const LINE =
  /^#F\|([^|]+)\|([* ])\|(\d+)\|([\d/]+ [\d.]+)\|(\d+)\|(\d*)\|([^|]*)\|(\d*)\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|(.*)$/;
/** Other names are never used in a command. */
const NAME = /^fax[\w.-]+$/;
/** Unreadable files that are examined one by one per listing. */
const MAX_UNREADABLE = 20;

/** The faxes in recvq, oldest first, without empty files. */
export async function listReceived(client: HfaxdClient): Promise<ReceivedFile[]> {
  await client.ask(`RCVFMT "${FORMAT}"`);
  const names = (await client.list('NLST recvq')).filter((name) => NAME.test(name));
  const readable = (await client.list('LIST recvq')).flatMap(parseLine);
  const unreadable = names.filter((name) => !readable.some(({ file }) => file === name)).slice(0, MAX_UNREADABLE);
  const all = [...readable];
  for (const name of unreadable) all.push(...(await examine(client, name)));
  return all.filter(({ size }) => size > 0).sort((a, b) => a.at - b.at || (a.file < b.file ? -1 : 1));
}

function parseLine(line: string): ReceivedFile[] {
  const found = LINE.exec(line);
  if (!found) return [];
  const [, file = '', star, bytes, time = '', pages, rate, format = '', lines, duration = '', subaddress = ''] = found;
  const [number = '', station = '', name = ''] = found.slice(11);
  if (!NAME.test(file)) return [];
  const texts = { format, duration, subaddress, number, station, name };
  const details = { ...texts, pages: Number(pages), rate: Number(rate), lines: Number(lines) };
  return [received(file, Number(bytes), Date.parse(`${iso(time)}Z`) / 1000, star === '*', details)];
}

/** `2026/11/22 14.14.06` */
function iso(time: string): string {
  return time.replaceAll('/', '-').replace(' ', 'T').replaceAll('.', ':');
}

/** LIST leaves out a file that hfaxd cannot read as a fax, and such a file may still be a customer's fax. */
async function examine(client: HfaxdClient, file: string): Promise<ReceivedFile[]> {
  const size = await client.tryAsk(`SIZE recvq/${file}`);
  const time = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec((await client.tryAsk(`MDTM recvq/${file}`)) ?? '');
  if (size === undefined || !time) return [];
  const [year, month, day, hour, minute, second] = time.slice(1).map(Number);
  const at = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second) / 1000;
  return [received(file, Number(size), at, false, undefined)];
}

function received(
  file: string,
  size: number,
  at: number,
  arriving: boolean,
  details: FaxDetails | undefined,
): ReceivedFile {
  return {
    file,
    size,
    at,
    arriving,
    details,
    key: `${file} ${new Date(at * 1000).toISOString().slice(0, 19)}Z ${size}`,
  };
}
