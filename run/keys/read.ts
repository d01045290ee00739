import { InputError } from "../../core/errors.js";
import { show } from "../../models/files/json.js";
import type { Option } from "../options/kinds.js";
import { ofNull } from "./null.js";
import { isOneOf, type Raw, type Reader } from "./row.js";
import { keysOf } from "./table.js";

/** Who reads keys: a kind of training, or a command. */
export interface Taker {
  readonly name: string;
  readonly options: ReadonlyMap<string, Option<unknown>>;
  /** What its options are where nothing is said, if that is not their fallback. */
  readonly defaults: Readonly<Record<string, unknown>>;
}

/** What one source, a file, a command line or a program, says. */
export interface Source {
  /** Keys and their values as they are written. */
  readonly entries: Iterable<readonly [written: string, value: unknown]>;
  /** A key as messages name it. */
  readonly named: (written: string) => string;
  /** A key that nobody knows. */
  readonly unknown: (written: string) => InputError;
}

/** Values of our keys. */
export type Given = Readonly<Record<string, unknown>>;

/** What a source sets, what it sets only where nothing else does, and what is to be told. */
export interface ReadKeys {
  readonly given: Given;
  readonly byDefault: Given;
  readonly notes: readonly string[];
}

export const canonical = (written: string): string => written.replaceAll("-", "_");

/** Errors: InputError for a key that is there in two spellings: with _ and with -. */
const checkOnce = (entries: readonly (readonly [string, unknown])[], named: Source["named"]): void => {
  const names = entries.map(([written]) => canonical(written));
  const again = names.findIndex((name, i) => names.indexOf(name) < i);
  if (again >= 0)
    throw new InputError(
      `${named(entries[again][0])} is there twice, once as ${entries[names.indexOf(names[again])][0]}; leave one out`,
    );
};

/** Those that say nothing are not worth a word. */
const saysSomething = (value: unknown): boolean => !isOneOf(value, [false, 0]);

/**
 * Reads the keys of a source: our own by the option table, those of other trainers by their rows (`keysOf`).
 * Errors: InputError for unknown keys, values out of range, keys that contradict each other, and, all in one line, for what
 * would change a number and is not there.
 */
export const readKeys = (taker: Taker, { entries, named, unknown }: Source): ReadKeys => {
  const { name: reader, options: table } = taker;
  const rows = keysOf(reader);
  const everything = [...entries];
  checkOnce(everything, named);
  const list = everything.filter(([, value]) => value != null);
  const nulls = everything.filter(([, value]) => value == null);
  const all: Raw = Object.fromEntries(list.map(([written, value]) => [canonical(written), value]));
  const given = new Map<string, { readonly value: unknown; readonly by: string }>();
  const [instead, byDefault]: Record<string, unknown>[] = [{}, {}];
  const [notes, idle, refused]: [string[], string[], string[]] = [[], [], []];

  const read = (name: string, value: unknown, written: string): unknown =>
    (table.get(name) as Option<unknown>).read(value, named(written));
  const fallbackOf = (name: string): unknown => fallback(taker, name);
  const isFallback = (name: string, value: unknown): boolean => same(value, fallbackOf(name));
  const set = (name: string, raw: unknown, written: string): void => {
    const value = read(name, raw, written);
    const before = given.get(name);
    if (before !== undefined && !same(before.value, value) && !isFallback(name, before.value)) {
      if (isFallback(name, value)) return;
      throw new InputError(
        before.by === written
          ? `${named(written)} is there twice`
          : `${named(written)} is ${show(raw)}, and ${before.by} says ${show(before.value)}, which is the same setting; leave one out`,
      );
    }
    given.set(name, { value, by: written });
  };
  const take = (name: string, value: unknown, written: string): void => {
    const row = Object.hasOwn(rows, name) ? rows[name] : undefined;
    if (row === undefined) {
      if (!table.has(name)) throw unknown(written);
      set(name, value, written);
      return;
    }
    const outcome = row.read(value, all, reader as Reader);
    if ("refused" in outcome) {
      refused.push(`${named(written)} is ${show(value)}: ${outcome.refused}`);
      return;
    }
    if (outcome.note !== undefined) notes.push(outcome.note);
    if ("idle" in outcome) {
      if (outcome.note === undefined && saysSomething(value)) idle.push(written);
      return;
    }
    for (const [to, said] of Object.entries(outcome.set ?? {}))
      if (to === name) set(to, said, written);
      else if (said != null) take(to, said, written);
    for (const [to, said] of Object.entries(outcome.instead ?? {})) instead[to] = read(to, said, written);
    for (const [to, said] of Object.entries(outcome.byDefault ?? {}))
      if (table.has(to)) byDefault[to] = read(to, said, written);
  };

  for (const [written] of nulls) {
    const name = canonical(written);
    const option = table.get(name);
    if (option === undefined && !Object.hasOwn(rows, name)) throw unknown(written);
    const { none } =
      option === undefined
        ? { none: undefined }
        : ofNull(name, { ...option, fallback: fallbackOf(name) }, named(written));
    if (none !== undefined) given.set(name, { value: none, by: written });
  }
  for (const [written, value] of list) take(canonical(written), value, written);
  if (refused.length > 0) throw new InputError(refused.join("; "));
  if (idle.length > 0)
    notes.unshift(
      `note: ${idle.join(", ")} ${idle.length > 1 ? "change" : "changes"} nothing here (docs/trl.md says why)`,
    );
  const own = Object.fromEntries([...given].map(([name, { value }]) => [name, value]));
  return { given: { ...own, ...instead }, byDefault, notes };
};

/** What an option is where nothing is said of it. */
const fallback = ({ options, defaults }: Taker, name: string): unknown =>
  name in defaults ? defaults[name] : options.get(name)?.fallback;

/** What sources say together, the later ones over the earlier, with defaults under all. */
export const together = (taker: Taker, ...sources: readonly ReadKeys[]): Given =>
  Object.assign(
    Object.fromEntries([...taker.options.keys()].map((name) => [name, fallback(taker, name)])),
    ...sources.map(({ byDefault }) => byDefault),
    ...sources.map(({ given }) => given),
  );

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
