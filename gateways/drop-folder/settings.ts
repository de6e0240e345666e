// The settings have the names that FrontStage's administrators know.

import { isAbsolute, join, sep } from 'node:path';
import { setting, settingsSchema, z } from '../../src/driver/settings.js';
import { linkSettings } from '../../src/driver/shared/link-settings.js';
import { foldersOf, misplaced } from './folders.js';

const address = z.string().regex(/^[^\s<>@]+@[^\s<>@]+$/, 'is not an e-mail address');

const shape = {
  FolderName: setting(z.string().min(1), {
    description:
      'The folder. In: mail files are read from it; out: mail files are written into it. A relative path counts from the data folder. It is created when it is missing.',
    example: 'D:\\in\\drop',
    path: 'mail',
  }),
  IncludeSubfolders: setting(z.boolean().default(false), {
    description: 'True also reads the folders inside it.',
    example: true,
    only: 'in',
  }),
  Extension: setting(
    z
      .string()
      .regex(/^\.[^./\\]+$/, 'is not a file extension with its dot')
      .refine((text) => text.toLowerCase() !== '.msg', 'cannot be .msg: Outlook files are not read, save them as .eml')
      .default('.eml'),
    {
      description: 'Only files that end like this are read; capital letters do not matter.',
      example: '.eml',
      only: 'in',
    },
  ),
  PollSeconds: setting(z.number().min(0.1).max(3600).default(2), {
    description:
      'Seconds between two scans of the folder. A file is received when it is unchanged from one scan to the next.',
    example: 2,
    only: 'in',
  }),
  AfterReceive: setting(z.enum(['Move', 'Delete']).default('Move'), {
    description: 'What happens to a file once the contact center has acknowledged it.',
    example: 'Delete',
    only: 'in',
  }),
  MoveTo: setting(z.string().min(1).optional(), {
    description:
      'Where received files go with AfterReceive Move: a folder inside FolderName or beside it, not above it. When absent: the folder "done" inside FolderName.',
    example: 'D:\\in\\done',
    path: 'mail',
    only: 'in',
  }),
  RefuseTo: setting(z.string().min(1).optional(), {
    description:
      'Where files go whose message ended in quarantine: a folder inside FolderName or beside it, not above it. When absent: the folder "refused" inside FolderName.',
    example: 'D:\\in\\refused',
    path: 'mail',
    only: 'in',
  }),
  MaxMessageBytes: setting(
    z
      .int()
      .min(1024)
      .max(512 * 1024 * 1024)
      .default(30 * 1024 * 1024),
    {
      description:
        'Of a larger file (bytes) only the beginning is received, with a note; the file itself is then never deleted.',
      example: 31_457_280,
      only: 'in',
    },
  ),
  From: setting(address.optional(), {
    description: 'Sender address of everything written by this gateway. When absent: the address in the send request.',
    example: 'support@example.com',
    only: 'out',
  }),
  FromName: setting(z.string().optional(), {
    description: 'Display name of the sender. When absent: the name in the send request.',
    example: 'Example Support',
    only: 'out',
  }),
  EnvelopeHeaders: setting(z.boolean().default(false), {
    description:
      'True begins every file with X-Sender and X-Receiver lines, as pickup folders (IIS, Exchange) expect. Without them a file has no place for hidden (Bcc) recipients, so these are rejected.',
    example: true,
    only: 'out',
  }),
  ...linkSettings,
};

/** Stands for the unknown data folder; deep enough that `..` in a path stays inside the comparison. */
const ANY_FOLDER = join(sep, ...Array.from({ length: 32 }, () => '_'));

export const settings = settingsSchema(shape, (given) => {
  // Only paths of the same kind can be compared without the data folder; `open` and `check` compare all of them.
  const comparable = (path: string | undefined) =>
    path === undefined || isAbsolute(path) !== isAbsolute(given.FolderName) ? undefined : path;
  const { FolderName, MoveTo, RefuseTo } = given;
  return misplaced(foldersOf({ FolderName, MoveTo: comparable(MoveTo), RefuseTo: comparable(RefuseTo) }, ANY_FOLDER));
});

type Parsed = Extract<ReturnType<typeof settings.parse>, { ok: true }>;
export type DropFolderSettings = Parsed['settings'];
