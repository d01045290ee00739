import { sizeOf, type Tensor } from "../../core/index.js";
import { type Access, isWhole } from "./access/access.js";
import { isContiguous } from "./access/strided.js";
import type { Lowered } from "./lower.js";
import type { Owned } from "./memory/reuse.js";
import type { MapStep, MatmulStep } from "./steps.js";

/** The map as an epilogue of the product that lies in `product`, or undefined if it cannot be one. */
const attached = (
  matmul: MatmulStep<Access>,
  map: MapStep<Access>,
  product: Tensor,
  maxBuffers: number,
): MatmulStep<Access> | undefined => {
  const [out] = map.outputs;
  const own = map.inputs.flatMap((input, i) => (input.base === product ? [i] : []));
  const others = map.inputs.filter(({ base }) => base !== product);
  const buffers = new Set([matmul.a, matmul.b, out.view, ...others].map(({ base }) => base));
  const fits =
    map.outputs.length === 1 &&
    out.dtype === "f32" &&
    isContiguous(out.view.view) &&
    own.every((i) => isWhole(map.inputs[i])) &&
    buffers.size <= maxBuffers;
  if (!fits) return undefined;
  let next = 1;
  const place = map.inputs.map(({ base }) => (base === product ? 0 : next++));
  const body = map.body.map((x) => (x.op === "load" ? { ...x, input: place[x.input] } : x));
  // The product's shape, over the memory of what becomes of it.
  const output = { base: out.view.base, view: { ...matmul.output.view, offset: out.view.view.offset } };
  return { ...matmul, output, epilogue: { shape: map.shape, inputs: others, body, value: out.value } };
};

/**
 * Lets maps run inside the product that they alone read: one launch less, and the product is never in memory. A map of two
 * products joins the later one. The step has the product's place in the order, since what the product reads waits for it: only if
 * it may write over a donated input that others read has it the map's, so that it may come last. Nor does a product wait for
 * what comes later, if what it reads is larger than itself.
 */
export const attachEpilogues = (
  steps: readonly Lowered[],
  { isTemporary, donated }: Owned,
  maxBuffers: number,
): Lowered[] => {
  const readers = new Map<Tensor, Lowered[]>();
  const products = new Map<Tensor, Lowered>();
  const written = new Map<Tensor, number>(); // place of the last writer
  for (const lowered of steps) {
    for (const base of new Set(lowered.reads)) readers.set(base, [...(readers.get(base) ?? []), lowered]);
    for (const base of lowered.writes) written.set(base, Math.max(lowered.key, written.get(base) ?? -1));
    if (lowered.step.kind === "matmul" && isWhole(lowered.step.output)) products.set(lowered.step.output.base, lowered);
  }
  const waitsTooMuch = (matmul: Lowered, others: readonly Tensor[], product: Tensor): boolean => {
    const held = new Set(matmul.reads.filter(isTemporary));
    const bytes = [...held].reduce((n, base) => n + sizeOf(base.shape), 0);
    return bytes > sizeOf(product.shape) && others.some((base) => (written.get(base) ?? -1) > matmul.key);
  };
  const gone = new Set<Lowered>();
  const joined = new Map<Lowered, Lowered>();
  for (const lowered of steps) {
    const { step } = lowered;
    if (step.kind !== "map") continue;
    const candidates = [...new Set(lowered.reads)].filter(
      (base) => products.has(base) && readers.get(base)?.length === 1 && isTemporary(base),
    );
    for (const product of candidates.sort((x, y) => y.id - x.id)) {
      const matmul = products.get(product) as Lowered;
      const others = lowered.reads.filter((base) => base !== product);
      if (waitsTooMuch(matmul, others, product)) continue;
      const made = attached(matmul.step as MatmulStep<Access>, step, product, maxBuffers);
      if (made === undefined) continue;
      const isAll = made.output.view.offset === 0 && isWhole(made.output); // a part of something is never written in place
      const mayComeLast = isAll && others.some((base) => donated.has(base) && (readers.get(base)?.length ?? 0) > 1);
      gone.add(matmul);
      joined.set(lowered, {
        step: made,
        reads: [...matmul.reads, ...others],
        writes: lowered.writes,
        key: mayComeLast ? lowered.key : matmul.key,
        isOver: lowered.isOver,
      });
      break;
    }
  }
  return steps.flatMap((lowered) => (gone.has(lowered) ? [] : [joined.get(lowered) ?? lowered]));
};
