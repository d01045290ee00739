import { treeOf } from "../../align/training/state-file.js";
import { type Device, key } from "../../core/index.js";
import { config, freshParams } from "../../lab/world/model.js";
import { baseStage, runOptions, sftStage } from "../../lab/world/stages.js";
import { memoryFile } from "../../models/folders/memory.js";
import { inTurn } from "../../models/folders/work.js";
import { initParams, type Params } from "../../models/index.js";
import type { Point } from "./messages.js";
import { type Course, SEED } from "./settings.js";

/** Training from nothing to a model that answers: two runs, one after the other. */
export const COURSE_RUNS = ["base", "sft"] as const;
export type CourseRun = (typeof COURSE_RUNS)[number];

/** The options of a run of the course, from its weights on. */
export const courseOptions = (name: CourseRun, course: Course, from: Params) => {
  const stage =
    name === "base"
      ? (batch: number) => baseStage(SEED, from, course.base, batch)
      : (batch: number) => sftStage(SEED, from, course.sft, batch);
  return (batch: number) => ({
    ...runOptions(stage(batch), course[name]),
    loggingSteps: course.every[name],
  });
};

export const freshWeights = (device: Device): Params => freshParams(SEED, device);

/** The course's exams, as the page's builder held them. */
export interface Trained {
  readonly points: Readonly<Record<CourseRun, readonly Point[]>>;
  readonly answers: Readonly<Record<CourseRun, readonly string[]>>;
}

const fetched = async (address: URL): Promise<Response> => {
  const response = await fetch(address).catch(() => {
    throw new Error(`${address.href} cannot be read: the page's host does not answer`);
  });
  if (!response.ok) throw new Error(`${address.href} cannot be read: it answered ${response.status}`);
  return response;
};

/** The weights of both runs, one file beside the exams. */
export const WEIGHTS_FILE = "weights.safetensors";
/** Where the exams lie. */
export const EXAMS_FILE = "course.json";

/** The weights that the page came with, and how they came about. */
export const loadTrained = async (
  start: string,
  device: Device,
): Promise<Trained & { readonly weights: Readonly<Record<CourseRun, Params>> }> => {
  const folder = new URL(start, location.href);
  const [exams, weights] = await Promise.all([EXAMS_FILE, WEIGHTS_FILE].map((name) => fetched(new URL(name, folder))));
  const like = initParams(config, key(SEED));
  const file = memoryFile(weights.url, new Uint8Array(await weights.arrayBuffer()));
  const trained = (await exams.json()) as Trained;
  return { ...trained, weights: await inTurn(treeOf(file, { base: like, sft: like }, device)) };
};
