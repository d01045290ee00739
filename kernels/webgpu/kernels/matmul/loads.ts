import { indent, upTo } from "../../wgsl/walk.js";
import type { Side } from "./text.js";

/** Workgroup memory: an array of vec4 of this type. */
export interface Target {
  readonly array: string;
  readonly type: "f32" | "f16";
  /** Do its fours lie along the inner axis? Where those of the operand do not, they are turned on their way: see `canTurn`. */
  readonly along: boolean;
  /** Where a four lies, from its line (row, or inner index) and its place in that. */
  readonly slot: (line: string, four: string) => string;
}

/** How the invocations of a workgroup bring blocks of one operand into workgroup memory, four numbers at a time. */
export interface Loading extends Side {
  /** A block: rows of a (or columns of b) by elements of the inner axis. */
  readonly rows: number;
  readonly depth: number;
  /** Invocations of the workgroup. */
  readonly lanes: number;
  /** End of the inner axis, as text. */
  readonly end: string;
  readonly to: Target;
}

/** Lines of a kernel. Rows past the edge repeat the last one, and are not stored; what is past the inner end is 0. */
export interface Loads {
  /** Before the loop over blocks of the inner axis. */
  readonly before: readonly string[];
  /** Loads this invocation's share of the block that begins at `block` into registers, and nothing more: that would wait for it. */
  readonly load: (block: string) => readonly string[];
  /** Puts the block so loaded into workgroup memory. */
  readonly store: (block: string) => readonly string[];
}

/** How many fours each invocation loads; a fraction if the workgroup does not fit the block. */
export const sharesOf = ({ rows, depth, lanes }: Pick<Loading, "rows" | "depth" | "lanes">): number =>
  (rows * depth) / 4 / lanes;

/** Whether invocations load whole squares of four fours, so that they can turn them. */
export const canTurn = (it: Pick<Loading, "rows" | "depth" | "lanes">): boolean => sharesOf(it) % 4 === 0;

export const loads = (it: Loading): Loads => {
  const text = fourOf(it);
  if (it.along) return loadsAlong(it, text);
  return it.to.along ? loadsTurned(it, text) : loadsAcross(it, text);
};

/** Texts of four numbers: as they are loaded, from addresses one by one, and as they are stored. */
const fourOf = ({ quads: asQuads, load, to, dtype }: Loading) => {
  const quads = asQuads?.();
  const value = (raw: string) => {
    if (quads !== undefined && to.type === "f16" && dtype === "f16") return `bitcast<vec4<f16>>(${raw})`;
    const number = quads?.value(raw) ?? raw;
    return to.type === "f16" ? `vec4<f16>(${number})` : number;
  };
  return {
    isQuad: quads !== undefined,
    declared: (name: string) => `var ${name} = ${quads?.type ?? "vec4<f32>"}();`,
    loaded: (at: (i: number) => string) => quads?.raw(at(0)) ?? `vec4<f32>(${upTo(4).map((i) => load(at(i)))})`,
    stored: (name: string, isInside: string) => `select(vec4<${to.type}>(), ${value(name)}, ${isInside})`,
  };
};
type FourText = ReturnType<typeof fourOf>;

/** Lines about the addresses of a four of rows from `first` on: one, or four where it is read one by one. */
const rowsFrom = ({ ofRow, limit }: Loading, { isQuad }: FourText, name: string, first: string): string[] =>
  isQuad
    ? [`let ${name}_0 = ${ofRow(`min(${first}, ${limit} - 4u)`)};`]
    : upTo(4).map((i) => `let ${name}_${i} = ${ofRow(`min(${first} + ${i}u, ${limit} - 1u)`)};`);

const loadsAlong = (it: Loading, { isQuad, declared, loaded, stored }: FourText): Loads => {
  const { name, depth, lanes, origin, limit, end, to } = it;
  const fours = depth / 4;
  const shares = upTo(sharesOf(it));
  const line = (t: number) => `(${name}_line + ${(t * lanes) / fours}u)`;
  return {
    before: [
      `let ${name}_line = lane / ${fours}u;`,
      `let ${name}_four = lane % ${fours}u;`,
      ...shares.flatMap((t) => [
        `let ${name}_slot${t} = ${to.slot(line(t), `${name}_four`)};`,
        `let ${name}_from${t} = ${it.ofRow(`min(${origin} + ${line(t)}, ${limit} - 1u)`)};`,
        declared(`${name}_held${t}`),
      ]),
    ],
    load: (block) => [
      `let ${name}_k = ${block} + ${name}_four * 4u;`,
      ...(isQuad
        ? [`let ${name}_k0 = ${it.ofInner(`min(${name}_k, ${end} - 4u)`)};`]
        : upTo(4).map((i) => `let ${name}_k${i} = ${it.ofInner(`min(${name}_k + ${i}u, ${end} - 1u)`)};`)),
      ...shares.map((t) => `${name}_held${t} = ${loaded((i) => `${name}_from${t} + ${name}_k${i}`)};`),
    ],
    store: (block) => {
      const k = `${block} + ${name}_four * 4u`;
      return [
        `let ${name}_in = ${isQuad ? `${k} < ${end}` : `${k} + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(${end})`};`,
        ...shares.map((t) => `${to.array}[${name}_slot${t}] = ${stored(`${name}_held${t}`, `${name}_in`)};`),
      ];
    },
  };
};

const loadsAcross = (it: Loading, text: FourText): Loads => {
  const { name, rows, lanes, origin, end, to } = it;
  const fours = rows / 4;
  const shares = upTo(sharesOf(it));
  const line = (t: number) => `(${name}_line + ${(t * lanes) / fours}u)`;
  return {
    before: [
      `let ${name}_line = lane / ${fours}u;`,
      `let ${name}_four = lane % ${fours}u;`,
      ...rowsFrom(it, text, `${name}_from`, `${origin} + ${name}_four * 4u`),
      ...shares.flatMap((t) => [
        `let ${name}_slot${t} = ${to.slot(line(t), `${name}_four`)};`,
        text.declared(`${name}_held${t}`),
      ]),
    ],
    load: (block) =>
      shares.flatMap((t) => [
        `let ${name}_k${t} = ${it.ofInner(`min(${block} + ${line(t)}, ${end} - 1u)`)};`,
        `${name}_held${t} = ${text.loaded((i) => `${name}_from_${i} + ${name}_k${t}`)};`,
      ]),
    store: (block) =>
      shares.map((t) => {
        const inside = `${block} + ${line(t)} < ${end}`;
        return `${to.array}[${name}_slot${t}] = ${text.stored(`${name}_held${t}`, inside)};`;
      }),
  };
};

/** Squares of four rows by four inner elements: loaded by fours of rows, stored by fours of the inner axis. */
const loadsTurned = (it: Loading, text: FourText): Loads => {
  const { name, depth, lanes, origin, end, to } = it;
  const fours = depth / 4;
  const squares = upTo(sharesOf(it) / 4);
  const four = upTo(4);
  const row = (t: number) => `((${name}_line + ${(t * lanes) / fours}u) * 4u)`;
  const k = (block: string, i: number) => `${block} + ${name}_four * 4u + ${i}u`;
  return {
    before: [
      `let ${name}_line = lane / ${fours}u;`,
      `let ${name}_four = lane % ${fours}u;`,
      ...squares.flatMap((t) => [
        ...rowsFrom(it, text, `${name}_from${t}`, `${origin} + ${row(t)}`),
        ...four.map((i) => text.declared(`${name}_held${t}_${i}`)),
      ]),
    ],
    load: (block) => [
      ...four.map((i) => `let ${name}_k${i} = ${it.ofInner(`min(${k(block, i)}, ${end} - 1u)`)};`),
      ...squares.flatMap((t) =>
        four.map((i) => `${name}_held${t}_${i} = ${text.loaded((j) => `${name}_from${t}_${j} + ${name}_k${i}`)};`),
      ),
    ],
    store: (block) =>
      squares.flatMap((t) => [
        ...four.map(
          (i) => `let ${name}_in${t}_${i} = ${text.stored(`${name}_held${t}_${i}`, `${k(block, i)} < ${end}`)};`,
        ),
        ...four.map((r) => {
          const turned = four.map((i) => `${name}_in${t}_${i}.${"xyzw"[r]}`);
          return `${to.array}[${to.slot(`(${row(t)} + ${r}u)`, `${name}_four`)}] = vec4<${to.type}>(${turned.join(", ")});`;
        }),
      ]),
  };
};

/**
 * Blocks of the inner axis from `begin` to `end`, `depth` long: while `lines` work on one in workgroup memory, the next is on its
 * way to registers. Both see `block` and `next`; `after` comes when all have worked.
 */
export const overBlocks = (
  sides: readonly Loads[],
  depth: number,
  lines: readonly string[],
  after: readonly string[] = [],
): string[] => [
  "{",
  indent(sides.flatMap(({ load }) => load("begin"))),
  "}",
  `for (var block = begin; block < end; block += ${depth}u) {`,
  indent(sides.flatMap(({ store }) => store("block"))),
  "  workgroupBarrier();",
  `  let next = block + ${depth}u;`,
  indent(sides.flatMap(({ load }) => load("next"))),
  ...lines,
  "  workgroupBarrier();",
  ...after,
  "}",
];
