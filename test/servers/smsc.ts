// An SMSC in this process, on the server of npm `smpp`, with faults on demand at every submit_sm. A text that it
// offers stays there until it is accepted or rejected for good, as at real SMSCs.
import smpp, { type PDU, type Session } from 'smpp';
import { joinedTexts, type Submitted, submittedOf } from './smsc-texts.js';

export type { Submitted } from './smsc-texts.js';

export interface SmscOptions {
  systemId: string;
  password: string;
  /** Status of the response to bind_transceiver; 0 accepts. */
  transceiverStatus?: number;
  /** Ms after which a deferred text is delivered again. */
  resendMs?: number;
  /** PEM texts: TLS from the first byte. */
  tls?: { key: string; cert: string };
}

/** What happens to a submit_sm; undefined: it is accepted. */
export type SubmitAction =
  | undefined
  | { status: number }
  /** Accepted; the response comes after this promise. */
  | { after: Promise<void> }
  /** Accepted; the response is these bytes, whatever they are. */
  | { raw(sequence: number, id: string): Buffer }
  /** Accepted, without a response. */
  | 'silent'
  /** Accepted; the connection is destroyed without a response. */
  | 'drop'
  /** The connection is closed with the positive response. */
  | 'answer and drop'
  /** The connection is closed with the negative response. */
  | 'refuse and drop';

export interface Smsc {
  readonly port: number;
  /** What was accepted, part by part, in order. */
  readonly submits: readonly Submitted[];
  /** Every submit_sm that came, accepted or not. */
  readonly asked: number;
  /** Whole messages, parts joined. */
  texts(): { to: string; text: string }[];
  script: (pdu: PDU, count: number) => SubmitAction;
  /** What query_sm says of an id; DELIVRD when undefined. */
  query: (id: string) => { message_state?: number; error_code?: number; command_status?: number } | undefined;
  /** Roles bound now. */
  binds(): string[];
  readonly enquired: number;
  /** Does not respond to enquire_link. */
  deaf: boolean;
  /** Rejects every bind with this status, when not 0. */
  bindStatus: number;
  /** Offers a text until it is accepted or rejected for good. */
  offer(message: { from: string; to: string; text: string }): Promise<void>;
  unconfirmed(): number;
  rejected(): number;
  /** One deliver_sm with these fields. Resolves with the status of the response, or undefined when the connection was lost. */
  deliver(fields: Readonly<Record<string, unknown>>, role?: string): Promise<number | undefined>;
  /** Writes bytes on every connection. */
  raw(bytes: Buffer): void;
  /** Statuses of generic_nack that came back. */
  readonly nacks: readonly number[];
  /** Resolves when a submit_sm has come that gets no response. */
  silent(): Promise<void>;
  /** Destroys every connection, or those bound in this role. */
  dropAll(role?: string): void;
  close(): Promise<void>;
}

interface Offer {
  readonly fields: Readonly<Record<string, unknown>>;
  is: 'waiting' | 'delivered' | 'accepted' | 'rejected';
}

const RECEIVING = ['transceiver', 'receiver'];
const ROLES = ['transceiver', 'transmitter', 'receiver'];

export async function startSmsc(options: SmscOptions): Promise<Smsc> {
  const smsc = new FakeSmsc(options);
  await smsc.listen();
  return smsc;
}

class FakeSmsc implements Smsc {
  readonly submits: Submitted[] = [];
  readonly nacks: number[] = [];
  port = 0;
  asked = 0;
  enquired = 0;
  deaf = false;
  bindStatus = 0;
  script: Smsc['script'] = () => undefined;
  query: Smsc['query'] = () => undefined;
  readonly #options: SmscOptions;
  readonly #server;
  readonly #bound = new Map<Session, string>();
  readonly #offers: Offer[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  #onSilent: (() => void)[] = [];
  #lastId = 0x2000;
  #unanswered = 0;
  #isClosed = false;

  constructor(options: SmscOptions) {
    this.#options = options;
    this.#server = smpp.createServer(options.tls ?? {}, (session) => this.#onSession(session));
  }

  // Tests take these methods off the object, so each is a property.
  readonly listen = async () => {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve()));
    const address = this.#server.address();
    this.port = address !== null && typeof address === 'object' ? address.port : 0;
  };

  readonly texts = () => joinedTexts(this.submits);

  readonly binds = () => [...this.#bound.values()].sort();

  readonly offer = async ({ from, to, text }: { from: string; to: string; text: string }) => {
    const coding = /^[\n\r -~€£§ÄÖÜäöüßàéèùò]*$/.test(text) ? 0 : 8;
    this.#offers.push({ fields: deliverFields(from, to, { short_message: text, data_coding: coding }), is: 'waiting' });
    this.#deliverOffers();
  };

  readonly unconfirmed = () => this.#offers.filter(({ is }) => is === 'waiting' || is === 'delivered').length;

  readonly rejected = () => this.#offers.filter(({ is }) => is === 'rejected').length;

  readonly deliver = (fields: Readonly<Record<string, unknown>>, role?: string) => {
    const session = this.#receiver(role);
    return session ? deliverOn(session, fields) : Promise.resolve(undefined);
  };

  readonly raw = (bytes: Buffer) => {
    for (const session of this.#bound.keys()) session.socket.write(bytes);
  };

  readonly silent = () =>
    this.#unanswered > 0 ? Promise.resolve() : new Promise<void>((resolve) => this.#onSilent.push(resolve));

  readonly dropAll = (role?: string) => {
    for (const [session, is] of this.#bound) if (role === undefined || is === role) session.destroy();
  };

  readonly close = async () => {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const over = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.dropAll();
    await over;
  };

  #onSession(session: Session): void {
    // One listener for every message that waits for its response.
    session.socket.setMaxListeners(0);
    session.on('error', () => session.destroy());
    session.on('close', () => this.#bound.delete(session));
    for (const role of ROLES) session.on(`bind_${role}`, (pdu: PDU) => this.#onBind(session, role, pdu));
    session.on('submit_sm', (pdu: PDU) => this.#onSubmit(session, pdu));
    session.on('query_sm', (pdu: PDU) => {
      const answer = this.query(String(pdu.message_id));
      session.send(pdu.response({ message_id: pdu.message_id, message_state: 2, final_date: '', ...answer }));
    });
    session.on('enquire_link', (pdu: PDU) => {
      this.enquired += 1;
      if (!this.deaf) session.send(pdu.response());
    });
    session.on('unbind', (pdu: PDU) => {
      session.send(pdu.response());
      session.close();
    });
    session.on('generic_nack', (pdu: PDU) => this.nacks.push(pdu.command_status));
  }

  #onBind(session: Session, role: string, pdu: PDU): void {
    const { systemId, password, transceiverStatus = 0 } = this.#options;
    const isLogin = pdu.system_id === systemId && pdu.password === password;
    const status = this.bindStatus || (isLogin ? (role === 'transceiver' ? transceiverStatus : 0) : 0x0e);
    if (status) return void session.send(pdu.response({ command_status: status }));
    session.send(pdu.response({ system_id: 'TEST' }));
    this.#bound.set(session, role);
    this.#deliverOffers();
  }

  #onSubmit(session: Session, pdu: PDU): void {
    this.asked += 1;
    const action = this.script(pdu, this.asked);
    if (typeof action === 'object' && 'status' in action && action.status !== 0)
      return void session.send(pdu.response({ command_status: action.status }));
    if (action === 'refuse and drop') {
      session.send(pdu.response({ command_status: 0x0b }));
      return void session.close();
    }
    this.#lastId += 1;
    const id = this.#lastId.toString(16);
    this.submits.push(submittedOf(pdu, id));
    this.#respond(session, pdu, id, action);
  }

  #respond(session: Session, pdu: PDU, id: string, action: SubmitAction): void {
    const respond = () => void session.send(pdu.response({ message_id: id }));
    if (action === 'silent') {
      this.#unanswered += 1;
      for (const wake of this.#onSilent.splice(0)) wake();
    } else if (action === 'drop') session.destroy();
    else if (typeof action === 'object' && 'raw' in action) session.socket.write(action.raw(pdu.sequence_number, id));
    else if (typeof action === 'object' && 'after' in action) void action.after.then(respond);
    else {
      respond();
      if (action === 'answer and drop') session.close();
    }
  }

  #receiver(role?: string): Session | undefined {
    return [...this.#bound].find(([, is]) => (role ? is === role : RECEIVING.includes(is)))?.[0];
  }

  #deliverOffers(): void {
    for (const offer of this.#offers.filter(({ is }) => is === 'waiting')) {
      const session = this.#receiver();
      if (!session) return;
      offer.is = 'delivered';
      void deliverOn(session, offer.fields).then((status) => this.#onDelivered(offer, status));
    }
  }

  #onDelivered(offer: Offer, status: number | undefined): void {
    if (status === 0) offer.is = 'accepted';
    else if (status === 0x66 || status === 0x65) offer.is = 'rejected';
    else
      this.#later(this.#options.resendMs ?? 30, () => {
        offer.is = 'waiting';
        this.#deliverOffers();
      });
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }
}

function deliverOn(session: Session, fields: Readonly<Record<string, unknown>>): Promise<number | undefined> {
  return new Promise((resolve) => {
    session.socket.once('close', () => resolve(undefined));
    session.send(new smpp.PDU('deliver_sm', fields), (answer) => resolve(answer.command_status));
  });
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
