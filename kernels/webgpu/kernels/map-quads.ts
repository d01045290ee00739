import { type DType, isHalf, sizeOf } from "../../../core/index.js";
import { collapse } from "../../plan/access/collapse.js";
import type { Instruction, MapStep, View } from "../../plan/steps.js";
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

/** Random bits of a body whose key is one number for all, and whose index counts the elements. */
const randomIn = ({ body }: MapStep, seen: readonly Seen[], steps: readonly number[]): number[] => {
  const counts = body.flatMap((it, position) => (it.op === "iota" ? [position] : []));
  return body.flatMap((it, position) => {
    if (it.op !== "randomBits") return [];
    const [k0, k1, index] = it.args;
    const isKey = [k0, k1].map((at) => body[at]).every((one) => one.op === "load" && !seen[one.input].isRow);
    return isKey && steps[counts.indexOf(index)] === 1 ? [position] : [];
  });
};

/**
 * A map with four neighbours an invocation, read and written 16 bytes at once (8 of 16-bit elements): where rows are whole
 * quads, and every view goes along a row or stays at one number. Undefined where they are not. Random bits take eight, so that
 * both words of a block are used.
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
  const steps = iotas.map((strides) => strides.at(-1) as number);
  // Blocks of random words are of eight neighbours: where these lie in one row, an invocation takes them all.
  const random = shape.length === 1 && width % 8 === 0 ? randomIn(step, seen, steps) : [];
  const quads = random.length > 0 ? 2 : 1;
  const items = sizeOf(shape) / quads;
  const body = step.body.map((it, position): Instruction => {
    const word = random.indexOf(position);
    return word < 0 ? it : { op: "load", input: step.inputs.length + word, dtype: "u32" };
  });
  const element = declareElement(k, { ...step, body });

  /** One quad's lines: what is loaded first, then its elements, then what is stored. */
  const quadLines = (quad: number): { before: string[]; elements: string[]; stores: string[] } => {
    const flat = quads === 1 ? "i" : `i${quad}`;
    const { lines, offsets } = walk(k, shape, [...seen.map(inQuads), ...quadSteps], flat, "c");
    const address = (at: number) => {
      const { view, isRow } = seen[at];
      return isRow ? `4u * (${plus(k.param(view.offset / 4), offsets[at])})` : plus(k.param(view.offset), offsets[at]);
    };
    const name = (at: number) => `q${quad}_${at}`;
    const loads = step.inputs.map((view, at) => {
      const { load } = seen[at].isRow
        ? k.quads(view.buffer, seen[at].dtype)
        : k.buffer(view.buffer, seen[at].dtype, "read");
      return `let ${name(at)} = ${load(address(at))};`;
    });
    const elements = LANES.map((lane, place) => {
      const given = step.inputs.map((_, at) => (seen[at].isRow ? `${name(at)}.${lane}` : name(at)));
      const words = random.map((_, word) => `w${word}${lane}.${quad === 0 ? "x" : "y"}`);
      const sums = steps.map((n, at) => {
        const first = offsets[views.length + at];
        return place === 0 || n === 0 ? first : `${first} + ${n === 1 ? `${place}u` : k.param(place * n)}`;
      });
      return `let e${quad}${lane} = ${element([...given, ...words], sums)};`;
    });
    const stores = step.outputs.map(({ view, dtype }, at) => {
      const { store } = k.quads(view.buffer, dtype, "write");
      const values = LANES.map((lane) => `e${quad}${lane}.r${at}`).join(", ");
      return store(address(step.inputs.length + at), `vec4<${inRegisters(dtype)}>(${values})`);
    });
    return {
      before: [...(quads === 1 ? [] : [`let ${flat} = 2u * i + ${quad}u;`]), ...lines, ...loads],
      elements,
      stores,
    };
  };
  const words = random.flatMap((position, word) => {
    const { args, domain = 0 } = step.body[position] as Extract<Instruction, { readonly args: readonly number[] }>;
    const key = args
      .slice(0, 2)
      .map((at) => `q0_${(step.body[at] as Extract<Instruction, { readonly op: "load" }>).input}`);
    return LANES.map(
      (lane, place) =>
        `let w${word}${lane} = ${k.helper("threefry_words")}(${key.join(", ")}, 4u * i + ${place}u, ${domain}u);`,
    );
  });
  const all = Array.from({ length: quads }, (_, quad) => quadLines(quad));
  const text = [
    `let i = group * ${WORKGROUP}u + lane;`,
    `if (i >= ${k.param(items)}) { return; }`,
    ...all.flatMap(({ before }) => before),
    ...words,
    ...all.flatMap(({ elements }) => elements),
    ...all.flatMap(({ stores }) => stores),
  ];
  return k.finish({ workgroupSize: WORKGROUP, workgroups: Math.ceil(items / WORKGROUP), body: indent(text) });
};
