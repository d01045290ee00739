import { storeFourHalves, storeSome, storeSomeHalves } from "../rows.js";
import { type I32, loadLane, loadLane16, loadWord, storeLane, storeLane16, type V128 } from "../wasm/expression.js";
import type { Body, Local } from "../wasm/module.js";
import { i32, i32x4, select, times4, v128 } from "../wasm/ops.js";
import { type Pattern, STEP } from "./walk.js";

/** A place of a loop nest, as kernels see it. */
export interface Nest {
  /** Elements of the innermost axis that are left, this vector's first one included; > 0. */
  readonly left: Local<"i32">;
  /** Four elements of view v, at a depth that is at least the view's own; those of 16 bits extended by zeros. */
  readonly load: (v: number) => V128;
  /** Writes four elements, or those that are left; of 16-bit ones, numbers below 2¹⁶. */
  readonly store: (v: number, value: V128) => void;
  /** The value of view v, an iota, at this vector's first element. */
  readonly value: (v: number) => I32;
  /** Of a pair of whole vectors, which one this is. */
  readonly ofPair?: 0 | 1;
}

/** What a kernel does where: depth d lies inside d loops; depth `rank` is the vector loop's body. */
export interface Hooks {
  readonly enter: (depth: number, nest: Nest) => void;
  readonly leave: (depth: number, nest: Nest) => void;
  /** Where this holds, two vectors run as a pair; depth `rank` is entered for each of them, and once more for one alone. */
  readonly isPair?: (nest: Nest) => I32;
}

/** The number of loops that change a view: where it is loaded. */
export const depthOf = (steps: string): number => steps.search(/[1s]0*$/) + 1;

const LANES = [1, 2, 3] as const;

/** Writes the loops over a pattern. Argument words: a start for each view, then the words of the walk. */
export const emitNest = (body: Body, args: Local<"i32">, { rank, views }: Pattern, hooks: Hooks): void => {
  const inner = rank - 1;
  const word = (i: number): Local<"i32"> => body.let(loadWord(args, i));
  const starts = views.map((_, v) => word(v));
  const sizes = Array.from({ length: rank }, (_, axis) => word(views.length + axis));
  const move = (v: number, axis: number) => views.length + rank + v * rank + axis;
  const moves = views.map(({ steps }, v) =>
    [...steps].map((_, axis) => (axis < depthOf(steps) ? word(move(v, axis)) : undefined)),
  );
  // The vector loop runs on copies, so that the outer loops need not take its way back.
  const places = starts.map((start, v) => (views[v].steps[inner] === "0" ? start : body.local("i32")));
  const isLaned = ({ unit, steps }: Pattern["views"][number]) => unit !== "ones" && steps[inner] === "s";
  const lanes = views.map((view) => (isLaned(view) ? LANES.map(() => body.local("i32")) : []));
  const left = body.local("i32");

  const load = (v: number): V128 => {
    const { unit, steps } = views[v];
    const at = places[v];
    if (unit === "ones") {
      if (steps[inner] === "0") return i32x4.splat(at);
      const step =
        steps[inner] === "1"
          ? i32x4.const(0, 1, 2, 3)
          : i32x4.mul(i32x4.const(0, 1, 2, 3), i32x4.splat(moves[v][inner] as I32));
      return i32x4.add(i32x4.splat(at), step);
    }
    if (unit === "halves") {
      if (steps[inner] === "0") return i32x4.splat(i32.load16_u(at));
      if (steps[inner] === "1") return v128.load16x4_u(at);
      return [0, ...LANES].reduce<V128>(
        (x, lane) => loadLane16(lane === 0 ? at : i32.add(at, lanes[v][lane - 1]), x, 2 * lane),
        i32x4.splatConst(0),
      );
    }
    if (steps[inner] === "0") return v128.load32_splat(at);
    if (steps[inner] === "1") return v128.load(at);
    return LANES.reduce<V128>((x, lane) => loadLane(i32.add(at, lanes[v][lane - 1]), x, lane), v128.load32_zero(at));
  };
  const store = (v: number, value: V128): void => {
    const at = places[v];
    const isHalves = views[v].unit === "halves";
    if (views[v].steps[inner] === "1") {
      (isHalves ? storeSomeHalves : storeSome)(body, at, value, left);
      return;
    }
    const x = body.let(value);
    const write = (address: I32, lane: number) =>
      body.do(isHalves ? storeLane16(address, x, 2 * lane) : storeLane(address, x, lane));
    write(at, 0);
    for (const lane of LANES)
      body.if(i32.gt_s(left, i32.const(lane)), () => write(i32.add(at, lanes[v][lane - 1]), lane));
  };
  const nest: Nest = { left, load, store, value: (v) => places[v] };
  const storeWhole: Nest["store"] = (v, value) => {
    const { unit, steps } = views[v];
    if (steps[inner] !== "1") store(v, value);
    else body.do(unit === "halves" ? storeFourHalves(places[v], value) : v128.store(places[v], value));
  };
  const step = (now: Nest): void => {
    hooks.enter(rank, now);
    views.forEach(({ unit, steps }, v) => {
      if (steps[inner] === "1") body.advance(places[v], 4 * STEP[unit]);
      else if (steps[inner] === "s") body.advance(places[v], times4(moves[v][inner] as I32));
    });
    body.advance(left, -4);
  };
  const pair = (): void => {
    for (const ofPair of [0, 1] as const) step({ ...nest, store: storeWhole, ofPair });
  };

  const vectorLoop = () => {
    body.set(left, sizes[inner]);
    views.forEach(({ steps }, v) => {
      if (steps[inner] !== "0") body.set(places[v], starts[v]);
    });
    lanes.forEach((offsets, v) => {
      offsets.forEach((offset, i) => {
        body.set(offset, i32.mul(moves[v][inner] as I32, i32.const(i + 1)));
      });
    });
    body.repeat(() => {
      // Lanes past the end read element 0 of their vector: other strides than 1 could leave the memory.
      const laned = lanes.flat();
      if (laned.length > 0)
        body.if(i32.lt_s(left, i32.const(4)), () => {
          for (const offsets of lanes)
            offsets.forEach((offset, i) => {
              body.set(offset, select(offset, i32.const(0), i32.gt_s(left, i32.const(i + 1))));
            });
        });
      if (hooks.isPair === undefined) step(nest);
      else body.if(i32.and(i32.ge_s(left, i32.const(8)), hooks.isPair(nest)), pair, () => step(nest));
      return i32.gt_s(left, i32.const(0));
    });
  };

  const loops = (depth: number): void => {
    hooks.enter(depth, nest);
    if (depth === inner) vectorLoop();
    else
      body.times(sizes[depth], () => {
        loops(depth + 1);
        views.forEach((_, v) => {
          const by = moves[v][depth];
          if (by !== undefined) body.advance(starts[v], by);
        });
      });
    hooks.leave(depth, nest);
  };
  loops(0);
};
