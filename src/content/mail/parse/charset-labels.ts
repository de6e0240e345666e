// Which charset a label means, in the names that iconv-lite has for its tables. Labels are those of the IANA registry, of the
// Encoding standard (WHATWG), and what mail programs write instead.
import iconv from 'iconv-lite';

export const UTF8 = 'utf-8';
/** What undeclared 8-bit text that is not UTF-8 is nearly always in. */
export const LAST_RESORT = 'windows-1252';

const ALIASES = new Map<string, string>();
const alias = (charset: string, labels: string) => {
  for (const label of labels.split(' ')) ALIASES.set(label, charset);
};
alias(UTF8, 'utf8 utf8mb4 utf-8mb4 utf cp65001 65001 unicode-1-1-utf-8 unicode11utf8 unicode20utf8 x-unicode20utf8');
alias(UTF8, 'us-ascii ascii ansi_x3.4-1968 ansi_x3.4-1986 iso646-us iso_646.irv:1991 646 us csascii');
alias('utf-7', 'utf7 unicode-1-1-utf-7 csunicode11utf7 x-unicode-2-0-utf-7 cp65000');
alias('utf-16le', 'ucs-2 csunicode iso-10646-ucs-2 unicode unicodefeff');
alias('utf-16be', 'unicodefffe');
// A page in one of these is a page in its superset; browsers read them so as well.
alias(LAST_RESORT, 'iso-8859-1 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 latin1 latin-1 l1 csisolatin1 iso-ir-100');
alias(LAST_RESORT, 'cp819 ibm819 ansi iso-8859-1-windows-3.1-latin-1 iso-8859-1-windows-3.0-latin-1');
alias('windows-1254', 'iso-8859-9 latin5 l5 csisolatin5');
alias('iso-8859-6', 'iso-8859-6-i iso-8859-6-e csiso88596e csiso88596i asmo-708 x-mac-arabic x-mac-farsi');
alias('iso-8859-7', 'sun_eu_greek');
alias('iso-8859-8', 'iso-8859-8-i iso-8859-8-e csiso88598e csiso88598i visual logical');
alias('windows-1255', 'x-mac-hebrew');
alias('iso-8859-15', 'csisolatin9 iso-latin-9');
alias('koi8-r', 'koi koi8');
alias('windows-874', 'dos-874');
alias('macroman', 'x-mac-roman mac macintosh csmacintosh');
alias('maccenteuro', 'x-mac-ce x-mac-centraleurroman x-mac-centraleurope x-mac-latin2');
// Its superset: two letters of Ukrainian stand for two signs nobody writes.
alias('macukraine', 'x-mac-cyrillic x-mac-ukrainian maccyrillic');
alias('macromania', 'x-mac-romanian x-mac-romania');
alias('maciceland', 'x-mac-icelandic');
alias('cp949', 'ks_c_5601-1987 ks_c_5601-1989 ks_c_5601 x-windows-949 windows-949 x-mac-korean euc-kr');
alias('shift_jis', 'x-mac-japanese ms_kanji csshiftjis x-ms-cp932');
alias('gbk', 'x-mac-chinesesimp eucgb2312_cn euc-cn');
alias('big5', 'x-mac-chinesetrad x-x-big5');
alias('euc-jp', 'x-euc-jp cseucpkdfmtjapanese ujis');
alias('iso-2022-jp', 'csiso2022jp cp50220 cp50221 cp50222 x-windows-50220 x-windows-50221 jis jis7 junet iso2022jp');
alias('iso-2022-kr', 'csiso2022kr iso2022kr x-windows-50225 cp50225');
alias('iso-2022-cn', 'iso2022cn iso-2022-cn-ext x-windows-50227 cp50227');
alias('hz-gb-2312', 'hz hz-gb2312 hzgb2312 x-hz');
alias('johab', 'cp1361 ms1361 windows-1361 csksc56011992 ksc5601_1992 x-johab');

/** Charsets with a decoder of their own: iconv-lite has no tables for them. */
const OWN = new Set(['utf-7', 'iso-2022-jp', 'iso-2022-kr', 'iso-2022-cn', 'hz-gb-2312', 'johab']);

/** iconv-lite takes these for encodings of octets, which no text is in. */
const NO_CHARSETS = /^(?:hex|base64|binary|utf-?7-?imap)$/;

const LONGEST_LABEL = 60;

/** The charset's name as the decoders know it; undefined for none and for an unknown one. */
export function knownCharset(label: string | undefined): string | undefined {
  if (!label) return undefined;
  // RFC 2231 5: a language may follow the charset after an asterisk.
  const name = label
    .slice(0, LONGEST_LABEL)
    .toLowerCase()
    .replace(/\*.*$/s, '')
    .replace(/[^a-z0-9_:.+-]/g, '');
  if (name === '') return undefined;
  return nameOf(name) ?? (name.startsWith('x-') ? nameOf(name.slice(2)) : undefined);
}

function nameOf(name: string): string | undefined {
  const plain = name
    .replace(/^(?:win|windows|cp|ms|x-windows|x-cp)[-_]?(125\d)$/, 'windows-$1')
    .replace(/^(?:ibm|dos|cp)[-_]?(\d{3})$/, 'cp$1')
    .replace(/^utf_?(\d+)/, 'utf-$1')
    .replace(/^x-mac-/, 'mac');
  for (const candidate of [name, plain]) {
    const known = ALIASES.get(candidate) ?? (/^iso-?2022-?jp/.test(candidate) ? 'iso-2022-jp' : candidate);
    if (known === UTF8 || OWN.has(known)) return known;
    if (!NO_CHARSETS.test(known) && iconv.encodingExists(known)) return known;
  }
  return undefined;
}

/** Whether one octet is one character in it: text in UTF-8 cannot pass for text in such a charset, and it never is by chance. */
export function isSingleByte(charset: string): boolean {
  return /^(?:windows-(?:125\d|874)|iso-?8859-|koi8|mac(?!japan|korea|chin)|cp(?:4|7|8)\d\d$|tis)/.test(charset);
}

/** What programs write that know no charset: such a label says nothing. */
const PLACEHOLDER = /^(?:(?:x-)?unknown(?:-8bit)?|default|_autodetect(?:_all)?|[78]bit|binary|none|charset)?$/i;

/** Whether `label` names a charset that there is no decoder for. */
export function isUnknownCharset(label: string | undefined): boolean {
  const bare = label?.slice(0, LONGEST_LABEL).replace(/["'\s]/g, '');
  return bare !== undefined && !PLACEHOLDER.test(bare) && knownCharset(label) === undefined;
}
