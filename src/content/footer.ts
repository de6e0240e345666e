import { escapeHtml } from './html/escape.js';
import { humanSize } from './limits.js';
import type { LinkMaker, ReadAttachment } from './reader.js';

export interface Rendered {
  html: string;
  text: string;
}

/** Adds the list of attachments, with their links, and the notes to both bodies. */
export function withFooter(
  bodies: Rendered,
  attachments: readonly ReadAttachment[],
  notes: readonly string[],
  link: LinkMaker,
): Rendered {
  const entries = attachments.map(({ id, name, type, bytes }) => ({
    name,
    about: `${type}, ${humanSize(bytes.length)}`,
    href: link({ id, name }),
  }));
  const text = [bodies.text];
  const html = [bodies.html];
  if (entries.length > 0) {
    text.push(
      section(
        'Attachments',
        entries.map((entry) => `${entry.name} (${entry.about}): ${entry.href}`),
      ),
    );
    html.push(
      htmlSection(
        'Attachments',
        entries.map(
          (entry) => `<a href="${escapeHtml(entry.href)}">${escapeHtml(entry.name)}</a> (${escapeHtml(entry.about)})`,
        ),
      ),
    );
  }
  if (notes.length > 0) {
    text.push(section('Notes', notes));
    html.push(htmlSection('Notes', notes.map(escapeHtml)));
  }
  return {
    text: text.filter((block) => block !== '').join('\n\n'),
    html: html.filter((block) => block !== '').join('\n<hr>\n'),
  };
}

function section(title: string, lines: readonly string[]): string {
  return `[${title}]\n${lines.map((line) => `- ${line}`).join('\n')}`;
}

function htmlSection(title: string, lines: readonly string[]): string {
  return `<p><b>${title}</b></p>\n<ul>\n${lines.map((line) => `<li>${line}</li>`).join('\n')}\n</ul>`;
}
