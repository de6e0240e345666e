// How light a colour of CSS or of the old attributes is, and whether text in one can be read on another (WCAG 2.2, 1.4.3).
/** CSS Color 4, 6.1: names with their six hexadecimal digits. Names that are missing here are not judged. */
const NAMED =
  'aliceblue f0f8ff antiquewhite faebd7 aqua 00ffff azure f0ffff beige f5f5dc black 000000 blue 0000ff brown a52a2a cornsilk fff8dc crimson dc143c cyan 00ffff darkblue 00008b darkgray a9a9a9 darkgreen 006400 darkgrey a9a9a9 darkred 8b0000 darkslateblue 483d8b darkslategray 2f4f4f darkslategrey 2f4f4f dimgray 696969 dimgrey 696969 floralwhite fffaf0 forestgreen 228b22 fuchsia ff00ff gainsboro dcdcdc ghostwhite f8f8ff gold ffd700 gray 808080 green 008000 grey 808080 honeydew f0fff0 indigo 4b0082 ivory fffff0 khaki f0e68c lavender e6e6fa lavenderblush fff0f5 lemonchiffon fffacd lightblue add8e6 lightcyan e0ffff lightgray d3d3d3 lightgreen 90ee90 lightgrey d3d3d3 lightyellow ffffe0 lime 00ff00 linen faf0e6 magenta ff00ff maroon 800000 mediumblue 0000cd midnightblue 191970 mintcream f5fffa mistyrose ffe4e1 navy 000080 oldlace fdf5e6 olive 808000 orange ffa500 papayawhip ffefd5 pink ffc0cb purple 800080 rebeccapurple 663399 red ff0000 royalblue 4169e1 seashell fff5ee silver c0c0c0 slateblue 6a5acd slategray 708090 slategrey 708090 snow fffafa steelblue 4682b4 teal 008080 white ffffff whitesmoke f5f5f5 yellow ffff00';

const NAMES = new Map<string, string>();
const words = NAMED.split(' ');
for (let at = 0; at + 1 < words.length; at += 2) NAMES.set(words[at] ?? '', words[at + 1] ?? '');

/** Of black and of white. */
export const DARKEST = 0;
export const LIGHTEST = 1;
/** A background is dark when black on it is harder to read than white. */
const DARK = 0.18;
/** Text below this cannot be read; newsletters have grey text of little more. */
const UNREADABLE = 1.7;
/** Text that has a colour by default only, so that a better one takes nothing from the design. */
const POOR = 3;

const LONGEST_COLOR = 60;

/** The relative luminance from 0 to 1; undefined for what is transparent, inherited or unknown. */
export function luminance(written: string): number | undefined {
  const color = written.slice(0, LONGEST_COLOR).trim().toLowerCase();
  const hex = /^#?([0-9a-f]{3,8})$/.exec(NAMES.get(color) ?? color)?.[1];
  const rgb = hex ? hexChannels(hex) : functionChannels(color);
  if (!rgb) return undefined;
  const [red = 0, green = 0, blue = 0] = rgb.map(linear);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

export function isDark(light: number): boolean {
  return light < DARK;
}

export function isUnreadable(text: number, background: number): boolean {
  return contrast(text, background) < UNREADABLE;
}

export function isPoor(text: number, background: number): boolean {
  return contrast(text, background) < POOR;
}

function contrast(a: number, b: number): number {
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function linear(channel: number): number {
  const share = Math.min(255, Math.max(0, channel)) / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

function hexChannels(hex: string): number[] | undefined {
  const wide = hex.length >= 6;
  const at = (index: number) => {
    const digits = wide ? hex.slice(index * 2, index * 2 + 2) : (hex[index] ?? '').repeat(2);
    return Number.parseInt(digits, 16);
  };
  const alpha = hex.length === 4 || hex.length === 8 ? at(3) : 255;
  return alpha < 128 ? undefined : [at(0), at(1), at(2)];
}

function functionChannels(color: string): number[] | undefined {
  const kind = /^(rgb|hsl)a?\(/.exec(color)?.[1];
  const values = color.match(/[\d.]{1,8}%?/g) ?? [];
  if (!kind || values.length < 3) return undefined;
  const [first = 0, second = 0, third = 0, alpha = 1] = values.map((value, at) => {
    const number = Number.parseFloat(value);
    return value.endsWith('%') ? (number / 100) * (kind === 'rgb' && at < 3 ? 255 : 1) : number;
  });
  if (alpha < 0.5) return undefined;
  return kind === 'rgb' ? [first, second, third] : hslChannels(first, second, third);
}

function hslChannels(hue: number, saturation: number, lightness: number): number[] {
  const spread = saturation * Math.min(lightness, 1 - lightness);
  return [0, 8, 4].map((shift) => {
    const place = (shift + hue / 30) % 12;
    return 255 * (lightness - spread * Math.max(-1, Math.min(place - 3, 9 - place, 1)));
  });
}

/** Whether `word` is a colour by itself: `background: #123 url(x) no-repeat` has one such word. */
export function isColorWord(word: string): boolean {
  return luminance(word) !== undefined && (word.startsWith('#') || !/^[0-9a-f]{3,8}$/i.test(word));
}
