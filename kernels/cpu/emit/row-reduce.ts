import type { ReduceStep } from "../../plan/steps.js";
import { fixedKernel, type Kernel } from "../launch.js";
import { loadWord, shuffle32, type V128 } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { f32, f32x4, f64, f64x2, i32, i32x4, v128 } from "../wasm/ops.js";
import { emitExpression } from "./expression.js";
import { emitNest } from "./nest.js";
import { argumentCount, type Pattern } from "./walk.js";

/** An accumulator of a row: what it starts as, how it takes four elements in, and how it is written down. */
interface Accumulator {
  readonly start: () => void;
  readonly take: (x: V128) => void;
  readonly finish: (address: Local<"i32">) => void;
  /** Writes it down unrounded, in 16 bytes. */
  readonly keep: (address: Local<"i32">) => void;
  /** Stands for an element past the end. */
  readonly neutral: V128;
}

/** Bytes of an accumulator that was written down. */
export const PART_BYTES = 16;

/** Sum of f32 in four f64 lanes. */
const floatSum = (body: Body): Accumulator => {
  const [low, high] = [body.local("v128"), body.local("v128")];
  return {
    neutral: f32x4.splatConst(0),
    start: () => {
      body.set(low, f64x2.splatConst(0));
      body.set(high, f64x2.splatConst(0));
    },
    take: (x) => {
      body.set(low, f64x2.add(low, f64x2.promote_low_f32x4(x)));
      body.set(high, f64x2.add(high, f64x2.promote_low_f32x4(shuffle32(x, x, 2, 3, 2, 3))));
    },
    finish: (address) => {
      const total = body.let(f64x2.add(low, high));
      const sum = f64.add(f64x2.extract_lane(total, 0), f64x2.extract_lane(total, 1));
      body.do(f32.store(address, f32.demote_f64(sum)));
    },
    keep: (address) => body.do(v128.store(address, f64x2.add(low, high))),
  };
};

/** Four lanes of an operation that needs no more precision: integer sums, maxima. */
const lanewise = (body: Body, combine: (a: V128, b: V128) => V128, neutral: V128): Accumulator => {
  const lanes = body.local("v128");
  return {
    neutral,
    start: () => body.set(lanes, neutral),
    take: (x) => body.set(lanes, combine(lanes, x)),
    finish: (address) => {
      body.set(lanes, combine(lanes, shuffle32(lanes, lanes, 2, 3, 0, 1)));
      body.set(lanes, combine(lanes, shuffle32(lanes, lanes, 1, 0, 3, 2)));
      body.do(i32.store(address, i32x4.extract_lane(lanes, 0)));
    },
    keep: (address) => body.do(v128.store(address, lanes)),
  };
};

const accumulatorOf = (body: Body, { reduce, dtype }: ReduceStep): Accumulator => {
  if (reduce === "max") return lanewise(body, f32x4.max, f32x4.splatConst(Number.NEGATIVE_INFINITY));
  return dtype === "f32" ? floatSum(body) : lanewise(body, i32x4.add, i32x4.splatConst(0));
};

/**
 * Reduces over all axes from `outside` on; the innermost one four elements at a time. One more argument: the output. A part
 * of a row leaves its accumulator there instead of its result.
 */
export const rowKernel = (
  step: ReduceStep,
  pattern: Pattern,
  outside: number,
  code: string,
  isPart: boolean,
): Kernel => ({
  key: `row ${isPart ? "part " : ""}${code}`,
  write: (module, name) =>
    module.func({ export: name, params: ["i32"], result: undefined }, (body, args) => {
      const output = body.let(loadWord(args, argumentCount(pattern)));
      const expression = emitExpression(body, step.body, pattern, step.inputs.length);
      const accumulator = accumulatorOf(body, step);
      const x = body.local("v128");
      emitNest(body, args, pattern, {
        isPair: expression.isPair,
        enter: (depth, nest) => {
          expression.enter(depth, nest);
          if (depth === outside) accumulator.start();
          if (depth < pattern.rank) return;
          body.set(x, expression.values[step.value]);
          body.if(i32.lt_s(nest.left, i32.const(4)), () => {
            const isInside = i32x4.lt_s(i32x4.const(0, 1, 2, 3), i32x4.splat(nest.left));
            body.set(x, v128.bitselect(x, accumulator.neutral, isInside));
          });
          accumulator.take(x);
        },
        leave: (depth) => {
          if (depth !== outside) return;
          if (isPart) accumulator.keep(output);
          else accumulator.finish(output);
          body.advance(output, isPart ? PART_BYTES : 4);
        },
      });
    }),
});

/** Joins `count` accumulators, in order: (parts, count, output). */
export const joinKernel = (step: ReduceStep): Kernel =>
  fixedKernel(`join ${step.reduce}:${step.dtype}`, ["parts", "count", "output"], (body, { parts, count, output }) => {
    if (step.reduce === "sum" && step.dtype === "f32") {
      const total = body.let(f64x2.splatConst(0));
      body.times(count, () => {
        body.set(total, f64x2.add(total, v128.load(parts)));
        body.advance(parts, PART_BYTES);
      });
      const sum = f64.add(f64x2.extract_lane(total, 0), f64x2.extract_lane(total, 1));
      body.do(f32.store(output, f32.demote_f64(sum)));
      return;
    }
    const accumulator = accumulatorOf(body, step);
    accumulator.start();
    body.times(count, () => {
      accumulator.take(v128.load(parts));
      body.advance(parts, PART_BYTES);
    });
    accumulator.finish(output);
  });
