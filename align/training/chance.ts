import { foldIn, foldInName, type Tensor } from "../../core/index.js";

/** What decides all that is random in a batch: the optimizer's key u32 [2], its updates so far i32 [], the batch's number in the step i32 []. */
export type Chance = { readonly key: Tensor; readonly step: Tensor; readonly batch: Tensor };

/** A batch's own key, u32 [2]: a function of (seed, step, number of the batch in the step) alone. */
export const dropoutKey = ({ key, step, batch }: Chance): Tensor =>
  foldIn(foldIn(foldInName(key, "dropout"), step), batch);
