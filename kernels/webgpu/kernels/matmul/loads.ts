import type { Side } from "./text.js";

/** How the invocations of a workgroup bring blocks of one operand into workgroup memory, four numbers at a time. */
export interface Loading extends Side {
  /** A block: rows of a (or columns of b) by elements of the inner axis. */
  readonly rows: number;
  readonly depth: number;
  /** Invocations of the workgroup. */
  readonly lanes: number;
  /** End of the inner axis, as text. */
  readonly end: string;
  /** Workgroup memory: an array of vec4 of this type, and where in it a four lies, from its line (row, or inner index) and place. */
  readonly to: {
    readonly array: string;
    readonly type: "f32" | "f16";
    readonly slot: (line: string, four: string) => string;
  };
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

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** How many fours each invocation loads; a fraction if the workgroup does not fit the block. */
export const sharesOf = ({ rows, depth, lanes }: Pick<Loading, "rows" | "depth" | "lanes">): number =>
  (rows * depth) / 4 / lanes;

export const loads = (it: Loading): Loads => {
  const { name, along, rows, depth, lanes, origin, limit, end, to } = it;
  const quads = it.quads?.();
  const fours = (along ? depth : rows) / 4;
  const stepOf = lanes / fours;
  const shares = upTo(sharesOf(it));
  const [line, four] = [`${name}_line`, `${name}_four`];
  const held = (t: number) => `${name}_held${t}`;
  const loaded = (at: (i: number) => string) => quads?.raw(at(0)) ?? `vec4<f32>(${upTo(4).map((i) => it.load(at(i)))})`;
  const value = (raw: string) => {
    if (quads !== undefined && to.type === "f16" && it.dtype === "f16") return `bitcast<vec4<f16>>(${raw})`;
    const number = quads?.value(raw) ?? raw;
    return to.type === "f16" ? `vec4<f16>(${number})` : number;
  };
  const put = (t: number, isInside: string) =>
    `${to.array}[${name}_slot${t}] = select(vec4<${to.type}>(), ${value(held(t))}, ${isInside});`;
  const common = [
    `let ${line} = lane / ${fours}u;`,
    `let ${four} = lane % ${fours}u;`,
    ...shares.map((t) => `let ${name}_slot${t} = ${to.slot(`(${line} + ${t * stepOf}u)`, four)};`),
    ...shares.map((t) => `var ${held(t)} = ${quads?.type ?? "vec4<f32>"}();`),
  ];
  if (along)
    return {
      before: [
        ...common,
        ...shares.map((t) => {
          const row = `min(${origin} + ${line} + ${t * stepOf}u, ${limit} - 1u)`;
          return `let ${name}_from${t} = ${it.ofRow(row)};`;
        }),
      ],
      load: (block) => [
        `let ${name}_k = ${block} + ${four} * 4u;`,
        ...(quads === undefined
          ? upTo(4).map((i) => `let ${name}_k${i} = ${it.ofInner(`min(${name}_k + ${i}u, ${end} - 1u)`)};`)
          : [`let ${name}_k0 = ${it.ofInner(`min(${name}_k, ${end} - 4u)`)};`]),
        ...shares.map((t) => `${held(t)} = ${loaded((i) => `${name}_from${t} + ${name}_k${i}`)};`),
      ],
      store: (block) => {
        const k = `${block} + ${four} * 4u`;
        const inside = quads === undefined ? `${k} + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(${end})` : `${k} < ${end}`;
        return [`let ${name}_in = ${inside};`, ...shares.map((t) => put(t, `${name}_in`))];
      },
    };
  const first = `${origin} + ${four} * 4u`;
  return {
    before: [
      ...common,
      ...(quads === undefined
        ? upTo(4).map((i) => `let ${name}_from${i} = ${it.ofRow(`min(${first} + ${i}u, ${limit} - 1u)`)};`)
        : [`let ${name}_from0 = ${it.ofRow(`min(${first}, ${limit} - 4u)`)};`]),
    ],
    load: (block) =>
      shares.flatMap((t) => [
        `let ${name}_k${t} = ${it.ofInner(`min(${block} + ${line} + ${t * stepOf}u, ${end} - 1u)`)};`,
        `${held(t)} = ${loaded((i) => `${name}_from${i} + ${name}_k${t}`)};`,
      ]),
    store: (block) => shares.map((t) => put(t, `${block} + ${line} + ${t * stepOf}u < ${end}`)),
  };
};
