import type { CallStep, View } from "../../plan/steps.js";
import { startOf } from "../emit/map.js";
import { floatWord, moved, type Word } from "../launch.js";
import { type F32, WORD } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { f32 } from "../wasm/ops.js";

type Address = Local<"i32">;

/** What a call has beyond queries, keys, values and positions: every form has code of its own, none pays for another. */
export interface Form {
  readonly key: string;
  readonly isBounded: boolean;
  readonly isCapped: boolean;
}

export const formOf = ({ attrs }: CallStep, from: View | undefined): Form => {
  const [isBounded, isCapped] = [from !== undefined, attrs.softCap !== undefined];
  return { key: `${isBounded ? " from" : ""}${isCapped ? " capped" : ""}`, isBounded, isCapped };
};

/** Argument words of every form; what it does not have is 0. */
export const FORM_WORDS = ["scale", "from", "cap", "factor", "slopes"] as const;

/** Their values, for the batches from `batch` on; `slopes`: where in scratch memory there is room for a block of them. */
export const formWords = ({ attrs }: CallStep, from: View | undefined, batch: number, slopes: number): Word[] => {
  const [scale, cap] = [attrs.scale as number, attrs.softCap as number | undefined];
  return [
    floatWord(scale),
    from === undefined ? 0 : moved(startOf(from), batch * from.shape[1]),
    ...(cap === undefined ? [0, 0] : [floatWord(cap), floatWord(scale / cap)]),
    { scratch: slopes },
  ];
};

/** What becomes of scores: they are scaled and, with a cap, bent; the slopes of that go to `slopes`, rows as those of scores. */
export interface Scoring {
  readonly scale: F32;
  readonly cap?: { readonly value: F32; readonly factor: F32; readonly slopes: Address };
}

/** `words`: all argument words of the kernel, in order. */
export const scoringOf = (
  body: Body,
  form: Form,
  words: readonly string[],
  args: Address,
  slopes: Address,
): Scoring => {
  const float = (name: (typeof FORM_WORDS)[number]): F32 => body.let(f32.load(args, words.indexOf(name) * WORD));
  return {
    scale: float("scale"),
    ...(form.isCapped && { cap: { value: float("cap"), factor: float("factor"), slopes } }),
  };
};
