// The settings of a driver: one zod object per driver. Names are matched case-insensitively, and every member has a
// description and an example; errors, docs and redaction are derived from the object.
import { z } from 'zod';
import { nearest } from '../kit/nearest.js';

export { z } from 'zod';

export interface SettingMeta {
  /** One or two sentences for administrators: what it does, unit, limits. */
  description: string;
  /** A value as it would be written in the JSON. */
  example: unknown;
  /** True for passwords, tokens and keys: hidden everywhere. */
  secret?: boolean;
  /** True for long values that are no secret but are better stored in a file (certificates): may be written as a reference. */
  reference?: boolean;
  /** Set when the value names a file or folder of this machine: which one it may be is decided by the policy. */
  path?: PathUse;
  /** Only used in one direction of a two-way driver. */
  only?: 'in' | 'out';
  /** Set by `nested`: the device whose settings this one holds. */
  holds?: Nestable<unknown>;
}

/** What a path in settings is for: mails, PEM files, or documents that a web server publishes. */
export type PathUse = 'mail' | 'certificate' | 'document';

/** What of a driver is needed to hold its settings inside those of another. */
export interface Nestable<Settings> {
  readonly device: string;
  readonly settings: SettingsSchema<Settings>;
}

export interface SettingsSchema<Settings> {
  readonly shape: Readonly<Record<string, z.ZodType>>;
  readonly names: readonly string[];
  meta(name: string): SettingMeta;
  /** The default as it would be written, undefined when the setting is mandatory or simply absent. */
  defaultOf(name: string): unknown;
  required(name: string): boolean;
  parse(input: Readonly<Record<string, unknown>>): SettingsResult<Settings>;
}

export type SettingsResult<Settings> =
  | { ok: true; settings: Settings }
  | { ok: false; problems: readonly SettingProblem[] };

export interface SettingProblem {
  /** The setting's name as written by the administrator, or as it should be when it is missing; `Mailbox.Host` for one
   *  that is held by another. */
  readonly setting: string;
  /** One sentence, with what would be right. */
  readonly message: string;
}

/** Attaches the words for people to a setting. The default belongs to the zod type (`.default(...)`), before this call. */
export function setting<T extends z.ZodType>(type: T, meta: SettingMeta): T {
  return type.meta({ ...meta }) as T;
}

/**
 * A setting that may hold the settings of another device as an object, under the same rules as that device's own: names
 * in any capitals, secrets by reference, problems by name. `without`: names that have no place here, and what to say of them.
 */
export function nested<Settings>(
  device: Nestable<Settings>,
  meta: Omit<SettingMeta, 'holds'>,
  without: Readonly<Record<string, string>> = {},
): z.ZodType<Settings | undefined> {
  const object = z.record(z.string(), z.unknown(), `must hold the settings of ${device.device}, in { }`);
  const type = object.transform((input, { addIssue }): Settings => {
    const { problem, settings } = parseNested(device, input, without);
    for (const { setting, message } of problem) {
      addIssue({ code: 'custom', path: setting === '' ? [] : [setting], message });
    }
    return settings ?? z.NEVER;
  });
  return setting(type.optional(), { ...meta, holds: device });
}

function parseNested<Settings>(
  { device, settings }: Nestable<Settings>,
  input: Readonly<Record<string, unknown>>,
  without: Readonly<Record<string, string>>,
): { problem: readonly SettingProblem[]; settings?: Settings } {
  const names = settings.names.filter((name) => !(name in without));
  const written = Object.keys(input);
  const [stranger] = written.filter((as) => !settings.names.some((name) => sameName(name, as)));
  // Not one name of that device's: listing everything that is missing would hide what is wrong.
  if (stranger !== undefined && !written.some((as) => settings.names.some((name) => sameName(name, as))))
    return {
      problem: [
        { setting: '', message: `holds no setting of ${device}: "${stranger}" ${unknownSetting(stranger, names)}` },
      ],
    };
  const misplaced = Object.entries(without).flatMap(([name, message]) =>
    written.filter((as) => sameName(name, as)).map((as) => ({ setting: as, message })),
  );
  const result = settings.parse(input);
  if (!result.ok) return { problem: [...misplaced, ...result.problems] };
  return misplaced.length > 0 ? { problem: misplaced } : { problem: [], settings: result.settings };
}

/** The secrets among `written`, those of nested settings, too. */
export function secretsAmong(schema: SettingsSchema<unknown>, written: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(written).flatMap(([as, value]) => {
    const meta = metaOfWritten(schema, as);
    if (meta?.holds) return isRecord(value) ? secretsAmong(meta.holds.settings, value) : [];
    return meta?.secret && typeof value === 'string' ? [value] : [];
  });
}

/** What is known of a setting by the name under which it was written; undefined when there is no such setting. */
export function metaOfWritten(schema: SettingsSchema<unknown>, as: string): SettingMeta | undefined {
  const name = schema.names.find((candidate) => sameName(candidate, as));
  return name === undefined ? undefined : schema.meta(name);
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const sameName = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();

/**
 * Makes a driver's settings from a flat zod shape. `rules` are checks across settings; they return problems and see
 * only settings that are right by themselves.
 */
export function settingsSchema<Shape extends Record<string, z.ZodType>>(
  shape: Shape,
  rules: (settings: z.output<z.ZodObject<Shape>>) => SettingProblem[] = () => [],
): SettingsSchema<z.output<z.ZodObject<Shape>>> {
  type Settings = z.output<z.ZodObject<Shape>>;
  const object = z.object(shape);
  const names = Object.keys(shape);
  const metas = new Map(names.map((name) => [name, metaOf(name, shape[name])]));
  const typeOf = (name: string): z.ZodType => {
    const type = shape[name];
    if (!type) throw new Error(`no such setting: ${name}`);
    return type;
  };
  /** What the rules say of the settings that are right: an administrator sees every problem at once. */
  const rulesOnRest = (known: Record<string, unknown>, issues: readonly z.core.$ZodIssue[]): SettingProblem[] => {
    const wrong = [...new Set(issues.map(({ path }) => String(path[0] ?? '')))];
    const rest = Object.fromEntries(Object.entries(known).filter(([name]) => !wrong.includes(name)));
    // A mandatory setting has its example for the time of the check; what is said of it, or because of it, is left out.
    for (const name of wrong) {
      if (names.includes(name) && !typeOf(name).safeParse(undefined).success) rest[name] = metas.get(name)?.example;
    }
    const result = object.safeParse(rest);
    if (!result.success) return [];
    return rules(result.data as Settings).filter(
      ({ setting, message }) => !wrong.some((name) => setting.startsWith(name) || message.includes(name)),
    );
  };
  return {
    shape,
    names,
    meta: (name) => metas.get(name) ?? metaOf(name, shape[name]),
    required: (name) => !typeOf(name).safeParse(undefined).success,
    defaultOf(name) {
      const result = typeOf(name).safeParse(undefined);
      return result.success ? result.data : undefined;
    },
    parse(input): SettingsResult<Settings> {
      const { known, written, problems } = matchNames(input, names);
      const result = object.safeParse(known);
      if (!result.success) {
        problems.push(...result.error.issues.map((issue) => problemOf(issue, written, metas)));
        problems.push(...rulesOnRest(known, result.error.issues));
      } else problems.push(...rules(result.data as Settings));
      return result.success && problems.length === 0
        ? { ok: true, settings: result.data as Settings }
        : { ok: false, problems };
    },
  };
}

function metaOf(name: string, type: z.ZodType | undefined): SettingMeta {
  const meta = type?.meta() as SettingMeta | undefined;
  if (!meta?.description || !('example' in meta)) throw new Error(`setting ${name} lacks a description or an example`);
  return meta;
}

function matchNames(input: Readonly<Record<string, unknown>>, names: readonly string[]) {
  const known: Record<string, unknown> = {};
  const written = new Map<string, string>();
  const problems: SettingProblem[] = [];
  for (const [as, value] of Object.entries(input)) {
    const name = names.find((candidate) => sameName(candidate, as));
    if (name === undefined) problems.push({ setting: as, message: unknownSetting(as, names) });
    else if (written.has(name))
      problems.push({ setting: as, message: `is given twice (as "${written.get(name)}" too): keep one` });
    else {
      known[name] = value;
      written.set(name, as);
    }
  }
  return { known, written, problems };
}

function unknownSetting(as: string, names: readonly string[]): string {
  const near = nearest(as, names);
  return near ? `is not a setting; did you mean "${near}"?` : `is not a setting; there are ${names.join(', ')}`;
}

function problemOf(
  issue: z.core.$ZodIssue,
  written: Map<string, string>,
  metas: Map<string, SettingMeta>,
): SettingProblem {
  const name = String(issue.path[0] ?? '');
  const meta = metas.get(name);
  const inner = issue.path.slice(1);
  // The device that is held there has found the whole sentence already.
  if (meta?.holds && inner.length > 0)
    return { setting: [written.get(name) ?? name, ...inner].join('.'), message: issue.message };
  const example = meta ? `, for example "${name}": ${JSON.stringify(meta.example)}` : '';
  const missing = !written.has(name);
  return {
    setting: written.get(name) ?? name,
    message: missing
      ? `is missing: ${meta?.description.replace(/\.$/, '') ?? 'it is mandatory'}${example}`
      : `${issue.message}${example}`,
  };
}
