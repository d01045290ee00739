/** A hyphen after a digit is no sign: 3-4. */
const NUMBER = /(?:(?<!\d)[-+])?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)/g;

const numberOf = (text: string): number => Number(text.replaceAll(",", ""));

/** The last number in a text: "1,234.50." → 1234.5. GSM8K writes its answer after ####. */
export const lastNumber = (text: string): number | undefined => {
  const found = text.match(NUMBER);
  return found === null ? undefined : numberOf(found[found.length - 1]);
};

const FRACTION = /\\d?frac\{(-?[\d.,]+)\}\{([\d.,]+)\}/g;
/** A number, or a fraction of two, in hundredths where a percent sign follows. */
const VALUE = new RegExp(`(${NUMBER.source})(?:\\s*/\\s*(\\d[\\d,]*(?:\\.\\d+)?))?\\s*(\\\\?%|％)?`, "g");

/** The last value in a text, fractions and percentages as what they are worth: "so 3/4" → 0.75, "25%" → 0.25. */
export const lastValue = (text: string): number | undefined => {
  const found = [...text.replace(FRACTION, "$1/$2").matchAll(VALUE)].at(-1);
  if (found === undefined) return undefined;
  const [, top, bottom, percent] = found;
  const value = numberOf(top) / (bottom === undefined ? 1 : numberOf(bottom));
  return percent === undefined ? value : value / 100;
};

/**
 * What an answer of Math23K's is worth: 0.5, 25%, (1/5), 3(1/2) (a whole and a part), ((3)/(10)).
 * → undefined for any other text.
 */
export const written = (text: string): number | undefined => {
  const tokens = text.replace(/\s/g, "").match(/\d+(?:\.\d+)?|[-()/%]|./g) ?? [];
  let at = 0;
  const quotient = (): number => {
    let value = mixed();
    while (tokens[at] === "/") {
      at++;
      value /= mixed();
    }
    return value;
  };
  const mixed = (): number => {
    if (tokens[at] === "-") {
      at++;
      return -mixed();
    }
    let value = single();
    if (tokens[at] === "(") value += single();
    for (; tokens[at] === "%"; at++) value /= 100;
    return value;
  };
  const single = (): number => {
    const token = tokens[at++] ?? "";
    if (token !== "(") return /^\d/.test(token) ? Number(token) : Number.NaN;
    const value = quotient();
    return tokens[at++] === ")" ? value : Number.NaN;
  };
  const value = tokens.length > 400 ? Number.NaN : quotient();
  return at === tokens.length && Number.isFinite(value) ? value : undefined;
};
