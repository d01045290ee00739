import type { OptimizerSettings } from "../align/training/rules/settings.js";
import { labGraph } from "./jobs/graph.js";
import type { BaseJob, Job, SftJob, Training } from "./jobs/job.js";
import {
  alignJob,
  METHOD_NAMES,
  METHODS,
  type MethodName,
  methodJob,
  OUTER,
  plainTraining,
  trainingOf,
  varied,
} from "./methods.js";
import type { Analyses, Size } from "./sizes.js";
import { withParents } from "./sweep/graph.js";

/** What a run belongs to. */
export type Section = "sft" | "methods" | "drift" | "p" | "alpha" | "gap" | "meet" | "beta" | "loss";

/** A job and what it stands for. */
export interface Run {
  readonly section: Section;
  readonly world: string;
  readonly seed: number;
  /** A method, or which line of an analysis. */
  readonly line: string;
  /** Place on the line: a learning rate, p, α, K, β or c. */
  readonly x: number;
  readonly job: Job;
}

/** The methods that a size has. */
export const methodsOf = ({ methods }: Size): readonly MethodName[] => (methods === "all" ? METHOD_NAMES : methods);

const sftJob = ({ worlds, alignment, exam }: Size, world: string, seed: number): SftJob => {
  const of: BaseJob = { kind: "base", seed, setting: worlds[world].base };
  return { kind: "sft", of, setting: worlds[world].sft, alignment, exam };
};

/** One point of an analysis. */
interface Point {
  readonly section: Section;
  readonly line: string;
  readonly x: number;
  readonly training: Training;
  readonly learningRate: number;
}

/** Workers that meet at every one of some numbers of steps, with the drift held; without outer momentum and with it. */
const meetings = (
  of: SftJob,
  { analyses: { learningRate, meetGaps }, methods }: Size,
): Pick<Run, "section" | "line" | "x" | "job">[] =>
  (["meet_mean", "meet_election"] as const)
    .filter((name) => methods === "all" || methods.includes(name))
    .flatMap((name) =>
      [{}, OUTER].flatMap((outer) =>
        meetGaps.map((gap) => {
          const { meet } = METHODS[name];
          const alpha = Math.min(1, ((meet.meeting.alpha ?? 0) * gap) / meet.gap);
          const meeting = { ...meet.meeting, ...outer, ...(gap === meet.gap ? {} : { alpha }) };
          const line = outer === OUTER ? `${name} momentum` : name;
          return { section: "meet", line, x: gap, job: { kind: "meet", of, learningRate, ...meet, gap, meeting } };
        }),
      ),
    );

/** Whom the analyses vary. */
export const ONLINE = ["ondare_official", "onties_official"] as const satisfies readonly MethodName[];

/** Whom β and the losses of Table 2 are tried on. */
export const COMPARED = ["adamw", ...ONLINE] as const satisfies readonly MethodName[];

/** Methods at one setting after the other; the learning rate may follow. */
const sweep = (
  names: readonly MethodName[],
  section: Section,
  line: string,
  values: readonly number[],
  setting: (x: number) => OptimizerSettings,
  learningRate: (x: number) => number,
): Point[] =>
  names.flatMap((name) =>
    values.map((x) => ({
      section,
      line: `${name} ${line}`.trim(),
      x,
      training: varied(trainingOf(name), setting(x)),
      learningRate: learningRate(x),
    })),
  );

/** A reserve rate at which few elements are kept, and OnDARE's line along α there. */
export const SMALL_P = 0.01;
export const smallLine = `ondare_official p ${SMALL_P}`;

/** A loss's line of Table 2. */
export const lossLine = (method: string, loss: string): string => `${method} ${loss}`;

const analysisPoints = ({ analyses, alignment, methods }: Size): Point[] => {
  const { learningRate: rate, reserveRates, alphas, gaps, klBetas }: Analyses = analyses;
  const fixed = () => rate;
  // K = 1 is no setting, so that the run is Table 1's.
  const every = (K: number) => (K === 1 ? {} : { onlineStep: K });
  const { alpha = 0, reserveP = 1 } = trainingOf("ondare_official").optimizer;
  const compared = COMPARED.filter((name) => methods === "all" || methods.includes(name));
  return [
    // OnDARE's 1/p makes up for what is dropped: α follows p, or else the drift A = Tα/p would grow to hundreds of τ.
    ...sweep(
      ["ondare_official"],
      "p",
      "A fixed",
      reserveRates,
      (p) => ({ reserveP: p, alpha: (alpha / reserveP) * p }),
      fixed,
    ),
    ...sweep(ONLINE, "p", "α fixed", reserveRates, (p) => ({ reserveP: p }), fixed),
    // OnTIES has no such factor, but its learning rate may grow.
    ...sweep(
      ["onties_official"],
      "p",
      "lr · p^−½",
      reserveRates,
      (p) => ({ reserveP: p }),
      (p) => rate / Math.sqrt(p),
    ),
    ...sweep(ONLINE, "alpha", "", alphas, (x) => ({ alpha: x }), fixed),
    ...sweep(["ondare_official"], "alpha", `p ${SMALL_P}`, alphas, (x) => ({ alpha: x, reserveP: SMALL_P }), fixed),
    ...sweep(ONLINE, "gap", "α fixed", gaps, every, fixed),
    ...sweep(ONLINE, "gap", "Tα/K fixed", gaps, (K) => ({ ...every(K), alpha: Math.min(1, alpha * K) }), fixed),
    ...compared.flatMap((name) =>
      klBetas.map((beta): Point => {
        const training = beta === plainTraining.beta ? trainingOf(name) : varied(trainingOf(name), {}, { beta });
        return { section: "beta", line: name, x: beta, training, learningRate: rate };
      }),
    ),
    ...analyses.losses.flatMap((loss) =>
      compared.flatMap((name) =>
        analyses.lossRates.map(
          (x): Point => ({
            ...{ section: "loss", line: lossLine(name, loss), x, learningRate: x },
            training: varied(trainingOf(name), {}, { loss }),
          }),
        ),
      ),
    ),
  ].filter(({ training }) => (training.optimizer.onlineStep ?? 1) <= alignment.steps);
};

/** Every run of a lab of this size. Runs of equal jobs are listed for each place that they have in the report. */
export const planRuns = (size: Size): Run[] => {
  const points = analysisPoints(size);
  return Object.keys(size.worlds).flatMap((world) =>
    size.seeds.flatMap((seed) => {
      const of = sftJob(size, world, seed);
      const at = { world, seed };
      return [
        { ...at, section: "sft", line: "sft", x: 0, job: of } satisfies Run,
        ...methodsOf(size).flatMap((line) =>
          size.rates.map((x): Run => ({ ...at, section: "methods", line, x, job: methodJob(of, line, x) })),
        ),
        ...size.drifts.map(
          (c): Run => ({ ...at, section: "drift", line: "drift", x: c, job: { kind: "drift", of, c } }),
        ),
        ...(world === size.analyses.world ? points : []).map(
          ({ section, line, x, training, learningRate }): Run => ({
            ...at,
            ...{ section, line, x, job: alignJob(of, training, learningRate) },
          }),
        ),
        ...(world === size.analyses.world ? meetings(of, size) : []).map((run): Run => ({ ...at, ...run })),
      ];
    }),
  );
};

/** The different jobs of some runs, with those that they build on, parents first. */
export const jobsOf = (runs: readonly Run[]): Job[] =>
  withParents(
    labGraph,
    runs.map(({ job }) => job),
  );
