import { trimWhere } from '../../kit/trim.js';
import type { TextRules } from '../../model/content.js';

export type Consent = 'stop' | 'start' | 'help';
export type Keywords = NonNullable<TextRules['keywords']>;

/**
 * STOP and its like are what carriers and laws require to be understood (CTIA Messaging Principles); the rest is what people
 * write in their own languages. Written without accents, as `folded` leaves them. YES is not among the words of consent: as
 * an answer to a question it means something else.
 */
export const USUAL_KEYWORDS: Keywords = {
  stop: [
    ...[
      'STOP',
      'STOPALL',
      'STOP ALL',
      'UNSUBSCRIBE',
      'CANCEL',
      'END',
      'QUIT',
      'REVOKE',
      'OPTOUT',
      'OPT OUT',
      'OPT-OUT',
    ],
    ...['STOPP', 'ABMELDEN', 'ABBESTELLEN'],
    ...['ARRET', 'ARRETER', 'DESABONNER', 'DESINSCRIRE'],
    ...['BAJA', 'ALTO', 'PARAR', 'CANCELAR', 'SAIR'],
    ...['FERMA', 'DISISCRIVI', 'ANNULLA'],
    ...['STOJ', 'ODHLASIT', 'ODHLAS', 'ZRUSIT', 'ODJAVA', 'ODJAVI'],
    ...['WYPISZ', 'ANULUJ', 'REZYGNUJE'],
    ...['LEIRATKOZAS', 'LEALLIT', 'DEZABONARE'],
    ...['AFMELDEN', 'AFMELD', 'AVMELD', 'AVSLUTA', 'LOPETA'],
    ...['IPTAL', 'ΣΤΟΠ', 'СТОП', 'ОТПИСАТЬСЯ', 'ВІДПИСАТИСЯ'],
  ],
  start: [
    ...['START', 'UNSTOP', 'SUBSCRIBE', 'RESUME', 'OPTIN', 'OPT IN', 'OPT-IN'],
    ...['ANMELDEN', 'REPRENDRE', 'INSCRIRE', 'ALTA', 'INICIAR', 'INIZIA', 'ISCRIVI'],
    ...['PRIHLASIT', 'PRIHLAS', 'ZAPISZ', 'PRIJAVA', 'FELIRATKOZAS', 'ABONARE'],
    ...['AANMELDEN', 'TILMELD', 'ALOITA', 'BASLAT', 'СТАРТ'],
  ],
  help: [
    ...['HELP', 'INFO', 'HILFE', 'AIDE', 'AYUDA', 'AIUTO', 'AJUDA', 'POMOC', 'SEGITSEG', 'AJUTOR'],
    ...['HJALP', 'HJELP', 'APUA', 'YARDIM', 'ΒΟΗΘΕΙΑ', 'ПОМОЩЬ', 'ДОПОМОГА'],
  ],
};

/** A longer message is no keyword. Keeps the folding away from long texts. */
const LONGEST = 200;

/** The whole message has to be a keyword: "please stop by at noon" is not one. */
export function consentOf(text: string, keywords: Keywords = USUAL_KEYWORDS): Consent | null {
  if (text.length > LONGEST) return null;
  return meaningsOf(keywords).get(folded(text)) ?? null;
}

/** Folding a hundred words for every message would cost more than everything else that is done with it. */
const meanings = new WeakMap<Keywords, ReadonlyMap<string, Consent>>();

function meaningsOf(keywords: Keywords): ReadonlyMap<string, Consent> {
  const known = meanings.get(keywords);
  if (known) return known;
  // Backwards, so that a word that stands in two lists means what opts out first.
  const entries = (['help', 'start', 'stop'] as const).flatMap((consent) =>
    keywords[consent].map((word) => [folded(word), consent] as const),
  );
  const made = new Map(entries.filter(([word]) => word !== ''));
  meanings.set(keywords, made);
  return made;
}

const isOpening = (character: string) => /[\s\p{P}]/u.test(character);
const isClosing = (character: string) => /[\s\p{P}\p{S}]/u.test(character);

/** Small letters without accents, no marks of punctuation or quotation around, single blanks. */
function folded(text: string): string {
  const plain = text
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\p{Mn}\p{Cf}]/gu, '')
    .replace(/[łıøđς]/g, (letter) => PLAIN[letter] ?? letter)
    .replace(/[\s\p{Cc}]+/gu, ' ');
  return trimWhere(plain, isOpening, isClosing);
}

/** Letters that do not come apart into a plain one and a mark. */
const PLAIN: Readonly<Record<string, string>> = { ł: 'l', ı: 'i', ø: 'o', đ: 'd', ς: 'σ' };
