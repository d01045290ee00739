import type { Instruction } from "../../plan/steps.js";

/** What compilers shorten as if there were no NaN, no infinity and no 0: x − x, (x + y) − x, x · (1 / x), x · y + x · z. */
const SHORTENED: ReadonlySet<string> = new Set(["add", "sub", "mul", "div"]);

const isLeaf = (it: Instruction): boolean => !("args" in it);

/**
 * Which operand a compiler must not see through: only where both are made of some common value is there anything to
 * shorten. Asked for each instruction of the body in order; gives the operand's place, or undefined. From there on that
 * operand counts as a value of its own. A leaf's square is as it should be whatever is known of it.
 */
export const relations = (body: readonly Instruction[]): ((position: number) => 0 | 1 | undefined) => {
  let marks = 0;
  const mark = () => 1n << BigInt(marks++);
  /** Marks of the leaves, and of the hidden values, that each value is visibly made of. */
  const made: bigint[] = [];
  const hidden = new Map<number, bigint>();
  return (position) => {
    const it = body[position];
    if (!("args" in it)) {
      made.push(mark());
      return undefined;
    }
    const seen = it.args.map((arg) => made[arg]);
    const [x, y] = it.args;
    const isSquare = it.op === "mul" && x === y && isLeaf(body[x]);
    const isRelated = it.dtype === "f32" && SHORTENED.has(it.op) && !isSquare && (seen[0] & seen[1]) !== 0n;
    // The hidden value is another leaf: it must not be in the other operand already.
    const hides = (side: 0 | 1): boolean =>
      (x === y || !isLeaf(body[it.args[side]])) && (seen[1 - side] & (hidden.get(it.args[side]) ?? 0n)) === 0n;
    const side = !isRelated ? undefined : hides(1) ? 1 : 0;
    if (side !== undefined) {
      const own = hidden.get(it.args[side]) ?? mark();
      hidden.set(it.args[side], own);
      seen[side] = own;
    }
    made.push(seen.reduce((all, one) => all | one, 0n));
    return side;
  };
};
