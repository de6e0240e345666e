// Johab (KS X 1001 annex 3), the Korean charset of DOS: a syllable is one bit and three times five bits for its letters, so no
// table of syllables is needed; signs and Chinese characters are those of EUC-KR in another arrangement.
import iconv from 'iconv-lite';

/** Index of the letter of each 5-bit code; -1: no letter, FILL: the place is empty. */
const FILL = 32;
const row = (fill: number, ...ranges: readonly (readonly [from: number, to: number])[]): Int8Array => {
  const codes = new Int8Array(32).fill(-1);
  let letter = 0;
  for (const [from, to] of ranges) for (let code = from; code <= to; code++) codes[code] = letter++;
  codes[fill] = FILL;
  return codes;
};
const INITIAL = row(1, [2, 20]);
const MEDIAL = row(2, [3, 7], [10, 15], [18, 23], [26, 29]);
const FINAL = row(1, [2, 17], [19, 29]);

const FIRST_SYLLABLE = 0xac00;
/** Letters that stand alone (KS X 1001 row 4). */
const INITIALS = 'ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ';
const MEDIALS = 'ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ';
const FINALS = 'ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ';

/** Linear; what is no character becomes U+FFFD. */
export function decodeJohab(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at < bytes.length; at++) {
    const lead = bytes[at] ?? 0;
    if (lead < 0x80) {
      text += String.fromCharCode(lead);
      continue;
    }
    const trail = bytes[at + 1];
    const character = trail === undefined ? undefined : lead < 0xd8 ? syllable(lead, trail) : sign(lead, trail);
    text += character ?? '\ufffd';
    // A line end is never half of a character.
    if (character !== undefined || (trail ?? 0) >= 0x31) at += 1;
  }
  return text;
}

function syllable(lead: number, trail: number): string | undefined {
  const code = (lead << 8) | trail;
  const initial = INITIAL[(code >> 10) & 31] ?? -1;
  const medial = MEDIAL[(code >> 5) & 31] ?? -1;
  const final = FINAL[code & 31] ?? -1;
  if (initial < 0 || medial < 0 || final < 0) return undefined;
  if (initial !== FILL && medial !== FILL) {
    const ending = final === FILL ? 0 : final + 1;
    return String.fromCharCode(FIRST_SYLLABLE + (initial * 21 + medial) * 28 + ending);
  }
  const alone = [INITIALS[initial], MEDIALS[medial], FINALS[final]].filter((letter) => letter !== undefined);
  return alone.length === 1 ? alone[0] : undefined;
}

/** The row and the column of EUC-KR, from the arrangement of two rows under each lead byte. */
function sign(lead: number, trail: number): string | undefined {
  const inRange = (lead >= 0xd9 && lead <= 0xde) || (lead >= 0xe0 && lead <= 0xf9);
  if (!inRange || trail < 0x31 || trail > 0xfe || (trail > 0x7e && trail < 0x91)) return undefined;
  const row = lead < 0xe0 ? 2 * (lead - 0xd9) : 2 * lead - 0x197;
  const column = trail < 0x91 ? trail - 0x31 : trail - 0x43;
  const second = column >= 0x5e;
  const pair = [row + (second ? 1 : 0) + 0xa1, (second ? column - 0x5e : column) + 0xa1];
  return iconv.decode(Buffer.from(pair), 'euc-kr');
}
