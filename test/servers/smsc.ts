// Owns an SMSC in this process, on the server of npm `smpp`, that can be told to misbehave at every submit_sm. What it is
// told to deliver it keeps until it is taken or refused for good, as SMSCs do.
import { createServer } from 'node:net';
import smpp, { type PDU, type Session } from 'smpp';

export interface SmscOptions {
  systemId: string;
  password: string;
  /** Status with which bind_transceiver is answered; 0 when it is taken. */
  transceiverStatus?: number;
  /** Ms after which a message that was put off is sent again. */
  resendMs?: number;
  /** PEM texts: speaks TLS. */
  tls?: { key: string; cert: string };
}

/** What to do about a submit_sm; undefined: take it. */
export type SubmitAction =
  | undefined
  | { status: number }
  /** Takes it and answers after this promise. */
  | { after: Promise<void> }
  /** Takes it and answers with these bytes, whatever they are. */
  | { raw(sequence: number, id: string): Buffer }
  | 'silent'
  /** Takes it and breaks the connection without an answer. */
  | 'drop'
  /** Breaks the connection with the positive answer. */
  | 'answer and drop'
  /** Breaks the connection with the negative answer. */
  | 'refuse and drop';

export interface Submitted {
  readonly to: string;
  readonly from: string;
  readonly text: string;
  readonly fields: PDU;
  /** Bytes of the user data header's elements, when there is one. */
  readonly udh: readonly Buffer[];
  readonly id: string;
}

export interface Smsc {
  readonly port: number;
  /** What was taken, part by part, in the order of coming. */
  readonly submits: readonly Submitted[];
  /** Every submit_sm that came, taken or not. */
  readonly asked: number;
  /** Whole messages, parts joined. */
  texts(): { to: string; text: string }[];
  script: (pdu: PDU, count: number) => SubmitAction;
  /** What query_sm says of an id; DELIVRD when undefined. */
  query: (id: string) => { message_state?: number; error_code?: number; command_status?: number } | undefined;
  /** Roles bound right now. */
  binds(): string[];
  readonly enquired: number;
  /** Does not answer enquire_link any more. */
  deaf: boolean;
  /** Refuses every bind with this status, when not 0. */
  bindStatus: number;
  /** Puts a message on offer. */
  offer(message: { from: string; to: string; text: string }): Promise<void>;
  untaken(): number;
  refused(): number;
  /** One deliver_sm as it is given; resolves with the status of the answer, or undefined when the line broke. */
  deliver(fields: Readonly<Record<string, unknown>>, role?: string): Promise<number | undefined>;
  /** Bytes on every connection, as they are. */
  raw(bytes: Buffer): void;
  /** Statuses of generic_nack that came back. */
  readonly nacks: readonly number[];
  /** Resolves when a submit_sm has come that is not answered. */
  silent(): Promise<void>;
  /** Breaks every connection, or those bound in this role. */
  dropAll(role?: string): void;
  close(): Promise<void>;
}

interface Offer {
  readonly fields: Readonly<Record<string, unknown>>;
  is: 'waiting' | 'out' | 'taken' | 'refused';
}

const RECEIVING = ['transceiver', 'receiver'];

export async function startSmsc(options: SmscOptions): Promise<Smsc> {
  const bound = new Map<Session, string>();
  const submits: Submitted[] = [];
  const offers: Offer[] = [];
  const nacks: number[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const listeners: (() => void)[] = [];
  let asked = 0;
  let enquired = 0;
  let lastId = 0x2000;
  let unanswered = 0;
  let closed = false;

  const later = (ms: number, work: () => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      work();
    }, ms);
    timers.add(timer);
  };

  const deliverOn = (session: Session, fields: Readonly<Record<string, unknown>>) =>
    new Promise<number | undefined>((resolve) => {
      session.socket.once('close', () => resolve(undefined));
      session.send(new smpp.PDU('deliver_sm', fields), (answer) => resolve(answer.command_status));
    });

  const receiver = (role?: string) => [...bound].find(([, is]) => (role ? is === role : RECEIVING.includes(is)))?.[0];

  const push = () => {
    for (const offer of offers.filter(({ is }) => is === 'waiting')) {
      const session = receiver();
      if (!session) return;
      offer.is = 'out';
      void deliverOn(session, offer.fields).then((status) => {
        if (status === 0) offer.is = 'taken';
        else if (status === 0x66 || status === 0x65) offer.is = 'refused';
        else {
          later(options.resendMs ?? 30, () => {
            offer.is = 'waiting';
            push();
          });
        }
      });
    }
  };

  const take = (pdu: PDU): string => {
    lastId += 1;
    const id = lastId.toString(16);
    const { message = '', udh = [] } = contentOf(pdu);
    submits.push({
      to: String(pdu.destination_addr),
      from: String(pdu.source_addr),
      text: message,
      fields: pdu,
      udh,
      id,
    });
    return id;
  };

  const onSubmit = (session: Session, pdu: PDU) => {
    asked += 1;
    const action = smsc.script(pdu, asked);
    const refusal = action && typeof action === 'object' && 'status' in action ? action.status : 0;
    if (refusal) return void session.send(pdu.response({ command_status: refusal }));
    if (action === 'refuse and drop') {
      session.send(pdu.response({ command_status: 0x0b }));
      return session.close();
    }
    const id = take(pdu);
    if (action === 'silent') {
      unanswered += 1;
      for (const wake of listeners.splice(0)) wake();
      return;
    }
    if (action === 'drop') return session.destroy();
    const answer = () => void session.send(pdu.response({ message_id: id }));
    if (action && typeof action === 'object' && 'raw' in action)
      return void session.socket.write(action.raw(pdu.sequence_number, id));
    if (action && typeof action === 'object' && 'after' in action) return void action.after.then(answer);
    answer();
    if (action === 'answer and drop') session.close();
  };

  const onBind = (session: Session, role: string, pdu: PDU) => {
    const ok = pdu.system_id === options.systemId && pdu.password === options.password;
    const kind = role === 'transceiver' ? (options.transceiverStatus ?? 0) : 0;
    const status = smsc.bindStatus || (ok ? kind : 0x0e);
    if (status) return void session.send(pdu.response({ command_status: status }));
    session.send(pdu.response({ system_id: 'TEST' }));
    bound.set(session, role);
    push();
  };

  const server = smpp.createServer(options.tls ?? {}, (session) => {
    // One for every message that waits for its answer.
    session.socket.setMaxListeners(0);
    session.on('error', () => session.destroy());
    session.on('close', () => bound.delete(session));
    for (const role of ['transceiver', 'transmitter', 'receiver'])
      session.on(`bind_${role}`, (pdu: PDU) => onBind(session, role, pdu));
    session.on('submit_sm', (pdu: PDU) => onSubmit(session, pdu));
    session.on('query_sm', (pdu: PDU) => {
      const answer = smsc.query(String(pdu.message_id));
      session.send(pdu.response({ message_id: pdu.message_id, message_state: 2, final_date: '', ...answer }));
    });
    session.on('enquire_link', (pdu: PDU) => {
      enquired += 1;
      if (!smsc.deaf) session.send(pdu.response());
    });
    session.on('unbind', (pdu: PDU) => {
      session.send(pdu.response());
      session.close();
    });
    session.on('generic_nack', (pdu: PDU) => nacks.push(pdu.command_status));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const address = server.address();

  const dropAll = (role?: string) => {
    for (const [session, is] of bound) if (role === undefined || is === role) session.destroy();
  };
  const smsc: Smsc = {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    submits,
    get asked() {
      return asked;
    },
    get enquired() {
      return enquired;
    },
    nacks,
    script: () => undefined,
    query: () => undefined,
    deaf: false,
    bindStatus: 0,
    texts: () => joined(submits),
    binds: () => [...bound.values()].sort(),
    async offer({ from, to, text }) {
      const coding = /^[\n\r -~€£§ÄÖÜäöüßàéèùò]*$/.test(text) ? 0 : 8;
      offers.push({ fields: deliverFields(from, to, { short_message: text, data_coding: coding }), is: 'waiting' });
      push();
    },
    untaken: () => offers.filter(({ is }) => is === 'waiting' || is === 'out').length,
    refused: () => offers.filter(({ is }) => is === 'refused').length,
    deliver(fields, role) {
      const session = receiver(role);
      return session ? deliverOn(session, fields) : Promise.resolve(undefined);
    },
    raw(bytes) {
      for (const session of bound.keys()) session.socket.write(bytes);
    },
    silent: () => (unanswered > 0 ? Promise.resolve() : new Promise((resolve) => listeners.push(resolve))),
    dropAll,
    async close() {
      if (closed) return;
      closed = true;
      for (const timer of timers) clearTimeout(timer);
      const over = new Promise<void>((resolve) => server.close(() => resolve()));
      dropAll();
      await over;
    },
  };
  return smsc;
}

/** A number written with + is an international one. */
export function deliverFields(from: string, to: string, fields: Readonly<Record<string, unknown>>) {
  return {
    source_addr: from.replace(/^\+/, ''),
    source_addr_ton: from.startsWith('+') ? 1 : 0,
    source_addr_npi: 1,
    destination_addr: to.replace(/^\+/, ''),
    dest_addr_ton: to.startsWith('+') ? 1 : 0,
    dest_addr_npi: 1,
    ...fields,
  };
}

function contentOf(pdu: PDU): { message?: string; udh?: readonly Buffer[] } {
  const field = [pdu.short_message, pdu.message_payload].find(hasMessage);
  return hasMessage(field) ? field : {};
}

function hasMessage(value: unknown): value is { message: string; udh?: Buffer[] } {
  return typeof value === 'object' && value !== null && 'message' in value && Boolean(value.message?.toString());
}

/** Parts by recipient, reference and total, each message at the place of its first part. */
function joined(submits: readonly Submitted[]): { to: string; text: string }[] {
  const messages = new Map<string, { to: string; parts: string[] }>();
  for (const [at, { to, text, udh, fields }] of submits.entries()) {
    const header = udh.find((element) => element[0] === 0);
    const number = header?.[4] ?? Number(fields.sar_segment_seqnum ?? 1);
    const reference = header ? `u${header[2]}/${header[3]}` : fields.sar_msg_ref_num;
    const key = reference === undefined ? `single ${at}` : `${to} ${String(reference)}`;
    const message = messages.get(key) ?? { to, parts: [] };
    message.parts[number - 1] = text;
    messages.set(key, message);
  }
  return [...messages.values()].map(({ to, parts }) => ({ to, text: parts.join('') }));
}

/** A port where somebody listens who hangs up on everybody. */
export async function startHangUp(): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return { port, close: () => new Promise((resolve) => server.close(() => resolve())) };
}
