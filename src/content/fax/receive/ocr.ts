// OCR by tesseract.js, an optional package: one engine, started by the first page, with the data of installed packages. Nothing is
// downloaded. An engine that fails or takes too long is ended, and the next page starts another one.
import { copyFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Worker } from 'tesseract.js';
import type { Clock } from '../../../kit/clock.js';
import { deadline } from '../../../kit/deadline.js';
import { messageOf } from '../../../kit/errors.js';

/** A word and its place, in dots of the picture. */
export interface Word {
  readonly text: string;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export type Recognized =
  | { readonly kind: 'text'; readonly text: string; readonly words: readonly Word[] }
  /** The page has marks but no readable text: handwriting, a photograph, noise. */
  | { readonly kind: 'unclear' }
  | { readonly kind: 'late' }
  | { readonly kind: 'failed'; readonly reason: string };

export interface Available {
  /** Those of the languages that can be recognized here. */
  readonly languages: readonly string[];
  /** What is missing and how to install it; null when nothing is missing. */
  readonly advice: string | null;
}

export interface Recognizer {
  available(languages: readonly string[]): Available;
  /** `languages`: available ones. Never rejects; takes at most `ms`. */
  recognize(png: Uint8Array, languages: readonly string[], ms: number): Promise<Recognized>;
  close(): Promise<void>;
}

export interface RecognizerOptions {
  readonly clock: Clock;
  /** A folder for the data of several languages, which must be in one folder. */
  readonly scratch: string;
  /** Path of a package; throws when it is not installed. */
  readonly resolve?: (name: string) => string;
}

/** Confidence, 0 to 100. Text below it is mostly wrong. */
const UNCLEAR = 30;
/** Without it the engine estimates the resolution, and writes to standard output. */
const DPI = '204';
/** Long short-term memory only; the data of the older engine is not looked for. */
const LSTM = 1;

export function createRecognizer({ clock, scratch, resolve = installed }: RecognizerOptions): Recognizer {
  let engine: Engine | undefined;

  /** An engine that is starting is ended as soon as it has started. */
  const drop = () => {
    engine?.worker.then((worker) => worker.terminate()).catch(() => {});
    engine = undefined;
  };

  const engineFor = (languages: readonly string[]): Engine => {
    const wanted = languages.join('+');
    if (engine?.languages !== wanted) {
      drop();
      engine = start(languages, resolve, scratch);
    }
    return engine;
  };

  return {
    available: (languages) => availableOf(languages, resolve),
    async recognize(png, languages, ms) {
      const limit = deadline(clock, ms);
      try {
        const page = async () => {
          const worker = await engineFor(languages).worker;
          limit.signal.throwIfAborted();
          return worker.recognize(Buffer.from(png), {}, { text: true, blocks: true });
        };
        const { data } = await limit.race(page(), 'recognizing the text of a page');
        return resultOf(data);
      } catch (error) {
        drop();
        return limit.signal.aborted ? { kind: 'late' } : { kind: 'failed', reason: messageOf(error) };
      } finally {
        limit.dispose();
      }
    },
    async close() {
      drop();
    },
  };
}

interface Engine {
  readonly languages: string;
  /** May stay pending when the engine cannot read its data; every caller has a deadline. */
  readonly worker: Promise<Worker>;
}

function start(languages: readonly string[], resolve: Resolve, scratch: string): Engine {
  const open = async () => {
    const { default: tesseract } = await import('tesseract.js');
    const langPath = await dataFolder(languages, resolve, scratch);
    // Without a handler the engine throws outside of any promise what it also rejects with.
    const options = { langPath, cacheMethod: 'none', errorHandler: () => {} };
    const worker = await tesseract.createWorker([...languages], LSTM, options);
    // By default the engine takes a page for one block of even lines, and skips headings.
    await worker.setParameters({ user_defined_dpi: DPI, tessedit_pageseg_mode: tesseract.PSM.AUTO });
    return worker;
  };
  return { languages: languages.join('+'), worker: open() };
}

type Page = Awaited<ReturnType<Worker['recognize']>>['data'];

function resultOf({ text, confidence, blocks }: Page): Recognized {
  if (text.trim() === '') return { kind: 'text', text: '', words: [] };
  if (confidence < UNCLEAR) return { kind: 'unclear' };
  const lines = (blocks ?? []).flatMap((block) => block.paragraphs).flatMap((paragraph) => paragraph.lines);
  const words = lines.flatMap((line) =>
    // The height of the line, so that words of one line stand on one line for programs that read the document. All of them, for
    // what the text has is looked for in the document as well: numbers, most of all, are often taken for doubtful.
    line.words.map(({ text, bbox }) => ({
      text,
      left: bbox.x0,
      right: bbox.x1,
      top: line.bbox.y0,
      bottom: line.bbox.y1,
    })),
  );
  return { kind: 'text', text, words };
}

const installed = createRequire(import.meta.url).resolve;
const ENGINE = 'tesseract.js';
/** As in the names of data packages: `eng`, `chi_sim`. No path outside the folder of packages. */
const LANGUAGE = /^[a-z]{3}(?:_[a-z]{2,8})?$/;

type Resolve = (name: string) => string;

function availableOf(languages: readonly string[], resolve: Resolve): Available {
  const named = languages.filter((language) => LANGUAGE.test(language));
  const here = named.filter((language) => isHere(packageOf(language), resolve));
  const absent = named.filter((language) => !here.includes(language)).map(packageOf);
  const engine = isHere(ENGINE, resolve);
  if (engine && here.length > 0) {
    const advice = absent.length > 0 ? `text recognition lacks a language: npm install ${absent.join(' ')}` : null;
    return { languages: here, advice };
  }
  const wanted = [
    ...(engine ? [] : [ENGINE]),
    ...(absent.length > 0 ? absent : named.length > 0 ? [] : [packageOf('eng')]),
  ];
  return { languages: [], advice: `text recognition is not installed: npm install ${wanted.join(' ')}` };
}

function packageOf(language: string): string {
  return `@tesseract.js-data/${language}`;
}

function isHere(name: string, resolve: Resolve): boolean {
  try {
    return resolve(`${name}/package.json`) !== '';
  } catch {
    return false;
  }
}

function dataFile(language: string, resolve: Resolve): string {
  const folder = dirname(resolve(`${packageOf(language)}/package.json`));
  return join(folder, '4.0.0_best_int', `${language}.traineddata.gz`);
}

/** The folder with the data of all these languages; the engine reads one folder only. */
async function dataFolder(languages: readonly string[], resolve: Resolve, scratch: string): Promise<string> {
  const [first, ...others] = languages;
  if (first !== undefined && others.length === 0) return dirname(dataFile(first, resolve));
  for (const language of languages) {
    await copyFile(dataFile(language, resolve), join(scratch, `${language}.traineddata.gz`));
  }
  return scratch;
}
