import type { ReduceStep } from "../../plan/steps.js";
import type { Kernel } from "../launch.js";
import { shuffle32, type V128 } from "../wasm/expression.js";
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
  /** Stands for an element past the end. */
  readonly neutral: V128;
}

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
  };
};

const accumulatorOf = (body: Body, { reduce, dtype }: ReduceStep): Accumulator => {
  if (reduce === "max") return lanewise(body, f32x4.max, f32x4.splatConst(Number.NEGATIVE_INFINITY));
  return dtype === "f32" ? floatSum(body) : lanewise(body, i32x4.add, i32x4.splatConst(0));
};

/** Reduces over all axes from `outside` on; the innermost one four elements at a time. One more argument: the output. */
export const rowKernel = (step: ReduceStep, pattern: Pattern, outside: number, code: string): Kernel => ({
  key: `row ${code}`,
  write: (module, name) =>
    module.func({ export: name, params: ["i32"], result: undefined }, (body, args) => {
      const output = body.let(i32.load(args, 4 * argumentCount(pattern)));
      const expression = emitExpression(body, step.body, pattern, step.inputs.length);
      const accumulator = accumulatorOf(body, step);
      const x = body.local("v128");
      emitNest(body, args, pattern, {
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
          accumulator.finish(output);
          body.advance(output, 4);
        },
      });
    }),
});
