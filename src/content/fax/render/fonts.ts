import { existsSync } from 'node:fs';
import iconv from 'iconv-lite';

/** Regular and bold of one family. */
export interface Face {
  readonly regular: string;
  readonly bold: string;
}

/** Every PDF reader has it, and it is not embedded: Western European letters only. */
export const STANDARD_FACE: Face = { regular: 'Helvetica', bold: 'Helvetica-Bold' };

/** Free fonts first, by the number of scripts that they cover; no font is part of the product. */
const FACES: readonly Face[] = [
  pair('/usr/share/fonts/truetype/dejavu/', 'DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'),
  pair('/usr/share/fonts/dejavu/', 'DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'),
  pair('/usr/share/fonts/TTF/', 'DejaVuSans.ttf', 'DejaVuSans-Bold.ttf'),
  pair('/usr/share/fonts/truetype/noto/', 'NotoSans-Regular.ttf', 'NotoSans-Bold.ttf'),
  pair('/usr/share/fonts/noto/', 'NotoSans-Regular.ttf', 'NotoSans-Bold.ttf'),
  pair('/usr/share/fonts/truetype/liberation/', 'LiberationSans-Regular.ttf', 'LiberationSans-Bold.ttf'),
  pair('/usr/share/fonts/truetype/freefont/', 'FreeSans.ttf', 'FreeSansBold.ttf'),
  pair('/usr/share/fonts/opentype/urw-base35/', 'NimbusSans-Regular.otf', 'NimbusSans-Bold.otf'),
  pair('/System/Library/Fonts/Supplemental/', 'Arial Unicode.ttf', 'Arial Bold.ttf'),
  pair('C:\\Windows\\Fonts\\', 'arial.ttf', 'arialbd.ttf'),
];

function pair(folder: string, regular: string, bold: string): Face {
  return { regular: folder + regular, bold: folder + bold };
}

/** The first one that is installed. */
export function findFace(): Face {
  return FACES.find(({ regular, bold }) => existsSync(regular) && existsSync(bold)) ?? STANDARD_FACE;
}

export interface Lettering {
  /** `text` with replacements for letters that the font lacks. */
  written(text: string): string;
  /** Letters without a replacement so far. */
  readonly lost: number;
}

/** `has`: whether the font has a code point. */
export function lettering(has: (codePoint: number) => boolean): Lettering {
  const known = new Map<string, string>();
  let lost = 0;
  const replacement = (character: string): string => {
    // Joiners, direction marks and variation selectors are invisible.
    if (/\p{Cf}|\p{Cc}|\p{Variation_Selector}/u.test(character)) return '';
    if (/\s/.test(character)) return ' ';
    const base = [...character.normalize('NFKD').replace(/\p{M}/gu, '')];
    return base.length > 0 && base.every((letter) => has(codeOf(letter))) ? base.join('') : '?';
  };
  const letter = (character: string): string => {
    if (character === '\n' || has(codeOf(character))) return character;
    const found = known.get(character) ?? replacement(character);
    known.set(character, found);
    if (found === '?') lost += 1;
    return found;
  };
  return {
    written: (text) => Array.from(text.normalize('NFC').replaceAll('\t', '    '), letter).join(''),
    get lost() {
      return lost;
    },
  };
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

/** Characters of the standard fonts of PDF (WinAnsiEncoding, PDF 32000-1, annex D). */
export function hasWinAnsi(codePoint: number): boolean {
  return WIN_ANSI.has(codePoint);
}

const WIN_ANSI: ReadonlySet<number> = new Set(
  Array.from(iconv.decode(Buffer.from(Array.from({ length: 256 }, (_, code) => code)), 'win1252'), codeOf).filter(
    (code) => code >= 0x20 && (code < 0x7f || code > 0x9f) && code !== 0xfffd,
  ),
);
