import { type Comparison, compared, type Grounds } from "./comparison.js";

/** So many rows in each split. */
export interface Counts {
  readonly validation: number;
  readonly test: number;
}

/** What a comparison is told with, beside what it rests on. */
export interface About {
  /** The package's, part of every job's id. */
  readonly version: string;
  /** What would be trained: sft, dpo or kto; and the file's content. */
  readonly train: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Rows that each task has in the splits, and pairs. */
  readonly asked: { readonly tasks: Readonly<Record<string, Counts>>; readonly pairs?: Counts };
  /** The exact settings of every job, by its id; parents stand by their id. */
  readonly jobs: Readonly<Record<string, unknown>>;
}

/** results.json: all that the report shows, and all that it was made from. A function of the settings alone. */
export interface ComparisonDocument extends Omit<Grounds, "at">, About, Comparison {}

/** Works out the document. */
export const comparisonDocument = ({ at, ...grounds }: Grounds, about: About): ComparisonDocument => ({
  ...{ version: about.version, train: about.train, settings: about.settings },
  ...compared({ ...grounds, at }),
  ...grounds,
  ...{ asked: about.asked, jobs: about.jobs },
});
