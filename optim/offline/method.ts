/** What sets one offline merge apart from another. */
interface MethodTraits {
  /** Default of `normalize`. */
  readonly normalize: boolean;
  /** How δ = θ − base are merged; without it, the θ themselves are. */
  readonly deltas?: {
    /** Elements of the minority's sign drop. */
    readonly vote: boolean;
    /** F of δ: a random part, or the largest by magnitude; all of it if undefined. `rescale` is a default. */
    readonly sparse?: { readonly keeps: "random" | "largest"; readonly rescale: boolean };
  };
  /** Two models are mixed along a circle; straight where the sine of their angle is at most `parallel`. */
  readonly circle?: { readonly parallel: number };
}

/** The offline merges, by mergekit's names. */
export type MergeMethod = "linear" | "task_arithmetic" | "ties" | "dare_linear" | "dare_ties" | "slerp" | "nuslerp";

/** Their traits, with mergekit's defaults. */
export const MERGE_METHODS: Readonly<Record<MergeMethod, MethodTraits>> = {
  linear: { normalize: true },
  task_arithmetic: { normalize: false, deltas: { vote: false } },
  ties: { normalize: true, deltas: { vote: true, sparse: { keeps: "largest", rescale: false } } },
  dare_linear: { normalize: false, deltas: { vote: false, sparse: { keeps: "random", rescale: true } } },
  dare_ties: { normalize: false, deltas: { vote: true, sparse: { keeps: "random", rescale: true } } },
  // |cos Ω| > 0.9995 is straight.
  slerp: { normalize: false, circle: { parallel: Math.sqrt(1 - 0.9995 ** 2) } },
  // mergekit's 1e-8 lets vectors that are opposite but for rounding through, to numbers without meaning.
  nuslerp: { normalize: false, circle: { parallel: 1e-6 } },
};
