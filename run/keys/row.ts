import type { TrainingKind } from "../fit/kinds.js";

/** Keys with their values, as one source (a file, a command line) has them. */
export type Raw = Readonly<Record<string, unknown>>;

/** What becomes of a value. */
export type Outcome =
  /**
   * It says what these keys of ours say: beside them (two that differ are refused), `instead` of them, or `byDefault`, where
   * they are not given.
   */
  | { readonly set?: Raw; readonly instead?: Raw; readonly byDefault?: Raw; readonly note?: string }
  /** It changes nothing here. */
  | { readonly idle: true; readonly note?: string }
  /** It would change something, and cannot be done: why, and what to do. */
  | { readonly refused: string };

/** The command that reads it. */
export type Reader = TrainingKind | "fit";

/** A key that other trainers know. */
export interface Key {
  /** What is done with it, for the table of docs/trl.md. */
  readonly rule: string;
  /** What becomes of a value; `all` are the keys beside it. */
  readonly read: (value: unknown, all: Raw, reader: Reader) => Outcome;
}
export type Keys = Readonly<Record<string, Key>>;

/** None, as Python's, YAML's and a command line's writers spell it. */
const NOTHING: readonly unknown[] = [undefined, null, "", "none", "null"];

/** A value as it is compared: text in small letters, empty lists and objects as nothing. */
const plain = (value: unknown): unknown => {
  const said = typeof value === "string" ? value.trim().toLowerCase() : value;
  if (NOTHING.includes(said)) return null;
  if (said === "true" || said === "false") return said === "true";
  if (typeof said === "string" && said !== "" && Number.isFinite(Number(said))) return Number(said);
  return typeof said === "object" && said !== null && Object.keys(said).length === 0 ? null : said;
};

/** Is a value one of these? Nothing is always. */
export const isOneOf = (value: unknown, values: readonly unknown[]): boolean =>
  plain(value) === null || values.some((one) => plain(one) === plain(value));

/** Is a flag set? */
export const isOn = (value: unknown): boolean => plain(value) === true;

/** The same rule for several keys. */
const each = (names: readonly string[], of: (name: string) => Key): Keys =>
  Object.fromEntries(names.map((name) => [name, of(name)]));

/** Keys of ours, under their own names. */
export const own = (...names: readonly string[]): Keys =>
  each(names, (name) => ({ rule: "the same", read: (value) => ({ set: { [name]: value } }) }));

/** Another name of a key of ours. */
export const renamed = (to: string, ...names: readonly string[]): Keys =>
  each(names, () => ({ rule: `\`${to}\``, read: (value) => ({ set: { [to]: value } }) }));

/** Keys that change nothing here, whatever they say. */
export const idle = (why: string, ...names: readonly string[]): Keys =>
  each(names, () => ({ rule: `changes nothing: ${why}`, read: () => ({ idle: true }) }));

const shown = (values: readonly unknown[]): string =>
  values.map((value) => `\`${typeof value === "string" ? value : JSON.stringify(value)}\``).join(", ");

/** Keys that change nothing with these values; with others they are refused. */
export const only = (values: readonly unknown[], why: string, ...names: readonly string[]): Keys =>
  each(names, () => ({
    rule: values.length === 0 ? `refused: ${why}` : `only ${shown(values)}: ${why}`,
    read: (value) => (isOneOf(value, values) ? { idle: true } : { refused: why }),
  }));

/** Keys that are read by a rule of their own. */
export const mapped = (rule: string, read: Key["read"], ...names: readonly string[]): Keys =>
  each(names, () => ({ rule, read }));

/** A key of ours with other spellings of its values; those in `refused` are refused, with why. */
export const spelled = (
  name: string,
  spellings: Readonly<Record<string, Raw>>,
  refused: { readonly values: readonly string[]; readonly why: string } = { values: [], why: "" },
): Keys => ({
  [name]: {
    rule: [
      "the same",
      ...Object.entries(spellings).map(
        ([value, set]) =>
          `\`${value}\` is ${Object.entries(set)
            .map(([key, to]) => (key === name ? `\`${to}\`` : `\`${key}: ${to}\``))
            .join(", ")}`,
      ),
      ...(refused.values.length > 0 ? [`${shown(refused.values)} refused: ${refused.why}`] : []),
    ].join("; "),
    read: (value) => {
      const said = typeof value === "string" ? value.trim().toLowerCase() : "";
      if (refused.values.includes(said)) return { refused: refused.why };
      if (!Object.hasOwn(spellings, said)) return { set: { [name]: value } };
      const { [name]: same = value, ...others } = spellings[said];
      return { set: { [name]: same }, byDefault: others };
    },
  },
});
