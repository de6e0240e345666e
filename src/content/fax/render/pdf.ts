// Counts the pages and sets the dates of a PDF without parsing it. Both rely on the output of Chromium: page objects in plain text,
// dates of a fixed form.

/** Page objects, not the tree that holds them. */
const PAGE = '/Type /Page';
const DATES = ['/CreationDate (D:', '/ModDate (D:'];

export function countPages(pdf: Buffer): number {
  let pages = 0;
  for (let at = pdf.indexOf(PAGE); at >= 0; at = pdf.indexOf(PAGE, at + PAGE.length)) {
    // "/Pages" begins with "/Page".
    if (pdf[at + PAGE.length] !== 0x73) pages += 1;
  }
  return pages;
}

/** In place, with as many characters as there were: the same fax has the same bytes whenever it is made. */
export function dated(pdf: Buffer, now: number): Buffer {
  const date = pdfDate(now);
  for (const name of DATES) {
    const at = pdf.lastIndexOf(name);
    if (at >= 0) pdf.write(date, at + name.length, 'latin1');
  }
  return pdf;
}

/** `20261122101500` (PDF 32000-1, 7.9.4), whose zone follows it and is UTC. */
function pdfDate(now: number): string {
  return new Date(now).toISOString().replace(/\D/g, '').slice(0, 14);
}
