import { type Claim, claimsOf } from "../analysis/claims.js";
import type { Interval } from "../analysis/interval.js";
import { type Forgetting, forgettingOf, type MovedRow, movedOf } from "../analysis/moved.js";
import { paired } from "../analysis/paths.js";
import { type Found, gather, linesOf, select } from "../analysis/results.js";
import { type RivalRow, rivalsOf } from "../analysis/rivals.js";
import {
  type LossRow,
  lossTableOf,
  placesAt,
  type Row,
  rowOf,
  STYLES,
  type TableRow,
  tableOf,
} from "../analysis/table.js";
import type { LabCache } from "../jobs/graph.js";
import { idOf, settingsOf, VERSION } from "../jobs/job.js";
import { METHODS, type Method } from "../methods.js";
import { jobsOf, methodsOf, planRuns } from "../plan.js";
import type { Size } from "../sizes.js";

/** A method's skill minus AdamW's at one style rate, seed by seed; undefined where a path does not cross it. */
export interface FrontierPoint {
  readonly method: string;
  readonly style: number;
  readonly minusAdamW: Interval | undefined;
}

/** What the runs of a world say. */
export interface WorldResults {
  /** The model before preference training. */
  readonly sft: Row;
  readonly relativeDelta: number;
  readonly table: readonly TableRow[];
  readonly frontiers: readonly FrontierPoint[];
  readonly rivals: readonly RivalRow[];
  readonly moved: readonly MovedRow[];
  readonly forgetting: Forgetting | undefined;
}

/** results.json: all that the report shows, and all that it was made from. A function of the settings alone. */
export interface Document {
  /** The lab's, part of every job's id. */
  readonly version: number;
  readonly size: Size;
  readonly methods: Readonly<Record<string, Method>>;
  readonly claims: readonly Claim[];
  readonly worlds: Readonly<Record<string, WorldResults>>;
  /** Table 2, in the world of the analyses. */
  readonly losses: readonly LossRow[];
  readonly runs: readonly Found[];
  /** The exact settings of every job, by its id; parents stand by their id. */
  readonly jobs: Readonly<Record<string, unknown>>;
}

const worldResults = (runs: readonly Found[], world: string): WorldResults => {
  const tuned = select(runs, { section: "sft", world });
  const reference = (style: number) => placesAt(runs, world, "adamw", style);
  return {
    sft: rowOf(tuned),
    relativeDelta: tuned.reduce((sum, { relativeDelta = 0 }) => sum + relativeDelta, 0) / tuned.length,
    table: tableOf(runs, world),
    rivals: rivalsOf(runs, world),
    moved: movedOf(runs, world),
    forgetting: forgettingOf(runs, world),
    frontiers: linesOf(select(runs, { section: "methods", world })).flatMap((method) =>
      STYLES.map((style) => ({
        method,
        style,
        minusAdamW: paired(placesAt(runs, world, method, style), reference(style)),
      })),
    ),
  };
};

/** Reads the outcomes of a finished lab and works out all that follows from them. */
export const documentOf = (size: Size, cache: LabCache): Document => {
  const planned = planRuns(size);
  const runs = gather(planned, cache.outcome);
  const worlds = Object.keys(size.worlds);
  return {
    version: VERSION,
    size,
    methods: Object.fromEntries(methodsOf(size).map((name) => [name, METHODS[name]])),
    claims: claimsOf(runs, size),
    worlds: Object.fromEntries(worlds.map((world) => [world, worldResults(runs, world)])),
    losses: lossTableOf(runs, size.analyses.world, size.analyses.losses),
    runs,
    jobs: Object.fromEntries(jobsOf(planned).map((job) => [idOf(job), settingsOf(job)])),
  };
};
