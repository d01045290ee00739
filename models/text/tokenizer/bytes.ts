const encoder = new TextEncoder();

/** GPT-2's letter of each byte: itself where it prints, else one from U+0100 on. */
const LETTERS: readonly string[] = (() => {
  const prints = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(prints(byte) ? byte : next++));
})();
const BYTES: ReadonlyMap<string, number> = new Map(LETTERS.map((letter, byte) => [letter, byte]));

/** Characters that are one byte, and of these one that does not print. */
const [ASCII, HIDDEN] = [/^[^\u0080-\uffff]*$/, /[^!-~]/g];

/** The UTF-8 bytes of a text, a letter each. */
export const toLetters = (text: string): string => {
  if (ASCII.test(text)) return text.replace(HIDDEN, (char) => LETTERS[char.charCodeAt(0)]);
  let letters = "";
  for (const byte of encoder.encode(text)) letters += LETTERS[byte];
  return letters;
};

/** The bytes of a token: those of its letters, or its own where a letter stands for no byte (an added token). */
export const toBytes = (token: string): readonly number[] => {
  const bytes = Array.from(token, (letter) => BYTES.get(letter));
  return bytes.includes(undefined) ? [...encoder.encode(token)] : (bytes as number[]);
};

/** The name of a byte in a vocabulary that falls back to bytes. */
export const byteTokens = (text: string): string[] =>
  Array.from(encoder.encode(text), (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
