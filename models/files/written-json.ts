import { parseBounded } from "./parse-json.js";

/** How a JSON object or list was written, where JavaScript's value forgets it. */
export interface Written {
  /** Names (or places) of numbers that were written as floats: 1.0 is 1 here, in Python it is not. */
  readonly floats: ReadonlySet<string>;
  /** Keys as they stood: JavaScript puts those that look like numbers first. */
  readonly keys: readonly string[];
}

const written = new WeakMap<object, Written>();

/** How an object or list that `parseJson` read was written; undefined where nothing is forgotten. */
export const writtenAs = (value: object): Written | undefined => written.get(value);

/** A changed copy of an object, whose numbers that stayed are written as they were there. */
export const asWritten = <T extends object>(copy: T, source: object): T => {
  const { floats } = written.get(source) ?? {};
  if (floats !== undefined && floats.size > 0) written.set(copy, { floats, keys: Object.keys(copy) });
  return copy;
};

/** Numbers and keys that may be forgotten: without one of them a text needs no second look. */
const FORGOTTEN = /\d\.0*(?!\d)|\d\.\d*0(?!\d)|\d[eE]|"\d+"\s*:/;

/** JSON.parse, keeping for `writtenAs` what Python would see and JavaScript does not. Errors: SyntaxError, as JSON.parse. */
export const parseJson = (text: string): unknown => {
  const value = parseBounded(text);
  if (FORGOTTEN.test(text)) note(text, value);
  return value;
};

/** Walks over a valid JSON text beside its value. */
const note = (text: string, root: unknown): void => {
  let at = 0;
  const blanks = (): void => {
    while (at < text.length && " \n\r\t".includes(text[at])) at++;
  };
  const string = (): string => {
    const start = at++;
    while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    at++;
    return String(JSON.parse(text.slice(start, at)));
  };
  /** Whether what it passed is a number written as a float. */
  const visit = (value: unknown): boolean => {
    blanks();
    const close = text[at] === "{" ? "}" : text[at] === "[" ? "]" : undefined;
    if (text[at] === '"') string();
    else if (close === undefined) {
      const start = at;
      while (at < text.length && !",]} \n\r\t".includes(text[at])) at++;
      return /\d[.eE]/.test(text.slice(start, at));
    } else {
      const [floats, keys] = [new Set<string>(), new Set<string>()];
      const inner = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
      at++;
      for (blanks(); text[at] !== close; blanks()) {
        if (text[at] === ",") at++;
        blanks();
        const name = close === "}" ? string() : String(keys.size);
        blanks();
        if (close === "}") at++;
        keys.add(name);
        if (visit(inner[name])) floats.add(name);
        else floats.delete(name);
      }
      at++;
      written.set(inner, { floats, keys: [...keys] });
    }
    return false;
  };
  visit(root);
};
