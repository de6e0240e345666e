export interface Queues {
  readonly jobs: ScriptJob[];
  readonly files: Map<string, ScriptFile>;
  /** Status by modem. */
  readonly modems: Map<string, string>;
}

export interface ScriptJob {
  readonly id: string;
  /** T suspended, W waiting, S sleeping, R running, D done, F failed. */
  state: string;
  sent: number;
  pages: number;
  dials: number;
  maxDials: number;
  tag: string;
  status: string;
  number: string;
  /** Set by JPARM. */
  readonly parameters: Map<string, string>;
  document: Buffer;
}

export interface ScriptFile {
  bytes: Buffer;
  /** When its reception ended, seconds since the epoch. */
  at: number;
  arriving?: boolean;
  /** The listed size, where it differs from the real one. */
  size?: number;
  /** hfaxd cannot read it, so LIST leaves it out. */
  unreadable?: boolean;
  /** Mode 0600: hfaxd shows it to administrators only. */
  secret?: boolean;
  number?: string;
  station?: string;
  name?: string;
}

/** As JNEW creates it. */
export function freshJob(id: string): ScriptJob {
  const counts = { sent: 0, pages: 1, dials: 0, maxDials: 12 };
  return {
    id,
    state: 'T',
    ...counts,
    tag: '',
    status: '',
    number: '',
    parameters: new Map(),
    document: Buffer.alloc(0),
  };
}

/** Formats and rights of a client. */
export interface Viewer {
  readonly formats: ReadonlyMap<string, string>;
  readonly admin: boolean;
}

export function listing(
  { jobs, files, modems }: Queues,
  { formats, admin }: Viewer,
  verb: string,
  folder: string,
): string {
  const rows: string[] = [];
  if (folder === 'sendq' || folder === 'doneq')
    for (const job of jobs)
      if ('DF'.includes(job.state) === (folder === 'doneq')) rows.push(fill(formats.get('JOBFMT'), jobFields(job)));
  if (folder === 'recvq')
    for (const [name, file] of files)
      if (file.secret && !admin) continue;
      else if (verb === 'NLST') rows.push(name);
      else if (!file.unreadable) rows.push(fill(formats.get('RCVFMT'), fileFields(name, file)));
  if (folder === 'status')
    rows.push(
      'HylaFAX scheduler on script: Running',
      ...[...modems].map(([m, s]) => fill(formats.get('MDMFMT'), { m, s })),
    );
  return rows.map((row) => `${row}\r\n`).join('');
}

function fill(format = '', fields: Readonly<Record<string, string | number>>): string {
  return format.replace(/%(\w)/g, (_, letter: string) => String(fields[letter] ?? ''));
}

function jobFields({ id, state, sent, pages, dials, maxDials, tag, status }: ScriptJob) {
  return { j: id, a: state, p: sent, y: pages, d: dials, x: maxDials, J: tag, s: status };
}

function fileFields(
  name: string,
  { bytes, at, arriving, size, number = '5551001', station = '', name: caller = '' }: ScriptFile,
) {
  const time = new Date(at * 1000)
    .toISOString()
    .slice(0, 19)
    .replaceAll('-', '/')
    .replace('T', ' ')
    .replaceAll(':', '.');
  const call = { p: 1, b: 14_400, d: '2-D MMR', r: 196, h: '0:00:42', j: number, s: station, i: caller };
  return { f: name, z: arriving ? '*' : ' ', n: size ?? bytes.length, Y: time, ...call };
}

/** The time as MDTM writes it. */
export function compact(at: number): string {
  return new Date(at * 1000).toISOString().replace(/\D/g, '').slice(0, 14);
}
