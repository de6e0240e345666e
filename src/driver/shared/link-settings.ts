import { setting, z } from '../settings.js';

/** Spread into the settings of every driver whose messages may have attachments. */
export const linkSettings = {
  LinkDays: setting(z.int().min(1).max(3_650).optional(), {
    description:
      'Days for which the links to attachments of this gateway work, counted from the acknowledgement of the message; never longer than retention.attachmentDays, which counts when it is absent. A link that was sent keeps its time.',
    example: 30,
    only: 'in',
  }),
};

export function linkDaysOf({ LinkDays }: { readonly LinkDays?: number | undefined }): number | undefined {
  return LinkDays;
}
