import { bytesOf, sizeOf } from "../../../core/index.js";
import { collapse } from "../../plan/access/collapse.js";
import { spellAll } from "../../plan/spell.js";
import type { Instruction, MapStep, View } from "../../plan/steps.js";
import { blocksFor, cut, type Kernel, type Launch, moved, type Word } from "../launch.js";
import { emitExpression, inputDtypes, iotasOf, viewsOf } from "./expression.js";
import { emitNest } from "./nest.js";
import { toMemory } from "./pointwise.js";
import { type Pattern, patternKey, planWalk } from "./walk.js";

/** Where a view starts, of elements of so many bytes. */
export const startOf = ({ buffer, offset }: View, size = 4): Word => ({ buffer, bytes: offset * size });

const mapKernel = ({ body: instructions, inputs, outputs }: MapStep, pattern: Pattern): Kernel => ({
  key: `map ${patternKey(pattern)} ${spellAll(instructions)} ${outputs.map((out) => `${out.value}:${out.dtype}`)}`,
  write: (module, name) =>
    module.func({ export: name, params: ["i32"], result: undefined }, (body, args) => {
      const expression = emitExpression(body, instructions, pattern, inputs.length + outputs.length);
      emitNest(body, args, pattern, {
        isPair: expression.isPair,
        enter: (depth, nest) => {
          expression.enter(depth, nest);
          if (depth < pattern.rank) return;
          outputs.forEach(({ value, dtype }, i) => {
            nest.store(inputs.length + i, toMemory(body, expression.values[value], dtype));
          });
        },
        leave: () => {},
      });
    }),
});

/** About how many nanoseconds an element takes: memory, and arithmetic by the kind of op. */
export const workOf = (body: readonly Instruction[], views: number): number =>
  body.reduce((sum, { op }) => sum + (slow[op] ?? 0.1), 0.2 * views);

const slow: { readonly [op: string]: number | undefined } = {
  load: 0,
  constant: 0,
  exp: 1,
  sigmoid: 1.5,
  randomBits: 2.5,
  expm1: 4,
  log: 3,
  log1p: 3,
  sin: 3,
  cos: 3,
  atan: 4,
  tanh: 3,
  erf: 4,
  softplus: 4,
};

/** Vectors and pairs of random words stay together. */
const UNIT = 64;

/** One kernel: loops over the views, merged into as few axes as they allow, four elements at a time; cut along one axis. */
export const launchMap = (step: MapStep): Launch[] => {
  const size = sizeOf(step.shape);
  if (size === 0) return [];
  const memory = [...step.inputs, ...step.outputs.map(({ view }) => view)];
  const dtypes = [...inputDtypes(step.body), ...step.outputs.map(({ dtype }) => dtype)];
  const iotas = iotasOf(step.body);
  const space = collapse({ shape: step.shape, strides: [...memory.map(({ strides }) => strides), ...iotas] });
  const isScalar = space.shape.length === 0;
  const dims = isScalar ? [1] : space.shape;
  const strides = isScalar ? space.strides.map(() => [1]) : space.strides;
  const views = viewsOf(strides, dtypes);

  const work = size * workOf(step.body, memory.length);
  const count = blocksFor(work);
  const inner = dims.length - 1;
  // The outermost axis that has enough to give, else the longest.
  const wide = dims.findIndex((n, axis) => n >= count * (axis === inner ? UNIT : 1));
  const axis = wide >= 0 ? wide : dims.indexOf(Math.max(...dims));
  const blocks = cut(dims[axis], count, axis === inner ? UNIT : 1).map(({ from, size: n }): Word[] => {
    const { words } = planWalk(
      dims.map((d, i) => (i === axis ? n : d)),
      views,
    );
    const starts = memory.map((view, v) => {
      const size = bytesOf(dtypes[v]);
      return moved(startOf(view, size), from * strides[v][axis], size);
    });
    const counters = iotas.map((_, v) => from * strides[memory.length + v][axis]);
    return [...starts, ...counters, ...words];
  });
  return [{ kernel: mapKernel(step, planWalk(dims, views).pattern), blocks, work }];
};
