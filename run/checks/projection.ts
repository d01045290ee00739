import { InputError } from "../../core/index.js";
import type { Params } from "../../models/index.js";
import { projectedAt } from "../../optim/low-rank/low-rank.js";
import type { TrainingValues } from "../options/takes.js";

/** Errors: InputError for a rank that leaves every matrix that is trained whole. */
export const checkProjection = ({ projection_rank: rank }: TrainingValues, trained: Params): void => {
  if (rank === undefined) return;
  const shapes = Object.values(trained).map(({ shape }) => shape);
  if (shapes.some((shape) => projectedAt(shape, rank) !== undefined)) return;
  const most = Math.max(...shapes.map((shape) => (shape.length === 2 ? Math.min(...shape) : 0)));
  throw new InputError(
    `projection_rank is ${rank}, and the shorter side of every matrix that is trained is ${most} or less: nothing would be projected; lower it, or leave it out`,
  );
};
