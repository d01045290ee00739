/** What each loss is computed by, and its rows as batches. */
import type { RowOf } from "../../align/data/kinds.js";
import { ktoSource } from "../../align/data/kto-source.js";
import type { BatchSource, Rows, SourceOptions } from "../../align/data/rows.js";
import { pairSource } from "../../align/data/source.js";
import { ktoObjective } from "../../align/objectives/kto.js";
import { type Objective, type PreferenceOptions, preferenceObjective } from "../../align/objectives/objective.js";
import type { ModelConfig } from "../../models/index.js";
import { fullRows } from "../../run/fit/rows.js";
import type { LOSSES, LossName } from "./losses.js";

/** How rows of a kind are cut into batches. */
type BatchOptions = SourceOptions & { readonly maxLength: number };
type TaughtKind = (typeof LOSSES)[LossName]["kind"];

interface Course<T> {
  readonly source: (rows: Rows<T>, options: BatchOptions) => BatchSource;
  /** Rows of so many tokens each. */
  readonly full: (count: number, length: number) => Rows<T>;
  /** Rows that a batch has at least. */
  readonly least: number;
}

export const COURSES: { readonly [N in TaughtKind]: Course<RowOf<N>> } = {
  pairs: { source: (rows, { maxLength: _, ...options }) => pairSource(rows, options), full: fullRows.dpo, least: 1 },
  labelled: { source: ktoSource, full: fullRows.kto, least: 2 },
};

type ObjectiveOptions = Omit<PreferenceOptions, "lossType">;

export const objectiveOf = (loss: LossName, config: ModelConfig, options: ObjectiveOptions): Objective =>
  loss === "kto" ? ktoObjective(config, options) : preferenceObjective(config, { ...options, lossType: loss });
