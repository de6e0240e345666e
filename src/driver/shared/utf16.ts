// UCS-2 as SMSCs and HTTP gateways send it: big-endian by the standard, little-endian from some, with a byte order mark or not.

const BOM = /\ufeff/g;
/** Shorter texts say too little about the order of their octets. */
const LEAST_UNITS = 4;

export interface Utf16 {
  readonly text: string;
  /** Guessed from the text, not said by a byte order mark. */
  readonly isGuess: boolean;
}

export function decodeUtf16(bytes: Buffer): Utf16 {
  const even = bytes.subarray(0, bytes.length & ~1);
  const little = Buffer.from(even);
  const big = Buffer.from(even).swap16();
  const clean = (units: Buffer) => units.toString('utf16le').replace(BOM, '');
  if (even[0] === 0xff && even[1] === 0xfe) return { text: clean(little), isGuess: false };
  if (even[0] === 0xfe && even[1] === 0xff) return { text: clean(big), isGuess: false };
  const isGuess = isLittle(even);
  return { text: clean(isGuess ? little : big), isGuess };
}

/**
 * Letters of an alphabet in the one order are rare ideographs or nothing at all in the other. A text in ideographs is
 * never mostly letters in the wrong order.
 */
function isLittle(bytes: Buffer): boolean {
  const units = bytes.length / 2;
  if (units < LEAST_UNITS) return false;
  let [little, big] = [0, 0];
  for (let at = 0; at < bytes.length; at += 2) {
    if (isAlphabetic(bytes.readUInt16LE(at))) little += 1;
    if (isAlphabetic(bytes.readUInt16BE(at))) big += 1;
  }
  return little >= units * 0.9 && big <= units * 0.3;
}

/** Latin to Georgian, Vietnamese, punctuation and currency; no control characters but those of lines. */
function isAlphabetic(unit: number): boolean {
  if (unit < 0x20) return unit === 0x0a || unit === 0x0d || unit === 0x09;
  return unit <= 0x10ff || (unit >= 0x1e00 && unit <= 0x1eff) || (unit >= 0x2010 && unit <= 0x2026) || unit === 0x20ac;
}
