import type { Access } from "../../wgsl/module.js";
import { plus } from "../../wgsl/walk.js";

/** What workgroup memory holds of one operand: `rows` of a (or columns of b) by `depth` of the inner axis, in fours. */
export interface Staging {
  /** Prefix of all names. */
  readonly name: string;
  /** Do fours of numbers lie along the inner axis, [rows][depth / 4], as they do in the operand? Else [depth][rows / 4]. */
  readonly along: boolean;
  readonly rows: number;
  readonly depth: number;
  /** Invocations of the workgroup. */
  readonly lanes: number;
  /** Where in workgroup memory it begins, in fours. */
  readonly begin: number;
  /** First row, rows in all, and end of the inner axis, as text. */
  readonly origin: string;
  readonly limit: string;
  readonly end: string;
  /** Address of an element, in two parts to be added: from its row, and from its inner index. */
  readonly ofRow: (row: string) => string;
  readonly ofInner: (index: string) => string;
  /** Reads one number, or, if they are aligned and never cut, four. */
  readonly load: Access["load"];
  readonly quad: Access["load"] | undefined;
  /** Which rows an invocation computes: `each` of them, its place `lane` among `spread` such. */
  readonly lane: string;
  readonly spread: number;
  readonly each: number;
}

/** Lines of a kernel. Rows past the edge repeat the last one, and are not stored; what is past the inner end is 0. */
export interface Staged {
  /** Before the loop over blocks of the inner axis. */
  readonly before: readonly string[];
  /** Loads this invocation's share of the block that begins at `block` into registers. */
  readonly load: (block: string) => readonly string[];
  readonly store: readonly string[];
  /** Reads what the invocation needs of inner elements 4s … 4s + 3. */
  readonly read: readonly string[];
  /** Text of one number so read: its row (of `each`), its inner element (of four). */
  readonly number: (row: number, inner: number) => string;
  /** Row of the tile of the invocation's row i, as text: of `lane` and i. */
  readonly rowOf: (lane: string, i: string) => string;
}

const LETTERS = "xyzw";
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

export const staged = (it: Staging): Staged => (it.along ? stagedAlong(it) : stagedAcross(it));

/** How many fours each invocation loads. */
const sharesOf = ({ rows, depth, lanes }: Staging): number[] => upTo((rows * depth) / 4 / lanes);

const stagedAlong = (it: Staging): Staged => {
  const { name, depth, lanes, begin, origin, limit, end, lane, spread, each } = it;
  const fours = depth / 4;
  const shares = sharesOf(it);
  // Fours of a row change places with its number, so that neighbouring rows lie in other banks.
  const turned = (row: string) => `((${row} >> 1u) % ${fours}u)`;
  const turns = spread % (2 * fours) === 0 ? upTo(1) : upTo(each);
  const turnOf = (i: number) => `${name}_turn${turns.length === 1 ? 0 : i}`;
  const stepOf = lanes / fours;
  return {
    before: [
      `let ${name}_row = lane / ${fours}u;`,
      `let ${name}_inner = lane % ${fours}u * 4u;`,
      ...shares.map(
        (t) => `let ${name}_from${t} = ${it.ofRow(`min(${origin} + ${name}_row + ${t * stepOf}u, ${limit} - 1u)`)};`,
      ),
      ...shares.map((t) => {
        const row = `(${name}_row + ${t * stepOf}u)`;
        return `let ${name}_slot${t} = ${begin}u + ${row} * ${fours}u + ((lane % ${fours}u) ^ ${turned(row)});`;
      }),
      `let ${name}_at = ${begin}u + ${lane} * ${fours}u;`,
      ...turns.map((i) => `let ${name}_turn${i} = ${turned(`(${lane} + ${i * spread}u)`)};`),
      ...shares.map((t) => `var ${name}_held${t} = vec4<f32>();`),
    ],
    load: (block) => [
      `let ${name}_k = ${block} + ${name}_inner;`,
      ...(it.quad === undefined
        ? [
            ...upTo(4).map((i) => `let ${name}_k${i} = ${it.ofInner(`min(${name}_k + ${i}u, ${end} - 1u)`)};`),
            `let ${name}_in = ${name}_k + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(${end});`,
          ]
        : [
            `let ${name}_k0 = ${it.ofInner(`min(${name}_k, ${end} - 4u)`)};`,
            `let ${name}_in = vec4<bool>(${name}_k < ${end});`,
          ]),
      ...shares.map((t) => {
        const at = (i: number) => `${name}_from${t} + ${name}_k${i}`;
        const value = it.quad?.(at(0)) ?? `vec4<f32>(${upTo(4).map((i) => it.load(at(i)))})`;
        return `${name}_held${t} = select(vec4<f32>(), ${value}, ${name}_in);`;
      }),
    ],
    store: shares.map((t) => `tile[${name}_slot${t}] = ${name}_held${t};`),
    read: upTo(each).map((i) => `let ${name}${i} = tile[${name}_at + ${i * spread * fours}u + (s ^ ${turnOf(i)})];`),
    number: (row, inner) => `${name}${row}.${LETTERS[inner]}`,
    rowOf: (at, i) => `${at} + ${spread}u * (${i})`,
  };
};

const stagedAcross = (it: Staging): Staged => {
  const { name, rows, lanes, begin, origin, limit, end, lane, spread, each } = it;
  const fours = rows / 4;
  const shares = sharesOf(it);
  const stepOf = lanes / fours;
  const first = `${origin} + lane % ${fours}u * 4u`;
  return {
    before: [
      `let ${name}_inner = lane / ${fours}u;`,
      ...(it.quad === undefined
        ? upTo(4).map((i) => `let ${name}_from${i} = ${it.ofRow(`min(${first} + ${i}u, ${limit} - 1u)`)};`)
        : [`let ${name}_from0 = ${it.ofRow(`min(${first}, ${limit} - 4u)`)};`]),
      `let ${name}_at = ${plus(`${begin}u`, lane)};`,
      ...shares.map((t) => `var ${name}_held${t} = vec4<f32>();`),
    ],
    load: (block) =>
      shares.flatMap((t) => {
        const [k, at] = [`${name}_k${t}`, (i: number) => `${name}_from${i} + ${name}_to${t}`];
        const value = it.quad?.(at(0)) ?? `vec4<f32>(${upTo(4).map((i) => it.load(at(i)))})`;
        return [
          `let ${k} = ${block} + ${name}_inner + ${t * stepOf}u;`,
          `let ${name}_to${t} = ${it.ofInner(`min(${k}, ${end} - 1u)`)};`,
          `${name}_held${t} = select(vec4<f32>(), ${value}, ${k} < ${end});`,
        ];
      }),
    store: shares.map((t) => `tile[${begin + t * lanes}u + lane] = ${name}_held${t};`),
    read: upTo(each / 4).flatMap((q) =>
      upTo(4).map((k) => `let ${name}${q}_${k} = tile[${name}_at + (4u * s + ${k}u) * ${fours}u + ${q * spread}u];`),
    ),
    number: (row, inner) => `${name}${row >> 2}_${inner}.${LETTERS[row & 3]}`,
    rowOf: (at, i) => `4u * (${at} + ${spread}u * ((${i}) / 4u)) + (${i}) % 4u`,
  };
};
