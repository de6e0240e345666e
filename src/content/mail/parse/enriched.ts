// text/enriched (RFC 1896) and text/richtext (RFC 1341): their commands are left out, their words and lines stay.

export function isEnriched(type: string): boolean {
  return type === 'text/enriched' || type === 'text/richtext';
}

export function enrichedText(source: string): string {
  return source
    .replace(/<(param|comment)>[^<]{0,2000}<\/\1>/gi, '')
    .replace(/(\n+)/g, (ends: string) => (ends.length === 1 ? ' ' : ends.slice(1)))
    .replace(/<<|<\/?[\w-]{1,60}>/g, (command) => SAID[command.toLowerCase()] ?? '');
}

const SAID: Readonly<Record<string, string>> = {
  '<<': '<',
  '<lt>': '<',
  '<nl>': '\n',
  '<np>': '\n\n',
  '<paragraph>': '\n\n',
};
