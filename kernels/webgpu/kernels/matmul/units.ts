import type { MatrixShape } from "../../adapter/features.js";
import type { Lowering } from "../lowering.js";

/** Subgroup matrices of one shape, f16 × f16 → f32, and how many invocations a subgroup has. */
export interface Units {
  readonly shape: MatrixShape;
  readonly lanes: number;
  /** Must kernels say how large a subgroup is? */
  readonly varies: boolean;
}

/** The matrix units that products of f16 operands run on: the largest shape of them; undefined where there are none. */
export const unitsOf = ({
  features,
  subgroup,
  leastSubgroup,
}: Pick<Lowering, "features" | "subgroup" | "leastSubgroup">): Units | undefined => {
  const lanes = subgroup ?? (features.sizedSubgroups ? leastSubgroup : undefined);
  const shapes = features.matrices.filter((it) => it.componentType === "f16" && it.resultType === "f32");
  if (lanes === undefined || shapes.length === 0 || !features.f16) return undefined;
  const shape = shapes.reduce((best, one) => (one.m * one.n * one.k > best.m * best.n * best.k ? one : best));
  return { shape, lanes, varies: subgroup === undefined };
};
