/** Sums of products by Einstein's convention. */
import { checked, expects } from "../core/expects.js";
import { matmul, permute, reshape, ShapeError, sizeOf, sum, type Tensor, typeOf } from "../core/index.js";
import { diagonal } from "./create.js";

/** A tensor with a name for each axis. */
interface Named {
  readonly x: Tensor;
  readonly names: readonly string[];
}

/** "ij", "j...i" → names of axes; those that "..." stands for count from the right. */
const namesOf = (text: string, rank: number, spec: string): string[] => {
  const [before, after = "", ...more] = text.split("...");
  const letters = `${before}${after}`;
  if (more.length > 0 || !/^[a-zA-Z]*$/.test(letters))
    throw new ShapeError(`"${text}" of "${spec}" is no list of letters, with "..." once at most`);
  const free = rank - letters.length;
  if (free < 0 || (free > 0 && !text.includes("...")))
    throw new ShapeError(`"${text}" of "${spec}" names ${letters.length} axes of a tensor that has ${rank}`);
  return [...before, ...Array.from({ length: free }, (_, i) => `.${free - i}`), ...after];
};

/** Axes of one name become one: their diagonal. */
const withoutRepeats = ({ x, names }: Named): Named => {
  const second = names.findIndex((name, i) => names.indexOf(name) < i);
  if (second < 0) return { x, names };
  const first = names.indexOf(names[second]);
  const rest = names.filter((_, i) => i !== first && i !== second);
  return withoutRepeats({ x: diagonal(x, 0, first, second), names: [...rest, names[second]] });
};

const sumOut = ({ x, names }: Named, kept: ReadonlySet<string>): Named => {
  const dropped = names.flatMap((name, i) => (kept.has(name) ? [] : [i]));
  return { x: dropped.length === 0 ? x : sum(x, dropped), names: names.filter((name) => kept.has(name)) };
};

/** Two factors as one, by one product of matrices: batch axes are in both and in `kept`, inner ones in both alone. */
const contract = (a: Named, b: Named, kept: ReadonlySet<string>): Named => {
  const ofA = sumOut(a, new Set([...kept, ...b.names]));
  const ofB = sumOut(b, new Set([...kept, ...a.names]));
  const shared = ofA.names.filter((name) => ofB.names.includes(name));
  const [batch, inside] = [shared.filter((name) => kept.has(name)), shared.filter((name) => !kept.has(name))];
  const [left, right] = [ofA, ofB].map(({ names }) => names.filter((name) => !shared.includes(name)));
  const size = (name: string): number =>
    ofA.names.includes(name) ? ofA.x.shape[ofA.names.indexOf(name)] : ofB.x.shape[ofB.names.indexOf(name)];
  const sizes = (names: readonly string[]) => names.map(size);
  const matrix = ({ x, names }: Named, rows: readonly string[], columns: readonly string[]): Tensor => {
    const order = permute(
      x,
      [...batch, ...rows, ...columns].map((name) => names.indexOf(name)),
    );
    return reshape(order, [...sizes(batch), sizeOf(sizes(rows)), sizeOf(sizes(columns))]);
  };
  const y = matmul(matrix(ofA, left, inside), matrix(ofB, inside, right));
  return { x: reshape(y, sizes([...batch, ...left, ...right])), names: [...batch, ...left, ...right] };
};

/**
 * Sums of products by Einstein's convention: letters name axes, and what the result does not name is summed. Operands f32; "..."
 * stands for leading axes; a letter twice in one operand is its diagonal. Without "->" the result has the letters that come once,
 * in order. Factors are multiplied from left to right, each pair as a product of matrices.
 * Errors: ShapeError for a spec that does not fit the operands. "ij,jk->ik": [I, J], [J, K] → [I, K].
 * @example einsum("ij,jk->ik", tensor([[1, 2]]), tensor([[3], [4]])) // [[11]]
 */
export const einsum = checked("einsum", "text tensor", (spec: string, ...operands: Tensor[]): Tensor => {
  expects("einsum", "text tensors", spec, operands);
  const [inputs, output, ...more] = spec.replaceAll(/\s/g, "").split("->");
  const texts = inputs.split(",");
  if (more.length > 0 || texts.length !== operands.length)
    throw new ShapeError(`"${spec}" is of ${texts.length} operands, and ${operands.length} are given`);
  const given = operands.map((x, i): Named => ({ x, names: namesOf(texts[i], x.shape.length, spec) }));
  const sizes = new Map<string, number>();
  for (const { x, names } of given)
    names.forEach((name, i) => {
      const [known, n] = [sizes.get(name) ?? x.shape[i], x.shape[i]];
      if (known !== n) throw new ShapeError(`"${name}" of "${spec}" has ${known} elements, and ${n} in ${typeOf(x)}`);
      sizes.set(name, n);
    });
  const all = given.flatMap(({ names }) => names);
  const dots = [...sizes.keys()].filter((name) => name.startsWith(".")).sort((a, b) => +b.slice(1) - +a.slice(1));
  const once = [...sizes.keys()].filter((name) => !name.startsWith(".") && all.filter((n) => n === name).length === 1);
  const wanted =
    output === undefined
      ? [...dots, ...once.sort()]
      : namesOf(output, output.replace("...", "").length + (output.includes("...") ? dots.length : 0), spec);
  const unknown = wanted.find((name, i) => !sizes.has(name) || wanted.indexOf(name) < i);
  if (unknown !== undefined)
    throw new ShapeError(`"${unknown}" of the result of "${spec}" comes twice, or in no operand`);
  const factors = given.map(withoutRepeats);
  const [first, ...rest] = factors;
  const product = rest.reduce((y, factor, i) => {
    const later = rest.slice(i + 1).flatMap(({ names }) => names);
    return contract(y, factor, new Set([...wanted, ...later]));
  }, first);
  const { x, names } = sumOut(product, new Set(wanted));
  return permute(
    x,
    wanted.map((name) => names.indexOf(name)),
  );
});
