// Task and reply of the process that reads faxes. Both sides validate their input: one of them handles files of strangers.
import { z } from 'zod';

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, 'is not bytes');

export const pageLimits = z.object({
  /** Pages that are read; later pages are in the original only. */
  pages: z.number().int().positive(),
  /** Pages shown in the message, and bytes of pictures shown there. */
  shownPages: z.number().int().nonnegative(),
  shownBytes: z.number().int().nonnegative(),
  /** Dots of one page, as its file declares them. */
  pixels: z.number().int().positive(),
  /** Dots of all pages together, as their file declares them; later pages are in the original only. */
  totalPixels: z.number().int().positive(),
  /** Bytes of the document that is made. */
  pdfBytes: z.number().int().positive(),
  /** Ms for making the pictures of all pages. */
  picturesMs: z.number().positive(),
  /** Ms for pictures and text together. */
  faxMs: z.number().positive(),
  /** Ms for the text of one page. */
  ocrPageMs: z.number().positive(),
});
export type PageLimits = z.infer<typeof pageLimits>;

export const faxTask = z.object({
  /** The process overwrites it. */
  raw: bytes,
  format: z.enum(['tiff', 'pdf']),
  /** Null: no text is wanted. */
  ocr: z.object({ languages: z.array(z.string()), ms: z.number().positive() }).nullable(),
  limits: pageLimits,
  /** For the document that is made: its title, and its time in ms since the epoch. */
  title: z.string(),
  time: z.number(),
});
export type FaxTask = z.infer<typeof faxTask>;

export const pagesRead = z.object({
  /** Pages of the file; null when they cannot be counted. */
  count: z.number().int().nonnegative().nullable(),
  /** Pictures of the first pages for the message, each a PNG. */
  shown: z.array(
    z.object({
      page: z.number().int().positive(),
      png: bytes,
      width: z.number().int().positive(),
      height: z.number().int().positive(),
    }),
  ),
  /** The text of the pages that were read, '' where there is none. */
  texts: z.array(z.object({ page: z.number().int().positive(), text: z.string() })),
  /** The pages as a document that can be searched, up to `lastPage` of the fax; null when there is none to make. */
  pdf: z.object({ bytes, lastPage: z.number().int() }).nullable(),
  /** One sentence each for the agent. */
  notes: z.array(z.string()),
  /** What is missing for OCR and how to install it; null when nothing is missing. */
  ocrMissing: z.string().nullable(),
});
export type PagesRead = z.infer<typeof pagesRead>;
export type ShownPage = PagesRead['shown'][number];

export const faxReply = z.union([
  pagesRead,
  z.object({ failed: z.string() }),
  /** What is missing on this machine and how to install it: another attempt would not help. */
  z.object({ unable: z.string() }),
]);
export type FaxReply = z.infer<typeof faxReply>;
