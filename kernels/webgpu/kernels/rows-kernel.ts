import { type DType, sizeOf } from "../../../core/index.js";
import type { View } from "../../plan/steps.js";
import { type Builder, builder, type Kernel } from "../wgsl/module.js";
import { indent, indented } from "../wgsl/walk.js";
import type { Rowed } from "../windows/rows.js";
import type { Lowering } from "./lowering.js";

/** A kernel over rows [rows, width]: lines that see `row`, and loop over `j`. */
export interface Rows {
  readonly k: Builder;
  readonly width: string;
  /** Element j of the row (or of the one vector that all rows have), as text for the lines of loops. */
  readonly read: (view: View, dtype: DType, ofAll?: "of all rows") => string;
  /** Writes element j of the row, in a line of `each`. */
  readonly write: (view: View) => (value: string) => string;
  /** Each name = Σ or max over j of its value, all in one loop. */
  readonly totals: (kind: "sum" | "max", values: Readonly<Record<string, string>>) => string[];
  /** For every j, once all of the above is known. */
  readonly each: (lines: readonly string[]) => string[];
  /** By one invocation of the row. */
  readonly once: (line: string) => string;
  readonly finish: (lines: readonly string[]) => Kernel;
}

const PARTS = ["x", "y", "z", "w"] as const;

/** An element that loops read or write: its name in their lines, and how it passes to and from memory, at `j` or four from `j` on. */
interface Element {
  readonly name: string;
  readonly move: (j: string) => string;
}

/**
 * A row belongs to one invocation, or on GPUs to a workgroup whose invocations take every n-th element, or every n-th four of
 * them: where rows are whole quads, and all `quads` begin on one.
 */
export const rowsKernel = (
  label: string,
  rows: number,
  width: number,
  { wide }: Lowering,
  quads: readonly View[] = [],
): Rows => {
  const k = builder(label);
  const isQuads = wide && quads.length > 0 && width % 4 === 0 && quads.every(({ offset }) => offset % 4 === 0);
  const unit = isQuads ? 4 : 1;
  const lanes = !wide ? 1 : width > 512 ? 256 : 64;
  const widthText = k.param(width);
  let declared = 0;
  const reads: Element[] = [];
  const writes: Element[] = [];
  const isIn = (lines: readonly string[]) => {
    const names = new Set(lines.join("\n").match(/\b[RW]\d+_\b/g));
    return ({ name }: Element) => names.has(name);
  };

  /** Lines for every j from `from` to `to`; all that they read comes first, all that they write last. */
  const loop = (from: string, to: string, stride: number, lines: readonly string[]): string[] => {
    const [read, written] = [reads.filter(isIn(lines)), writes.filter(isIn(lines))];
    const vars = written.map(({ name }) => `var ${name} = 0.0;`);
    const one = [
      ...read.map(({ name, move }) => `let ${name} = ${move("j")};`),
      ...[...vars, ...lines, ...written.map(({ move }) => move("j"))],
    ];
    const four = [
      ...read.map(({ name, move }) => `let ${name}4 = ${move("first")};`),
      ...written.map(({ name }) => `var ${name}4: vec4<f32>;`),
      ...PARTS.flatMap((part, at) => [
        "{",
        `  let j = first + ${at}u;`,
        ...read.map(({ name }) => `  let ${name} = ${name}4.${part};`),
        ...indented([...vars, ...lines, ...written.map(({ name }) => `${name}4.${part} = ${name};`)]),
        "}",
      ]),
      ...written.map(({ move }) => move("first")),
    ];
    const j = isQuads ? "first" : "j";
    return [`for (var ${j} = ${from}; ${j} < ${to}; ${j} += ${stride}u) {`, ...indented(isQuads ? four : one), "}"];
  };
  const over = (lines: readonly string[]) =>
    loop(lanes === 1 ? "0u" : isQuads ? "4u * lane" : "lane", widthText, lanes * unit, lines);

  const totals: Rows["totals"] = (kind, values) => {
    const start = kind === "sum" ? "0.0" : `-${k.helper("infinity")}()`;
    const join = (x: string, y: string) => (kind === "sum" ? `${x} + ${y}` : `${k.helper("max_nan")}(${x}, ${y})`);
    const names = Object.keys(values);
    const vars = names.map((name) => `var ${name} = ${start};`);
    const lines = (to: (name: string) => string) =>
      names.map((name) => `${to(name)} = ${join(to(name), values[name])};`);
    if (lanes === 1)
      return [
        ...vars,
        `for (var block = 0u; block < ${widthText}; block += 32u) {`, // blocks: long sums keep their digits
        ...names.map((name) => `  var ${name}_part = ${start};`),
        ...indented(
          loop(
            "block",
            `min(block + 32u, ${widthText})`,
            1,
            lines((name) => `${name}_part`),
          ),
        ),
        ...names.map((name) => `  ${name} = ${join(name, `${name}_part`)};`),
        "}",
      ];
    const shared = names.map((_, i) => `parts${i}`);
    for (; declared < names.length; declared++) k.declare(`var<workgroup> parts${declared}: array<f32, ${lanes}>;`);
    return [
      ...vars,
      ...over(lines((name) => name)),
      "workgroupBarrier();", // the parts of the last total have been read
      ...names.map((name, i) => `${shared[i]}[lane] = ${name};`),
      `for (var half = ${lanes / 2}u; half > 0u; half = half >> 1u) {`,
      "  workgroupBarrier();",
      `  if (lane < half) { ${shared.map((parts) => `${parts}[lane] = ${join(`${parts}[lane]`, `${parts}[lane + half]`)};`).join(" ")} }`,
      "}",
      "workgroupBarrier();",
      ...names.map((name, i) => `${name} = ${shared[i]}[0];`),
    ];
  };

  return {
    k,
    width: widthText,
    read: ({ buffer, offset }, dtype, ofAll) => {
      const { load } = isQuads ? k.quads(buffer, dtype) : k.buffer(buffer, dtype, "read");
      const from = ofAll === undefined ? `${k.param(offset)} + row * ${widthText}` : k.param(offset);
      const name = `R${reads.length}_`;
      reads.push({ name, move: (j) => load(`${from} + ${j}`) });
      return name;
    },
    write: ({ buffer, offset }) => {
      const { store } = isQuads ? k.quads(buffer, "f32", "write") : k.buffer(buffer, "f32", "write");
      const at = `${k.param(offset)} + row * ${widthText}`;
      const name = `W${writes.length}_`;
      writes.push({ name, move: (j) => store(`${at} + ${j}`, isQuads ? `${name}4` : name) });
      return (value) => `${name} = ${value};`;
    },
    totals,
    each: over,
    once: (line) => (lanes === 1 ? line : `if (lane == 0u) { ${line} }`),
    finish: (lines) => {
      const head = [
        lanes === 1 ? "let row = group * 64u + lane;" : "let row = group;",
        `if (row >= ${k.param(rows)}) { return; }`,
      ];
      const workgroups = lanes === 1 ? Math.ceil(rows / 64) : rows;
      return k.finish({ workgroupSize: lanes === 1 ? 64 : lanes, workgroups, body: indent([...head, ...lines]) });
    },
  };
};

/** [rows, width] of a view, by its last axis. */
export const rowsOf = ({ shape }: View): [number, number] => {
  const width = shape[shape.length - 1];
  return [width === 0 ? 0 : sizeOf(shape) / width, width];
};

/** So many numbers of a view belong to a row; undefined: all of them to every row. */
export const along = (view: View, numbers: number | undefined, dtype: DType = "f32"): Rowed => ({
  view,
  along: numbers,
  dtype,
});
/** So many of them are written. */
export const written = (view: View, numbers: number): Rowed => ({ view, along: numbers, isWritten: true });
