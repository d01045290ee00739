import { expects } from "../../../core/expects.js";
import { InputError, sameShape, sub, treeMap } from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";

/**
 * refDelta τ = θ_reference − θ_base, parameter by parameter, as a graph.
 * Errors: InputError naming the first tensor that one of them lacks, or that differs in shape.
 */
export const referenceDelta = (reference: Params, base: Params): Params => {
  expects("referenceDelta", "record record", reference, base);
  const names = Object.keys(reference);
  const lonely = [
    ...names.filter((name) => !Object.hasOwn(base, name)),
    ...Object.keys(base).filter((name) => !Object.hasOwn(reference, name)),
  ];
  if (lonely.length > 0) {
    const [who, other] = Object.hasOwn(base, lonely[0]) ? ["base", "reference"] : ["reference", "base"];
    throw new InputError(
      `tensor "${lonely[0]}" is in the ${who} model but not in the ${other} model; they must be one architecture`,
    );
  }
  return treeMap((t, name) => {
    const b = base[name];
    if (!sameShape(t.shape, b.shape))
      throw new InputError(
        `tensor "${name}" is [${t.shape}] in the reference model and [${b.shape}] in the base model; they must be one architecture`,
      );
    return sub(t, b);
  }, reference);
};
