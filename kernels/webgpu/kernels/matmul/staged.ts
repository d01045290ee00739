import type { Access, Quads } from "../../wgsl/module.js";
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
  readonly quads: Quads | undefined;
  /** Which rows an invocation computes: `each` of them, its place `lane` among `spread` such. */
  readonly lane: string;
  readonly spread: number;
  readonly each: number;
}

/** Lines of a kernel. Rows past the edge repeat the last one, and are not stored; what is past the inner end is 0. */
export interface Staged {
  /** Before the loop over blocks of the inner axis. */
  readonly before: readonly string[];
  /** Loads this invocation's share of the block that begins at `block` into registers, and nothing more: that would wait for it. */
  readonly load: (block: string) => readonly string[];
  /** Puts the block so loaded into workgroup memory. */
  readonly store: (block: string) => readonly string[];
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

/** Text of four numbers as they are loaded, from addresses one by one, and of what is stored of them. */
const fourOf = ({ quads, load }: Staging) => ({
  loaded: (at: (i: number) => string) => quads?.raw(at(0)) ?? `vec4<f32>(${upTo(4).map((i) => load(at(i)))})`,
  declared: (name: string) => `var ${name} = ${quads?.type ?? "vec4<f32>"}();`,
  stored: (name: string, isInside: string) => `select(vec4<f32>(), ${quads?.value(name) ?? name}, ${isInside})`,
});

const stagedAlong = (it: Staging): Staged => {
  const { name, depth, lanes, begin, origin, limit, end, lane, spread, each } = it;
  const fours = depth / 4;
  const shares = sharesOf(it);
  const { loaded, declared, stored } = fourOf(it);
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
      ...shares.map((t) => declared(`${name}_held${t}`)),
    ],
    load: (block) => [
      `let ${name}_k = ${block} + ${name}_inner;`,
      ...(it.quads === undefined
        ? upTo(4).map((i) => `let ${name}_k${i} = ${it.ofInner(`min(${name}_k + ${i}u, ${end} - 1u)`)};`)
        : [`let ${name}_k0 = ${it.ofInner(`min(${name}_k, ${end} - 4u)`)};`]),
      ...shares.map((t) => `${name}_held${t} = ${loaded((i) => `${name}_from${t} + ${name}_k${i}`)};`),
    ],
    store: (block) => {
      const inside =
        it.quads === undefined
          ? `${block} + ${name}_inner + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(${end})`
          : `${block} + ${name}_inner < ${end}`;
      return [
        `let ${name}_in = ${inside};`,
        ...shares.map((t) => `tile[${name}_slot${t}] = ${stored(`${name}_held${t}`, `${name}_in`)};`),
      ];
    },
    read: upTo(each).map((i) => `let ${name}${i} = tile[${name}_at + ${i * spread * fours}u + (s ^ ${turnOf(i)})];`),
    number: (row, inner) => `${name}${row}.${LETTERS[inner]}`,
    rowOf: (at, i) => `${at} + ${spread}u * (${i})`,
  };
};

const stagedAcross = (it: Staging): Staged => {
  const { name, rows, lanes, begin, origin, limit, end, lane, spread, each } = it;
  const fours = rows / 4;
  const shares = sharesOf(it);
  const { loaded, declared, stored } = fourOf(it);
  const stepOf = lanes / fours;
  const first = `${origin} + lane % ${fours}u * 4u`;
  return {
    before: [
      `let ${name}_inner = lane / ${fours}u;`,
      ...(it.quads === undefined
        ? upTo(4).map((i) => `let ${name}_from${i} = ${it.ofRow(`min(${first} + ${i}u, ${limit} - 1u)`)};`)
        : [`let ${name}_from0 = ${it.ofRow(`min(${first}, ${limit} - 4u)`)};`]),
      `let ${name}_at = ${plus(`${begin}u`, lane)};`,
      ...shares.map((t) => declared(`${name}_held${t}`)),
    ],
    load: (block) =>
      shares.flatMap((t) => [
        `let ${name}_k${t} = ${it.ofInner(`min(${block} + ${name}_inner + ${t * stepOf}u, ${end} - 1u)`)};`,
        `${name}_held${t} = ${loaded((i) => `${name}_from${i} + ${name}_k${t}`)};`,
      ]),
    store: (block) =>
      shares.map((t) => {
        const inside = `${block} + ${name}_inner + ${t * stepOf}u < ${end}`;
        return `tile[${begin + t * lanes}u + lane] = ${stored(`${name}_held${t}`, inside)};`;
      }),
    read: upTo(each / 4).flatMap((q) =>
      upTo(4).map((k) => `let ${name}${q}_${k} = tile[${name}_at + (4u * s + ${k}u) * ${fours}u + ${q * spread}u];`),
    ),
    number: (row, inner) => `${name}${row >> 2}_${inner}.${LETTERS[row & 3]}`,
    rowOf: (at, i) => `4u * (${at} + ${spread}u * ((${i}) / 4u)) + (${i}) % 4u`,
  };
};
