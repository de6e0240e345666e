import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { contentDisposition, safeName, safeType } from './names.js';

describe('file names of strangers', () => {
  test.each([
    ['report.pdf', 'report.pdf'],
    ['../../etc/passwd', '_.._etc_passwd'],
    ['C:\\temp\\a.doc', 'C__temp_a.doc'],
    ['.htaccess', 'htaccess'],
    ['..', 'attachment'],
    ['', 'attachment'],
    [' a .pdf. ', 'a .pdf'],
    ['a\r\nSet-Cookie: x', 'a__Set-Cookie_ x'],
    ['invoice\u202Efdp.exe', 'invoice_fdp.exe'],
    ['\ud83d', '_'],
  ])('%j becomes %j', (name, safe) => {
    expect(safeName(name)).toBe(safe);
  });

  test('a long name is cut between characters and keeps a usual ending', () => {
    const safe = safeName(`${'😀'.repeat(300)}.docx`);
    expect([...safe]).toHaveLength(120);
    expect(safe.endsWith('😀.docx')).toBe(true);
    expect([...safeName(`a.${'b'.repeat(300)}`)]).toHaveLength(120);
  });

  test('any name at all gives a header that cannot be broken out of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (name) => {
        expect(contentDisposition(name)).toMatch(
          /^attachment; filename=(?:[\w.!#$%&'*+^`|~-]+|"[\x20\x21\x23-\x5b\x5d-\x7e]+")(?:; filename\*=UTF-8''[\w.~%!$&+^`|{}-]+)?$/,
        );
      }),
    );
  });

  test('a name outside ASCII is sent in both forms of RFC 6266', () => {
    expect(contentDisposition('Angebot für 5€.pdf')).toBe(
      `attachment; filename="Angebot f_r 5_.pdf"; filename*=UTF-8''Angebot%20f%C3%BCr%205%E2%82%AC.pdf`,
    );
  });
});

describe('media types of strangers', () => {
  test.each([
    'image/png',
    'application/pdf',
    'text/plain',
    'text/csv',
    'audio/ogg',
    'application/zip',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  ])('%s is served as it is', (type) => {
    expect(safeType(type)).toBe(type);
  });

  test.each([
    'text/html',
    'TEXT/HTML; charset=utf-8',
    'application/xhtml+xml',
    'image/svg+xml',
    'text/xml',
    'application/xml',
    'application/xml-dtd',
    'text/javascript',
    'application/x-javascript',
    'application/ecmascript',
    'text/vbscript',
    'text/css',
    'text/cache-manifest',
    'application/wasm',
    'application/x-shockwave-flash',
    'application/manifest+json',
    'multipart/related',
    'multipart/x-mixed-replace',
    'message/rfc822',
    'text/plain\r\nX-Evil: 1',
    'text',
    '',
    '*/*',
  ])('%j is served as bytes', (type) => {
    expect(safeType(type)).toBe('application/octet-stream');
  });

  test('parameters are dropped', () => {
    expect(safeType('Image/PNG; name="a.html"')).toBe('image/png');
  });
});
