// The grammar of Device: type word, blank, JSON settings. The drivers know what the settings mean.
import { jsonFault } from '../kit/json-fault.js';

export type DeviceSettings = Readonly<Record<string, unknown>>;

export type ParsedDevice =
  | { ok: true; type: string; settings: DeviceSettings }
  /** `type` is the type word when at least that could be read: a device of another connector may have any rest. */
  | { ok: false; type: string | null; message: string };

/** Longest Device we look at, in UTF-16 code units: hundreds of times any real one. */
const LONGEST = 65_536;

/** `ImapHost { "Host": "mail.example.com" }`; no settings at all means `{}`. Never throws. */
export function parseDevice(text: string): ParsedDevice {
  if (text.length > LONGEST) return bad(null, `is longer than ${LONGEST} characters`);
  const found = /^\s*([A-Za-z0-9_]+)(?=[\s{]|$)\s*/.exec(text);
  if (!found) {
    return bad(null, 'does not start with a device type word, for example ImapHost { "Host": "mail.example.com" }');
  }
  const [opening, type = ''] = found;
  const rest = text.slice(opening.length);
  if (rest.trim() === '') return { ok: true, type, settings: {} };
  if (!rest.startsWith('{')) {
    return bad(
      type,
      `has something else than JSON settings after the type word ${type}: write ${type} { "Name": "value" }`,
    );
  }
  const fault = jsonFault(rest);
  if (fault) return bad(type, `is not valid JSON at ${place(text, opening.length + fault.at)}: ${fault.message}`);
  const settings: DeviceSettings = JSON.parse(rest);
  const torn = Object.entries(settings).find(([, value]) => typeof value === 'string' && TORN_PATH.test(value));
  if (torn)
    return bad(type, `has a single backslash in the path of "${torn[0]}": inside JSON a backslash must be doubled`);
  return { ok: true, type, settings };
}

/** The text form of a type word and its settings. */
export function formatDevice(type: string, settings: DeviceSettings): string {
  return `${type} ${JSON.stringify(settings)}`;
}

/** "C:\temp" is valid JSON and means C:, tab, "emp": a Windows path holding a control character was not doubled. */
const TORN_PATH = /^(?:[A-Za-z]:|\\).*[\b\f\n\r\t]/s;

function place(text: string, at: number): string {
  const before = text.slice(0, at).split('\n');
  const column = (before.at(-1)?.length ?? 0) + 1;
  return before.length === 1 ? `column ${column}` : `line ${before.length}, column ${column}`;
}

function bad(type: string | null, message: string): ParsedDevice {
  return { ok: false, type, message };
}
