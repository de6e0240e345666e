// The few functions of libmime that are used; the package ships no types.
declare module 'libmime' {
  interface Structured {
    value: string | false;
    params: Record<string, string>;
  }
  interface Libmime {
    decodeWord(charset: string, encoding: string, text: string): string;
    decodeWords(text: string): string;
    parseHeaderValue(text: string): Structured;
    detectExtension(type: string): string | false;
    detectMimeType(extension: string): string | false;
  }
  const libmime: Libmime;
  export default libmime;
}
