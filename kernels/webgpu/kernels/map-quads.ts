import { type DType, isHalf } from "../../../core/index.js";
import { collapse } from "../../plan/collapse.js";
import type { MapStep, View } from "../../plan/steps.js";
import { emitBody } from "../wgsl/emit.js";
import { type Builder, builder, type Kernel } from "../wgsl/module.js";
import { indent, plus, walk } from "../wgsl/walk.js";
import { storedAs } from "../windows/map.js";

const WORKGROUP = 64;
const LANES = ["x", "y", "z", "w"] as const;

/** A view of a map as quads see it: neighbours of a row in memory, four at a time, or one number for all of a row. */
interface Seen {
  readonly view: View;
  readonly dtype: DType;
  readonly strides: readonly number[];
  readonly isRow: boolean;
}

/** Is the row's every quad a quad of the memory? */
const isAligned = ({ view, strides }: Seen): boolean =>
  view.offset % 4 === 0 && strides.at(-1) === 1 && strides.slice(0, -1).every((n) => n % 4 === 0);

/** Has memory one way to be read and written? All of it in quads or none, and 16 bits only where all have the same. */
const isOneWay = (seen: readonly Seen[]): boolean =>
  seen.every((one) =>
    seen.every(
      (other) =>
        one.view.buffer !== other.view.buffer ||
        (one.isRow === other.isRow && (one.dtype === other.dtype || (!isHalf(one.dtype) && !isHalf(other.dtype)))),
    ),
  );

/** Strides in quads: the last axis has a quarter of its steps. A number for all of a row has none there. */
const inQuads = ({ strides, isRow }: Seen): number[] =>
  strides.map((n, axis) => (!isRow ? n : axis === strides.length - 1 ? 1 : n / 4));

const inRegisters = (dtype: DType): string => (isHalf(dtype) ? "f32" : dtype);

/** The expression as a function of one element: what was loaded, and the iotas' sums; gives the values that are written. */
const declareElement = (k: Builder, { body, outputs }: MapStep): ((loads: string[], iotas: string[]) => string) => {
  const parameters: string[] = [];
  const takes: ((loads: readonly string[], sums: readonly string[]) => string)[] = [];
  let iotas = 0;
  const lines = emitBody(k, body, (position) => {
    const it = body[position];
    if (it.op === "iota") {
      parameters.push(`n${position}: u32`);
      const place = iotas++;
      takes.push((_, sums) => sums[place]);
      return `${it.dtype}(n${position})`;
    }
    if (it.op !== "load") return "";
    parameters.push(`x${position}: ${inRegisters(it.dtype)}`);
    takes.push((loads) => loads[it.input]);
    return `x${position}`;
  });
  k.declare(`struct Written { ${outputs.map(({ dtype }, i) => `r${i}: ${inRegisters(dtype)}`).join(", ")} }`);
  k.func(`fn element(${parameters.join(", ")}) -> Written`, [
    ...lines,
    `return Written(${outputs.map(({ value }) => `v${value}`).join(", ")});`,
  ]);
  return (loads, sums) => `element(${takes.map((take) => take(loads, sums)).join(", ")})`;
};

/**
 * A map with four neighbours an invocation, read and written 16 bytes at once (8 of 16-bit elements): where rows are whole
 * quads, and every view goes along a row or stays at one number. Undefined where they are not.
 */
export const quadMapKernel = (step: MapStep): Kernel | undefined => {
  const own = step.body.flatMap((it) => (it.op === "iota" ? [it.strides] : []));
  const views = [...step.inputs, ...step.outputs.map(({ view }) => view)];
  const space = collapse({ shape: step.shape, strides: [...views.map(({ strides }) => strides), ...own] });
  const width = space.shape.at(-1) ?? 1;
  const seen = views.map((view, i): Seen => {
    const dtype = i < step.inputs.length ? storedAs(step.body, i) : step.outputs[i - step.inputs.length].dtype;
    return { view, dtype, strides: space.strides[i], isRow: space.strides[i].at(-1) !== 0 };
  });
  const isWritten = (i: number) => i >= step.inputs.length;
  const fits = seen.every((one, i) => (one.isRow ? isAligned(one) : !isWritten(i)));
  if (width % 4 !== 0 || !fits || !isOneWay(seen)) return undefined;

  const k = builder("map");
  const shape = [...space.shape.slice(0, -1), width / 4];
  const iotas = space.strides.slice(views.length);
  const quadSteps = iotas.map((strides) => strides.map((n, axis) => (axis === strides.length - 1 ? 4 * n : n)));
  const count = shape.reduce((a, b) => a * b, 1);
  const { lines, offsets } = walk(k, shape, [...seen.map(inQuads), ...quadSteps], "i", "c");
  const address = (i: number) => {
    const { view, isRow } = seen[i];
    return isRow ? `4u * (${plus(k.param(view.offset / 4), offsets[i])})` : plus(k.param(view.offset), offsets[i]);
  };
  const element = declareElement(k, step);
  const loads = step.inputs.map((view, i) => {
    const { load } = seen[i].isRow ? k.quads(view.buffer, seen[i].dtype) : k.buffer(view.buffer, seen[i].dtype, "read");
    return `let q${i} = ${load(address(i))};`;
  });
  const steps = iotas.map((strides) => strides.at(-1) as number);
  const elements = LANES.map((lane, at) => {
    const given = seen.slice(0, step.inputs.length).map(({ isRow }, i) => (isRow ? `q${i}.${lane}` : `q${i}`));
    const sums = steps.map((n, i) => {
      const first = offsets[views.length + i];
      return at === 0 || n === 0 ? first : `${first} + ${n === 1 ? `${at}u` : k.param(at * n)}`;
    });
    return `let e${lane} = ${element(given, sums)};`;
  });
  const stores = step.outputs.map(({ view, dtype }, i) => {
    const { store } = k.quads(view.buffer, dtype, "write");
    const values = LANES.map((lane) => `e${lane}.r${i}`).join(", ");
    return store(address(step.inputs.length + i), `vec4<${inRegisters(dtype)}>(${values})`);
  });
  const body = [
    `let i = group * ${WORKGROUP}u + lane;`,
    `if (i >= ${k.param(count)}) { return; }`,
    ...[...lines, ...loads, ...elements, ...stores],
  ];
  return k.finish({ workgroupSize: WORKGROUP, workgroups: Math.ceil(count / WORKGROUP), body: indent(body) });
};
