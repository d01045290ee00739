import { upTo } from "../../wgsl/walk.js";

/** What workgroup memory, `tile`, holds of one f32 operand: fours along its rows, [rows][depth / 4], or across, [depth][rows / 4]. */
interface Staged {
  readonly name: string;
  readonly along: boolean;
  readonly rows: number;
  readonly depth: number;
  /** Where in workgroup memory it begins, in fours. */
  readonly begin: number;
  /** Which rows an invocation computes: `each` of them, its place `lane` among `spread` such. */
  readonly lane: string;
  readonly spread: number;
  readonly each: number;
}

/** How an invocation reads its rows. */
export interface Reads {
  /** Where a four lies, from its line (row, or inner index) and its place in that. */
  readonly slot: (line: string, four: string) => string;
  /** Before the loop over blocks of the inner axis. */
  readonly before: readonly string[];
  /** Reads what the invocation needs of inner elements 4s … 4s + 3. */
  readonly read: readonly string[];
  /** Text of one number so read: its row (of `each`), its inner element (of four). */
  readonly number: (row: number, inner: number) => string;
  /** Row of the tile of the invocation's row i, as text: of `lane` and i. */
  readonly rowOf: (lane: string, i: string) => string;
}

const LETTERS = "xyzw";

export const readsOf = (it: Staged): Reads => (it.along ? readsAlong(it) : readsAcross(it));

const readsAlong = ({ name, depth, begin, lane, spread, each }: Staged): Reads => {
  const fours = depth / 4;
  // Fours of a row change places with its number, so that neighbouring rows lie in other banks.
  const turned = (row: string) => `((${row} >> 1u) % ${fours}u)`;
  const turns = spread % (2 * fours) === 0 ? 1 : each;
  const turnOf = (i: number) => `${name}_turn${turns === 1 ? 0 : i}`;
  return {
    slot: (row, four) => `${begin}u + ${row} * ${fours}u + (${four} ^ ${turned(row)})`,
    before: [
      `let ${name}_at = ${begin}u + ${lane} * ${fours}u;`,
      ...upTo(turns).map((i) => `let ${name}_turn${i} = ${turned(`(${lane} + ${i * spread}u)`)};`),
    ],
    read: upTo(each).map((i) => `let ${name}${i} = tile[${name}_at + ${i * spread * fours}u + (s ^ ${turnOf(i)})];`),
    number: (row, inner) => `${name}${row}.${LETTERS[inner]}`,
    rowOf: (at, i) => `${at} + ${spread}u * (${i})`,
  };
};

const readsAcross = ({ name, rows, begin, lane, spread, each }: Staged): Reads => {
  const fours = rows / 4;
  return {
    slot: (inner, four) => `${begin}u + ${inner} * ${fours}u + ${four}`,
    before: [`let ${name}_at = ${begin}u + ${lane};`],
    read: upTo(each / 4).flatMap((q) =>
      upTo(4).map((k) => `let ${name}${q}_${k} = tile[${name}_at + (4u * s + ${k}u) * ${fours}u + ${q * spread}u];`),
    ),
    number: (row, inner) => `${name}${row >> 2}_${inner}.${LETTERS[row & 3]}`,
    rowOf: (at, i) => `4u * (${at} + ${spread}u * ((${i}) / 4u)) + (${i}) % 4u`,
  };
};
