import type { OptionName } from "../option-table.js";

/** What every command takes that does a sweep. */
export const sweeping = [
  ...(["scheduler", "submit", "array", "sbatch", "image", "volume_claim", "memory"] as const),
  ...(["stage", "status", "retry"] as const),
] as const satisfies readonly OptionName[];

/** Their values. */
export interface SweepValues {
  readonly scheduler: "local" | "slurm" | "kubernetes";
  readonly submit: boolean;
  readonly array?: number;
  readonly sbatch?: readonly string[];
  readonly image?: string;
  readonly volume_claim?: string;
  readonly memory?: number;
  readonly stage?: number;
  readonly status: boolean;
  readonly retry: boolean;
  readonly dry_run: boolean;
  readonly processes?: number;
}
