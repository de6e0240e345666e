// The settings that every driver for text messages has, and the content rules that follow from them.
import type { TextRules } from '../contract.js';
import { type SettingProblem, setting, z } from '../settings.js';
import { regionType } from './host.js';

/** A word is a whole message. */
const words = z.array(z.string().trim().min(1).max(40)).min(1).max(100);

/** Spread into the shape of a driver's settings. */
export const textSettings = {
  Region: setting(regionType().optional(), {
    description:
      'Country of numbers without a country code, as two letters (ISO 3166-1). When absent, messages to such numbers are rejected.',
    example: 'CZ',
  }),
  Transliterate: setting(z.boolean().default(false), {
    description:
      'True replaces typographic quotes, dashes and similar characters by plain ones when the whole text can then be sent in the 7-bit alphabet, which needs fewer parts.',
    example: true,
    only: 'out',
  }),
  OptOutGroup: setting(z.string().min(1).max(100).optional(), {
    description:
      'Gateways with the same word here share one opt-out registry. Set it for both directions of a number. When absent, this gateway has a registry of its own.',
    example: 'support',
  }),
  StopWords: setting(words.optional(), {
    description:
      'Messages that opt their sender out; capital letters do not matter. When absent: the usual words of several languages. Needs StartWords and HelpWords, too.',
    example: ['STOP', 'ODHLASIT'],
    only: 'in',
  }),
  StartWords: setting(words.optional(), {
    description: 'Messages that opt their sender in again. When absent: the usual words of several languages.',
    example: ['START', 'PRIHLASIT'],
    only: 'in',
  }),
  HelpWords: setting(words.optional(), {
    description: 'Messages that ask for help. When absent: the usual words of several languages.',
    example: ['HELP', 'POMOC'],
    only: 'in',
  }),
};

export type TextSettings = z.output<z.ZodObject<typeof textSettings>>;

/** For the `rules` of settingsSchema. One list of keywords alone would silently switch the usual words of the others off. */
export function textProblems({ StopWords, StartWords, HelpWords }: TextSettings): SettingProblem[] {
  const lists = { StopWords, StartWords, HelpWords };
  const missing = Object.entries(lists).flatMap(([name, list]) => (list ? [] : [name]));
  if (missing.length === 3) return [];
  return missing.map((setting) => ({
    setting,
    message: 'is missing: set StopWords, StartWords and HelpWords together, or none of them',
  }));
}

/** `sender`: the sender of outgoing messages; undefined: the one in the send request. */
export function textRulesOf(settings: TextSettings, sender: string | undefined): TextRules {
  const { Region, Transliterate, OptOutGroup, StopWords, StartWords, HelpWords } = settings;
  const rules = { region: Region, sender, transliterate: Transliterate, optOutGroup: OptOutGroup };
  if (!StopWords && !StartWords && !HelpWords) return rules;
  return { ...rules, keywords: { stop: StopWords ?? [], start: StartWords ?? [], help: HelpWords ?? [] } };
}
