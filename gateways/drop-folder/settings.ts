// Owns the settings of DropFolder, under the names that FrontStage's administrators know.
import { isAbsolute, join, resolve } from 'node:path';
import { setting, settingsSchema, z } from '../../src/driver/settings.js';

const address = z.string().regex(/^[^\s<>@]+@[^\s<>@]+$/, 'is not an e-mail address');

const shape = {
  FolderName: setting(z.string().min(1), {
    description:
      'The folder. In: mail files are read from it; out: mail files are written into it. A relative path counts from the data folder. It is made when it is missing.',
    example: 'D:\\in\\drop',
  }),
  IncludeSubfolders: setting(z.boolean().default(false), {
    description: 'True reads the folders inside it, too.',
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
      'Seconds between two looks into the folder. A file is taken when it is unchanged from one look to the next.',
    example: 2,
    only: 'in',
  }),
  AfterReceive: setting(z.enum(['Move', 'Delete']).default('Move'), {
    description: 'What becomes of a file once the contact center has taken it.',
    example: 'Delete',
    only: 'in',
  }),
  MoveTo: setting(z.string().min(1).optional(), {
    description: 'Where taken files go with AfterReceive Move. When absent: the folder "done" inside FolderName.',
    example: 'D:\\in\\done',
    only: 'in',
  }),
  RefuseTo: setting(z.string().min(1).optional(), {
    description: 'Where files go that ended in quarantine. When absent: the folder "refused" inside FolderName.',
    example: 'D:\\in\\refused',
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
        'Of a larger file (bytes) only the beginning is handed over, with a note; the file itself is then always kept.',
      example: 31_457_280,
      only: 'in',
    },
  ),
  From: setting(address.optional(), {
    description: 'Sender address of everything written by this gateway. When absent: the address in the order.',
    example: 'support@example.com',
    only: 'out',
  }),
  FromName: setting(z.string().optional(), {
    description: 'Display name of the sender. When absent: the name in the order.',
    example: 'Example Support',
    only: 'out',
  }),
  EnvelopeHeaders: setting(z.boolean().default(false), {
    description:
      'True begins every file with X-Sender and X-Receiver lines, as pickup folders (IIS, Exchange) expect. Without them a file has no place for hidden (Bcc) recipients, and a mail to them is refused.',
    example: true,
    only: 'out',
  }),
};

/** A folder that files are moved into must not be the one they are read from: they would come again and again. */
export const settings = settingsSchema(shape, (given) => {
  const same = (path: string | undefined) => path !== undefined && resolve(path) === resolve(given.FolderName);
  const message = 'must be another folder than FolderName, or its files would be received again';
  const wrong = [];
  if (same(given.MoveTo)) wrong.push({ setting: 'MoveTo', message });
  if (same(given.RefuseTo)) wrong.push({ setting: 'RefuseTo', message });
  return wrong;
});

type Parsed = Extract<ReturnType<typeof settings.parse>, { ok: true }>;
export type DropFolderSettings = Parsed['settings'];

export interface Folders {
  readonly folder: string;
  readonly done: string;
  readonly refused: string;
}

export function foldersOf({ FolderName, MoveTo, RefuseTo }: DropFolderSettings, dataDir: string): Folders {
  const full = (path: string) => (isAbsolute(path) ? path : resolve(dataDir, path));
  const folder = full(FolderName);
  return { folder, done: full(MoveTo ?? join(folder, 'done')), refused: full(RefuseTo ?? join(folder, 'refused')) };
}
