// Addresses and mail templates of fax providers. Data only; each entry names its source. Settings describe other providers.

/** Where a mail says what about its fax; templates as in template.ts. Of several the first that gives a value counts. */
export interface Rules {
  readonly subject?: readonly string[] | undefined;
  /** For each line of the mail's text. */
  readonly text?: readonly string[] | undefined;
  /** By header field. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Words that say that the fax is not complete: from their line on, the text says why. */
  readonly problem?: readonly string[] | undefined;
}

/** How a number is written: `+420777123456`, `420777123456`, `00420777123456`, `011420777123456`. */
export const NUMBER_FORMATS = ['E164', 'Digits', '00', '011'] as const;
export type NumberFormat = (typeof NUMBER_FORMATS)[number];

export interface Provider {
  readonly sends?: {
    readonly address: string;
    readonly number: NumberFormat;
    readonly subject?: string;
    readonly body?: string;
  };
  readonly rules?: Rules;
}

const table = {
  // Mails as their receivers quote them (`eFax message from "..." - 1 page(s), Caller-ID: 1-613-701-0200`; older and
  // resold: `eFax from ... - 2 page(s), caller ID: ...`). {nocoverpage} in the text leaves out eFax's own cover page.
  eFax: {
    sends: { address: '{number}@efaxsend.com', number: 'Digits', body: '{nocoverpage}' },
    rules: {
      subject: [
        'eFax message from "{station}" - {pages} page{*}Caller-ID: {from}',
        'eFax message from "{station}" - {pages} page',
        'eFax from {station} - {pages} page{*}caller ID: {from}',
        'eFax from {station} - {pages} page',
      ],
    },
  },
  // The company of eFax, and the same subject under another name.
  MetroFax: {
    sends: { address: '{number}@metrofax.com', number: 'Digits' },
    rules: {
      subject: [
        'MetroFax message from "{station}" - {pages} page{*}Caller-ID: {from}',
        'MetroFax message from "{station}" - {pages} page',
      ],
    },
  },
  // `New Fax Message from (469) 555-0100 on 07/01/2026 6:03 PM`, in the text `From:`, `Pages:`, `To:`. Unless the account
  // says otherwise, the fax itself is not in the mail.
  RingCentral: {
    sends: { address: '{number}@rcfax.com', number: 'Digits' },
    rules: {
      subject: [
        'New Fax Message from {from} on {*}',
        'New Fax Message from {from}',
        'New Fax Message from {name} on {*}',
      ],
      text: ['Pages: {pages}', 'From: {from}', 'To: {to}'],
    },
  },
  // help.uplandsoftware.com/interfax, "Fax SMTP"; the address as its customers' programs have it.
  InterFAX: { sends: { address: '{number}@fax.tc', number: 'E164' } },
  // docs.retarus.com/fax, "Addressing in Email-to-Fax".
  Retarus: { sends: { address: '{number}@rfax.net', number: 'E164' } },
  // developers.sinch.com, "Send a fax using email": the subject is empty or one of the account's own numbers.
  Sinch: { sends: { address: '{number}@sinchfax.com', number: 'E164', subject: '{station}' } },
  FaxPlus: { sends: { address: '{number}@fax.plus', number: 'E164' } },
  // The templates in etc/templates/*/faxrcvd-success.txt and faxrcvd-error.txt of HylaFAX 6.
  HylaFAX: {
    rules: {
      subject: ['Fax received from "{station}"', 'Fax empfangen von {station}', 'Télécopie reçue de "{station}"'],
      text: [
        'Sender: {station}',
        'CallID1: {from}',
        'CallID2: {name}',
        'Pages: {pages}',
        'Seiten: {pages}',
        'CommID: {id} (',
        'Anrufe ID 1: {from}',
        'Anrufe ID 2: {name}',
        'KommunikationsID: {id} (',
        'Signal Rate: {Speed}',
        'Time To Receive: {Duration}',
        'Quality: {Quality}',
      ],
      problem: ['Errors were received:'],
    },
  },
  // fax2mail.php of FreePBX' fax module: the caller id as Asterisk writes it, else the station.
  FreePBX: {
    rules: {
      subject: ['New fax from: "{name}" <{from}>', 'New fax from: {name} <{from}>', 'New fax from: {from}'],
      text: [
        'Enclosed, please find a new fax from: "{name}" <{from}>',
        'Enclosed, please find a new fax from: {from}',
        'Enclosed, please find a new fax from: {station}',
        'Via: {to}',
      ],
    },
  },
  // `Fax von Max Muster (03012345)` or `Fax von 03012345`, as mails of the German FRITZ!Box begin.
  FritzBox: { rules: { subject: ['Fax von {name} ({from})', 'Fax von {from}'] } },
} as const satisfies Record<string, Provider>;

export type ProviderName = keyof typeof table;
export const providers: Readonly<Record<ProviderName, Provider>> = table;

export const PROVIDER_NAMES = Object.keys(table).filter((name): name is ProviderName => name in table);
