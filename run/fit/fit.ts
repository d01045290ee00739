import { DeviceError, type Planner, ShapeError } from "../../core/index.js";
import { type Model, type ModelConfig, weightDtypeOf } from "../../models/index.js";
import { type Rehearsed, rehearse, type Watch } from "../dry-run/rehearsal.js";
import { shapeParams } from "../dry-run/shape-model.js";
import type { TrainingValues } from "../options/takes.js";
import { retainedRows } from "../parts/retained.js";
import type { Parts, Recipe } from "../recipe.js";
import type { MemoryValues } from "./remedies.js";
import { fullRows } from "./rows.js";

/** What a run would take on a device: its plan, or why there can be none. */
export type Fit = { readonly rehearsed: Rehearsed } | { readonly refused: string };

/** A model of which there is but a configuration. */
const configModel = (config: ModelConfig): Model => {
  const stored = weightDtypeOf(config.dtype);
  const dtype = stored === "F32" ? "f32" : stored === "F16" ? "f16" : "bf16";
  return { config, params: shapeParams(config, () => dtype), layout: { kind: "single", names: [] }, dtype: stored };
};

/** How many layers keep one input together where memory is short: as many as there are inputs then. */
export const layersTogether = ({ layers }: ModelConfig): number => Math.max(1, Math.round(Math.sqrt(layers)));

/**
 * Plans a run on rows as long as they may be, as its trainer would: start, reference pass, a step of two batches where
 * batches are gathered. What the trainer chooses by memory is chosen for the least; `together`:
 * how many layers may keep one input together for it.
 */
export const planRun = async <V extends TrainingValues, T>(
  recipe: Recipe<V, T>,
  values: V & Pick<MemoryValues, "ranks">,
  config: ModelConfig,
  rowsOf: (count: number, length: number) => Parts<V, T>["rows"],
  planner: Planner,
  watch?: Watch,
  together = layersTogether(config),
): Promise<Fit> => {
  const { per_device_train_batch_size: batchSize, gradient_accumulation_steps: batches } = values;
  const rows = rowsOf(batchSize * Math.min(2, batches), values.max_length);
  const retained = (values.retain_dataset ?? []).map(() =>
    fullRows.sft(Math.min(2 * batchSize, retainedRows(values)), values.max_length),
  );
  const source = { padId: 0, batchSize, shuffle: false, bucket: 8 };
  const settings = { values, config, rows, evalRows: undefined, training: source, evaluation: source, retained };
  const leanest = {
    checkpoint: values.gradient_checkpointing === false ? 0 : config.layers,
    // Several ranks ask the reference model as batches come.
    precompute: (values.ranks ?? 1) === 1 && recipe.precompute !== undefined && recipe.precompute !== false,
  };
  try {
    const load = () => configModel(config);
    const attempt = (together: number) =>
      rehearse({ recipe, settings, load, ranks: values.ranks }, { ...leanest, together }, planner, watch);
    const plain = await attempt(1);
    if (leanest.checkpoint === 0 || together === 1) return { rehearsed: plain };
    const deeper = await attempt(together);
    return { rehearsed: deeper.peak < plain.peak ? deeper : plain };
  } catch (error) {
    // Tensors of 2³¹ elements and more are refused by their shape.
    if (!(error instanceof DeviceError || error instanceof ShapeError)) throw error;
    return { refused: error.message.split("\n")[0] };
  }
};
