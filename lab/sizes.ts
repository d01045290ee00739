import type { ExamSetting, Loss } from "./jobs/job.js";
import type { MethodName } from "./methods.js";
import { ALIGNMENT, type AlignSetting, WORLDS, type World } from "./world/settings.js";

/** Points of the analyses; what a list leaves out is not run. */
export interface Analyses {
  /** The world they are run in, and the one learning rate. */
  readonly world: string;
  readonly learningRate: number;
  readonly reserveRates: readonly number[];
  readonly alphas: readonly number[];
  readonly gaps: readonly number[];
  /** Steps between meetings of workers. */
  readonly meetGaps: readonly number[];
  readonly klBetas: readonly number[];
  /** Table 2: other losses, and the learning rates they are run at. */
  readonly losses: readonly Loss[];
  readonly lossRates: readonly number[];
}

/** How large a lab is. */
export interface Size {
  readonly name: string;
  readonly worlds: Readonly<Record<string, World>>;
  readonly seeds: readonly number[];
  /** The shared grid, ascending. */
  readonly rates: readonly number[];
  readonly methods: readonly MethodName[] | "all";
  /** c of the controls θ_r + cτ. */
  readonly drifts: readonly number[];
  readonly alignment: AlignSetting;
  readonly exam: ExamSetting;
  readonly analyses: Analyses;
}

const full: Size = {
  name: "full",
  worlds: WORLDS,
  seeds: [0, 1, 2],
  rates: [3e-5, 5e-5, 7e-5, 1.5e-4, 3e-4],
  methods: "all",
  drifts: [-0.3, 0.1, 0.3, 0.6, 1],
  alignment: ALIGNMENT,
  exam: { perKind: 96, heldOut: 256 },
  analyses: {
    world: "light",
    learningRate: 7e-5,
    reserveRates: [1, 0.3, 0.1, 0.01, 1e-3, 3e-4],
    alphas: [1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1],
    gaps: [1, 10, 100],
    meetGaps: [1, 10, 100],
    klBetas: [0.03, 0.1, 0.3, 1],
    losses: ["ipo", "kto"],
    lossRates: [3e-5, 7e-5, 1.5e-4],
  },
};

const NO_ANALYSES: Size["analyses"] = {
  world: "light",
  learningRate: 1e-4,
  reserveRates: [],
  alphas: [],
  gaps: [],
  meetGaps: [],
  klBetas: [],
  losses: [],
  lossRates: [],
};

/** One small world, three rates, one variant of each method: what three minutes are enough for. */
const quick: Size = {
  name: "quick",
  worlds: {
    light: {
      base: { steps: 700, batch: 40, learningRate: 4e-3, warmup: 150, instructed: 0.03 },
      sft: { steps: 120, batch: 48, learningRate: 6e-4, warmup: 10 },
    },
  },
  seeds: [0, 1, 2],
  rates: [2e-5, 4e-5, 1e-4],
  methods: [
    ...(["adamw", "kl", "ema_pullback", "childtuning_f", "linear", "ties"] as const),
    ...(["ondare_official", "onties_official", "ondare_zero"] as const),
  ],
  drifts: [0.3],
  alignment: { ...ALIGNMENT, batch: 8 },
  exam: { perKind: 24, heldOut: 64 },
  // What is sure after three seeds even in this world.
  analyses: { ...NO_ANALYSES, reserveRates: [0.01] },
};

/** Everything in miniature: it shows that the lab runs here, and its numbers mean nothing. */
const smoke: Size = {
  name: "smoke",
  worlds: {
    light: {
      base: { steps: 4, batch: 8, learningRate: 4e-3, warmup: 1, instructed: 0.03 },
      sft: { steps: 4, batch: 8, learningRate: 4e-4, warmup: 1 },
    },
  },
  seeds: [0],
  rates: [1e-4],
  methods: ["adamw", "linear", "ondare_official"],
  drifts: [],
  alignment: { pairs: 16, steps: 2, batch: 4, warmup: 1 },
  exam: { perKind: 2, heldOut: 8 },
  analyses: NO_ANALYSES,
};

export const SIZES = { full, quick, smoke } as const;
