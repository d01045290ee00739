import type { StepRecord } from "../align/training/train.js";
import type { LoggedRecord } from "../align/training/writer.js";
import type { EvaluationRecord } from "./running/observer.js";

/** How a run ended. Its model, checkpoints and files are in `output_dir`: `loadModel(output_dir)` is what was trained. */
export interface RunResult {
  readonly output_dir: string;
  /** Steps that are done, those before it was resumed among them. */
  readonly step: number;
  /** Steps that there were to be. */
  readonly steps: number;
  /** Was it asked to stop, by `signal`, before the last one? Then there is a checkpoint, and no model beside it. */
  readonly stopped: boolean;
  /** The newest checkpoint that it wrote, from which it can be resumed. */
  readonly checkpoint?: string;
  /** Metrics of the last logged step: loss, grad_norm, learning_rate, epoch, rewards/…; undefined where none was taken. */
  readonly metrics?: StepRecord;
  /** Metrics of the last evaluation, eval_…. */
  readonly evaluation?: EvaluationRecord;
  /** The best evaluation, where `load_best_model_at_end` or `save_strategy: "best"` look for it, and its checkpoint. */
  readonly best?: { readonly step: number; readonly value: number; readonly checkpoint?: string };
  /** All that was logged, as metrics.jsonl has it. */
  readonly records: readonly LoggedRecord[];
  /** The most bytes of the device's memory that were in use at a time. */
  readonly peakBytes: number;
}
