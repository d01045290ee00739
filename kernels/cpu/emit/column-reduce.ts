import type { ReduceStep } from "../../plan/steps.js";
import type { Kernel } from "../launch.js";
import { shuffle32, storeLane, type V128 } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { f32x4, f64x2, i32, i32x4, v128 } from "../wasm/ops.js";
import { emitExpression } from "./expression.js";
import { emitNest } from "./nest.js";
import { argumentCount, type Pattern } from "./walk.js";

/** Accumulators of all columns, in scratch memory, four at a time. */
interface Accumulators {
  /** Bytes of four. */
  readonly bytes: number;
  readonly start: (at: Local<"i32">) => void;
  readonly take: (at: Local<"i32">, x: V128) => void;
  readonly total: (at: Local<"i32">) => V128;
}

const floatSums = (body: Body): Accumulators => {
  const half = (at: Local<"i32">, offset: number, x: V128) =>
    body.do(v128.store(at, f64x2.add(v128.load(at, offset), f64x2.promote_low_f32x4(x)), offset));
  return {
    bytes: 32,
    start: (at) => {
      body.do(v128.store(at, f64x2.splatConst(0)));
      body.do(v128.store(at, f64x2.splatConst(0), 16));
    },
    take: (at, x) => {
      half(at, 0, x);
      half(at, 16, shuffle32(x, x, 2, 3, 2, 3));
    },
    total: (at) => {
      const [low, high] = [0, 16].map((offset) => f32x4.demote_f64x2_zero(v128.load(at, offset)));
      return shuffle32(low, high, 0, 1, 4, 5);
    },
  };
};

const lanewise = (body: Body, combine: (a: V128, b: V128) => V128, neutral: V128): Accumulators => ({
  bytes: 16,
  start: (at) => body.do(v128.store(at, neutral)),
  take: (at, x) => body.do(v128.store(at, combine(v128.load(at), x))),
  total: (at) => v128.load(at),
});

const accumulatorsOf = (body: Body, { reduce, dtype }: ReduceStep): Accumulators => {
  if (reduce === "max") return lanewise(body, f32x4.max, f32x4.splatConst(Number.NEGATIVE_INFINITY));
  return dtype === "f32" ? floatSums(body) : lanewise(body, i32x4.add, i32x4.splatConst(0));
};

/**
 * Reduces over the axes between `outside` and the innermost one, whose columns are kept: rows are read as they lie, into
 * accumulators that stay in the cache. Two more arguments: the output, and scratch memory for the accumulators.
 */
export const columnKernel = (step: ReduceStep, pattern: Pattern, outside: number, code: string): Kernel => ({
  key: `column ${code}`,
  write: (module, name) =>
    module.func({ export: name, params: ["i32"], result: undefined }, (body, args) => {
      const count = argumentCount(pattern);
      const output = body.let(i32.load(args, 4 * count));
      const scratch = body.let(i32.load(args, 4 * count + 4));
      const columns = body.let(i32.load(args, 4 * (pattern.views.length + pattern.rank - 1)));
      const expression = emitExpression(body, step.body, pattern, step.inputs.length);
      const accumulators = accumulatorsOf(body, step);
      const at = body.local("i32");
      const eachFour = (block: (left: Local<"i32">) => void) => {
        const left = body.let(columns);
        body.set(at, scratch);
        body.repeat(() => {
          block(left);
          body.advance(at, accumulators.bytes);
          body.advance(left, -4);
          return i32.gt_s(left, i32.const(0));
        });
      };
      emitNest(body, args, pattern, {
        enter: (depth, nest) => {
          if (depth === outside) eachFour(() => accumulators.start(at));
          expression.enter(depth, nest);
          if (depth === pattern.rank - 1) body.set(at, scratch);
          if (depth < pattern.rank) return;
          accumulators.take(at, expression.values[step.value]);
          body.advance(at, accumulators.bytes);
        },
        leave: (depth) => {
          if (depth !== outside) return;
          eachFour((left) => {
            const total = body.let(accumulators.total(at));
            const some = () => {
              body.do(storeLane(output, total, 0));
              for (const lane of [1, 2])
                body.if(i32.gt_s(left, i32.const(lane)), () => body.do(storeLane(output, total, lane, 4 * lane)));
            };
            body.if(i32.ge_s(left, i32.const(4)), () => body.do(v128.store(output, total)), some);
            body.advance(output, 16);
          });
          body.advance(output, i32.mul(i32.sub(columns, roundUp(columns)), i32.const(4)));
        },
      });
    }),
});

/** The next multiple of four. */
const roundUp = (n: Local<"i32">) => i32.and(i32.add(n, i32.const(3)), i32.const(-4));
