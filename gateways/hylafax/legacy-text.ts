// Text that names no character set: the names of callers and stations, in the bytes that the caller's machine or network sent.

/** The usual 8-bit character set of a country; elsewhere Windows-1252, which contains Latin-1. */
const CODE_PAGES: readonly (readonly [codePage: string, regions: string])[] = [
  ['windows-1250', 'AL BA CZ HR HU ME PL RO RS SI SK'],
  ['windows-1251', 'BG BY KZ MK RU UA'],
  ['windows-1253', 'CY GR'],
  ['windows-1254', 'AZ TR'],
  ['windows-1257', 'EE LT LV'],
];

/** UTF-8 where the bytes are UTF-8; other text is in no valid UTF-8 by chance. `region`: ISO 3166-1. Never fails. */
export function decodeText(bytes: Uint8Array, region?: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder(codePageOf(region)).decode(bytes);
  }
}

function codePageOf(region: string | undefined): string {
  const found = CODE_PAGES.find(([, regions]) => region !== undefined && regions.split(' ').includes(region));
  return found?.[0] ?? 'windows-1252';
}
