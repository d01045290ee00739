import { InputError, isTensor, ShapeError, sameShape, type Tensor, typeOf } from "../core/index.js";
import { instead } from "../core/suggest.js";
import type { Rule, Scalars, Slots } from "./rule.js";

type Kind = "text" | "names" | "flag" | "count" | "function";
const fits: Readonly<Record<Kind, (x: unknown) => boolean>> = {
  text: (x) => typeof x === "string" && x !== "",
  names: (x) => Array.isArray(x) && x.every((name) => typeof name === "string" && name !== ""),
  flag: (x) => typeof x === "boolean",
  count: (x) => Number.isSafeInteger(x) && (x as number) >= 1,
  function: (x) => typeof x === "function",
};
const words: Readonly<Record<Kind, string>> = {
  text: "a name",
  names: "a list of names",
  flag: "true or false",
  count: "an integer ≥ 1",
  function: "a function",
};

/** The fields of a rule; those with "?" may be left out. */
const FIELDS = {
  name: "text",
  slots: "names",
  coarse: "names?",
  scalars: "names",
  gap: "count?",
  slotShape: "function?",
  advance: "function",
  usesTau: "flag",
  usesAnchor: "flag?",
  usesMask: "flag?",
  prepare: "function",
  step: "function",
  report: "function?",
} as const satisfies Record<keyof Rule, Kind | `${Kind}?`>;

/** What the lift calls its own. */
const TAKEN = ["w", "lost"];

const kindOf = (x: unknown): string => {
  if (x === null || x === undefined) return String(x);
  if (Array.isArray(x)) return "an array";
  if (x instanceof Promise) return "a promise";
  return `${typeof x === "object" ? "an" : "a"} ${typeof x}`;
};
/** Something as errors show it. */
const shown = (x: unknown): string => (isTensor(x) ? typeOf(x) : kindOf(x));

/** Errors: InputError unless it is a rule: each field of its kind, none that is not known, slots that are its own. */
export const checkRule = (rule: unknown, call = "optimizer"): void => {
  if (typeof rule !== "object" || rule === null || Array.isArray(rule) || isTensor(rule) || rule instanceof Promise)
    throw new InputError(`${call}: ${shown(rule)} is no rule; a rule is { ...plain, name, slots, step }`);
  const given = rule as Readonly<Record<string, unknown>>;
  const known = Object.keys(FIELDS);
  const other = Object.keys(given).find((name) => !known.includes(name));
  if (other !== undefined)
    throw new InputError(`${call}: a rule has no "${other}"; ${instead(other, known)}`.replace(/\?$/, ""));
  for (const [name, wanted] of Object.entries(FIELDS)) {
    const kind = wanted.replace("?", "") as Kind;
    if (fits[kind](given[name]) || (wanted.endsWith("?") && given[name] === undefined)) continue;
    const is = given[name] === undefined ? "is missing" : `is ${shown(given[name])}`;
    const spread = ["scalars", "advance", "usesTau", "prepare"].includes(name) ? "; ...plain has one" : "";
    throw new InputError(`${call}: the rule's ${name} ${is}; it must be ${words[kind]}${spread}`);
  }
  const { name, slots, coarse = [], scalars } = rule as Rule;
  const twice = [slots, scalars].flatMap((all) => all.filter((one, i) => all.indexOf(one) !== i))[0];
  if (twice !== undefined) throw new InputError(`${call}: ${name}: "${twice}" is named twice`);
  const taken = slots.find((slot) => TAKEN.includes(slot));
  if (taken !== undefined)
    throw new InputError(`${call}: ${name}: a slot cannot be called "${taken}", as what is kept beside it; rename it`);
  const stray = coarse.find((slot) => !slots.includes(slot));
  if (stray !== undefined)
    throw new InputError(`${call}: ${name}: coarse names "${stray}", which is none of its slots`);
};

/** Errors: ShapeError unless it is an f32 tensor of that shape. */
const checkTensor = (call: string, what: string, x: unknown, shape: readonly number[]): void => {
  if (isTensor(x) && x.dtype === "f32" && sameShape(x.shape, shape)) return;
  const foreign = typeof x === "object" && x !== null && "op" in x && "dtype" in x;
  throw new ShapeError(
    `${call}: ${what} is ${isTensor(x) ? typeOf(x) : foreign ? "a tensor of another copy of taugrad" : kindOf(x)}, not f32[${shape}]`,
  );
};

/** Errors: ShapeError unless a record holds exactly these f32 tensors. */
const checkNamed = (
  call: string,
  what: string,
  given: unknown,
  names: readonly string[],
  shapeOf: (name: string) => readonly number[],
): void => {
  if (typeof given !== "object" || given === null || Array.isArray(given) || isTensor(given))
    throw new ShapeError(`${call}: ${what} is ${shown(given)}, not a record of ${names.join(", ") || "nothing"}`);
  const other = Object.keys(given).find((name) => !names.includes(name));
  if (other !== undefined)
    throw new ShapeError(`${call}: ${what} has "${other}", which the rule does not name`, instead(other, names));
  for (const name of names)
    checkTensor(call, `${what}.${name}`, (given as Readonly<Record<string, unknown>>)[name], shapeOf(name));
};

/**
 * A rule whose every answer is looked at as it is built into a graph: change and slots as the parameter's, scalars [].
 * Errors: InputError as `checkRule`; later, ShapeError that names rule, parameter and what came back.
 */
export const checkedRule = (rule: Rule): Rule => {
  checkRule(rule);
  const { name, slots, scalars, slotShape, report } = rule;
  return {
    ...rule,
    advance: (before, lr): Scalars => {
      const after = rule.advance(before, lr);
      checkNamed(`${name}.advance`, "the result", after, scalars, () => []);
      return after;
    },
    prepare: (tau, draw): Tensor => {
      const prepared = rule.prepare(tau, draw);
      checkTensor(`${name}.prepare(${typeOf(tau)})`, "the result", prepared, tau.shape);
      return prepared;
    },
    step: (grad, before, now) => {
      const out: unknown = rule.step(grad, before, now);
      const call = `${name}.step(${typeOf(grad)}) of "${now.name}"`;
      if (typeof out !== "object" || out === null || isTensor(out) || !("change" in out))
        throw new ShapeError(`${call}: the result is ${shown(out)}, not { change, slots }`);
      const { change, slots: after } = out as { readonly change: Tensor; readonly slots: Slots };
      checkTensor(call, "change", change, now.w.shape);
      checkNamed(call, "slots", after, slots, (slot) => slotShape?.(slot, now.w.shape) ?? now.w.shape);
      return { change, slots: after };
    },
    ...(report && {
      report: (w: Tensor, kept: Slots): Tensor => {
        const out = report(w, kept);
        checkTensor(`${name}.report(${typeOf(w)})`, "the result", out, w.shape);
        return out;
      },
    }),
  };
};
