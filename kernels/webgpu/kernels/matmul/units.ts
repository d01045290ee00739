import type { MatrixShape } from "../../adapter/features.js";
import type { Lowering } from "../lowering.js";
import { matrixTiles } from "./matrix-tiles.js";

/** Subgroup matrices of one shape, f16 × f16 → f32, and how many invocations a subgroup has. */
export interface Units {
  readonly shape: MatrixShape;
  readonly lanes: number;
  /** Must kernels say how large a subgroup is? */
  readonly varies: boolean;
}

/** What the choice depends on of an adapter. */
export type UnitsOf = Pick<Lowering, "features" | "subgroup" | "leastSubgroup" | "limits">;

/**
 * The matrix units that products of f16 operands run on: the largest shape of those that tiles can be made of; undefined where there
 * are none.
 */
export const unitsOf = ({ features, subgroup, leastSubgroup, limits }: UnitsOf): Units | undefined => {
  const lanes = subgroup ?? (features.sizedSubgroups ? leastSubgroup : undefined);
  if (lanes === undefined || !features.f16) return undefined;
  const shapes = features.matrices.filter(
    (shape) =>
      shape.componentType === "f16" && shape.resultType === "f32" && matrixTiles({ shape, lanes }, limits).length > 0,
  );
  if (shapes.length === 0) return undefined;
  const shape = shapes.reduce((best, one) => (one.m * one.n * one.k > best.m * best.n * best.k ? one : best));
  return { shape, lanes, varies: subgroup === undefined };
};
