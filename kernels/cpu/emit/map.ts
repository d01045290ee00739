import { sizeOf } from "../../../core/index.js";
import { collapse } from "../../plan/collapse.js";
import type { MapStep, View } from "../../plan/steps.js";
import type { Kernel, Launch, Word } from "../launch.js";
import { codeKey, emitExpression, iotasOf, viewsOf } from "./expression.js";
import { emitNest } from "./nest.js";
import { toMemory } from "./pointwise.js";
import { type Pattern, planWalk } from "./walk.js";

/** Where a view starts. */
export const startOf = ({ buffer, offset }: View): Word => ({ buffer, bytes: offset * 4 });

const mapKernel = ({ body: instructions, inputs, outputs }: MapStep, pattern: Pattern): Kernel => ({
  key: `map ${JSON.stringify(pattern)} ${codeKey(instructions)} ${outputs.map((out) => `${out.value}:${out.dtype}`)}`,
  write: (module, name) =>
    module.func({ export: name, params: ["i32"], result: undefined }, (body, args) => {
      const expression = emitExpression(body, instructions, pattern, inputs.length + outputs.length);
      emitNest(body, args, pattern, {
        enter: (depth, nest) => {
          expression.enter(depth, nest);
          if (depth < pattern.rank) return;
          outputs.forEach(({ value, dtype }, i) => {
            nest.store(inputs.length + i, toMemory(expression.values[value], dtype));
          });
        },
        leave: () => {},
      });
    }),
});

/** One kernel: loops over the views, merged into as few axes as they allow, four elements at a time. */
export const launchMap = (step: MapStep): Launch[] => {
  if (sizeOf(step.shape) === 0) return [];
  const memory = [...step.inputs, ...step.outputs.map(({ view }) => view)];
  const iotas = iotasOf(step.body);
  const space = collapse({ shape: step.shape, strides: [...memory.map(({ strides }) => strides), ...iotas] });
  const isScalar = space.shape.length === 0;
  const dims = isScalar ? [1] : space.shape;
  const strides = isScalar ? space.strides.map(() => [1]) : space.strides;
  const walk = planWalk(dims, viewsOf(strides.slice(0, memory.length), strides.slice(memory.length)));
  const words = [...memory.map(startOf), ...iotas.map(() => 0), ...walk.words];
  return [{ kernel: mapKernel(step, walk.pattern), words, scratch: 0 }];
};
