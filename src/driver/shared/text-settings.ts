// The settings that every driver for text messages has, and the content rules that follow from them.
import type { TextRules } from '../contract.js';
import { type SettingProblem, setting, z } from '../settings.js';

/** A word is a whole message; a list this long is no list of keywords any more. */
const words = z.array(z.string().trim().min(1).max(40)).min(1).max(100);

/** Spread into the shape of a driver's settings. */
export const textSettings = {
  Region: setting(
    z
      .string()
      .regex(/^[A-Za-z]{2}$/, 'is not a country code of two letters (ISO 3166-1)')
      .toUpperCase()
      .optional(),
    {
      description:
        'Country in which numbers without a country code are read, as two letters (ISO 3166-1). When absent, orders to such numbers are refused.',
      example: 'CZ',
    },
  ),
  Transliterate: setting(z.boolean().default(false), {
    description:
      'True replaces characters that alone force the costlier 16-bit encoding by near ones of the 7-bit alphabet (typographic quotes, dashes), where the whole text then fits it.',
    example: true,
    only: 'out',
  }),
  OptOutGroup: setting(z.string().min(1).max(100).optional(), {
    description:
      'Gateways with the same word here share one registry of opted-out recipients; give it to both directions of a number. When absent: this gateway has its own.',
    example: 'support',
  }),
  StopWords: setting(words.optional(), {
    description:
      'Messages that opt their sender out, in any capitals. When absent: the usual ones of several languages. Given together with StartWords and HelpWords.',
    example: ['STOP', 'ODHLASIT'],
    only: 'in',
  }),
  StartWords: setting(words.optional(), {
    description: 'Messages that opt their sender in again. When absent: the usual ones of several languages.',
    example: ['START', 'PRIHLASIT'],
    only: 'in',
  }),
  HelpWords: setting(words.optional(), {
    description: 'Messages that ask for help. When absent: the usual ones of several languages.',
    example: ['HELP', 'POMOC'],
    only: 'in',
  }),
};

export type TextSettings = z.output<z.ZodObject<typeof textSettings>>;

/** For the `rules` of settingsSchema: own keywords are all three lists, or one would silently switch the others off. */
export function textProblems({ StopWords, StartWords, HelpWords }: TextSettings): SettingProblem[] {
  const lists = { StopWords, StartWords, HelpWords };
  const missing = Object.entries(lists).flatMap(([name, list]) => (list ? [] : [name]));
  if (missing.length === 3) return [];
  return missing.map((setting) => ({
    setting,
    message: 'is missing: own keywords are given as all three lists, StopWords, StartWords and HelpWords',
  }));
}

/** `sender`: whom messages come from; undefined: what the send request says. */
export function textRulesOf(settings: TextSettings, sender: string | undefined): TextRules {
  const { Region, Transliterate, OptOutGroup, StopWords, StartWords, HelpWords } = settings;
  const rules = { region: Region, sender, transliterate: Transliterate, optOutGroup: OptOutGroup };
  if (!StopWords && !StartWords && !HelpWords) return rules;
  return { ...rules, keywords: { stop: StopWords ?? [], start: StartWords ?? [], help: HelpWords ?? [] } };
}
