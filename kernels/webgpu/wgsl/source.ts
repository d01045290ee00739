import { type DType, isHalf } from "../../../core/index.js";
import { accessors, quadAccessors } from "./accessors.js";

/** How a kernel sees one of its buffers. */
export interface Bound {
  readonly dtypes: ReadonlySet<DType>;
  readonly written: boolean;
  readonly atomic: boolean;
  readonly quads: boolean;
}

/** A kernel before it is one text. In texts buffers are B0, B1, …, in the order of its bindings, and parameters P0, P1, … */
export interface Source {
  readonly extensions: readonly string[];
  /** Words of the uniform buffer. */
  readonly words: number;
  readonly bound: readonly Bound[];
  readonly helpers: readonly string[];
  readonly declarations: readonly string[];
  readonly workgroupSize: number;
  readonly subgroup: number | "any" | undefined;
  /** Lines of the entry point once it knows its `group`; parameters are read first. */
  readonly body: string;
}

const LETTERS = "xyzw";
/** A line that names a number of the uniform buffer. */
export const readParam = (i: number): string => `let P${i} = P[${i >> 2}].${LETTERS[i & 3]};`;

/** The numbers of the uniform buffer that a text names, in order. */
export const paramsIn = (text: string): number[] =>
  [...new Set(text.match(/\bP\d+\b/g))].map((name) => Number(name.slice(1))).sort((a, b) => a - b);

/** Is its memory raw words to the kernel? */
const isRaw = ({ dtypes }: Bound): boolean => [...dtypes].some((dtype) => dtype !== "f32");

/** The type of a buffer's elements. */
export const elementOf = (one: Bound): string => {
  const word = one.atomic ? "atomic<u32>" : isRaw(one) ? "u32" : "f32";
  return !one.quads ? word : [...one.dtypes].some(isHalf) ? "vec2<u32>" : `vec4<${word}>`;
};

const declared = (one: Bound, at: number): string => {
  const { dtypes, written, atomic, quads } = one;
  const mode = written ? "read_write" : "read";
  const head = `@group(0) @binding(${at + 1}) var<storage, ${mode}> B${at}: array<${elementOf(one)}>;\n`;
  const raw = isRaw(one);
  if (quads) return head + [...dtypes].map((dtype) => quadAccessors(`B${at}`, dtype, raw, written)).join("");
  return head + [...dtypes].map((dtype) => accessors(`B${at}`, dtype, raw, written, atomic)).join("");
};

/** The WGSL of a kernel. */
export const textOf = (source: Source): string => {
  const { extensions, words, bound, helpers, declarations, workgroupSize, subgroup, body } = source;
  const size = typeof subgroup === "number" ? ` @subgroup_size(${subgroup})` : "";
  return [
    ...extensions.map((name) => `enable ${name};`),
    `@group(0) @binding(0) var<uniform> P: array<vec4<u32>, ${Math.ceil(words / 4)}>;`,
    ...bound.map(declared),
    ...helpers,
    ...declarations,
    `@compute @workgroup_size(${workgroupSize})${size}`,
    "fn main(@builtin(workgroup_id) at: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,",
    `        @builtin(local_invocation_index) lane: u32${subgroup === undefined ? "" : ", @builtin(subgroup_id) subgroup: u32"}) {`,
    "  let group = at.y * grid.x + at.x;",
    body,
    "}",
  ].join("\n");
};
