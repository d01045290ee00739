import { createHash } from "node:crypto";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadTree, saveTree } from "../../align/training/state-file.js";
import { InputError, type Tree } from "../../core/index.js";
import { isObject, readJsonObject } from "../../models/files/json.js";
import { readRegular } from "../../models/files/regular.js";
import { isUnfinished, writeTextAtomically } from "../../models/files/writing/atomic.js";
import { Interrupted } from "./blame.js";
import type { Board } from "./claims.js";
import type { Graph, Store } from "./graph.js";

/**
 * Results by content: ID.json holds a job's settings and outcome, ID.safetensors what later jobs need. The JSON comes last,
 * so a job with one is done, and both are written whole or not at all. The JSON holds digests of the weights and of itself:
 * what does not match them is not used.
 */
export interface Cache<J, O> extends Store<J> {
  /** Errors, as of `tensors`: InputError for a job that the cache has not. */
  readonly outcome: (job: J) => O;
  readonly tensors: <T extends Tree>(job: J, like: T) => T;
  readonly put: (job: J, outcome: O, tensors: Tree | undefined) => Promise<void>;
}

/** JSON knows no NaN; a diverged run's numbers become null, and null becomes NaN again. */
const revived = (value: unknown): unknown => {
  if (value === null) return Number.NaN;
  if (Array.isArray(value)) return value.map(revived);
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, revived(part)])) : value;
};

/** Far more than any weights of the lab. */
const LARGEST = 2 ** 28;

const sha256 = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex");

/** What ID.json holds, but for its digest. */
interface Result {
  readonly job: unknown;
  readonly outcome: unknown;
  /** A digest of ID.safetensors, where there is one. */
  readonly weights: string | null;
}

/** Something is wrong with what a job left. */
class Damage extends Error {}

/** The results of a graph's jobs in a folder. */
export const openCache = <J, O extends object>(folder: string, { idOf, settingsOf }: Graph<J>): Cache<J, O> => {
  const file = (job: J, ending: string) => join(folder, `${idOf(job)}.${ending}`);
  const known = new Map<string, O>();

  /** Of a result and of the name that it goes by: one job's is not another's. */
  const digestOf = (job: J, { job: settings, outcome, weights }: Result): string =>
    sha256(`${idOf(job)} ${JSON.stringify([settings, outcome, weights])}`);

  /** What a job found; undefined if it is not done. Errors: Damage. */
  const found = (job: J): O | undefined => {
    const before = known.get(idOf(job));
    if (before !== undefined) return before;
    const path = file(job, "json");
    if (!existsSync(path)) return undefined;
    let result: Result;
    try {
      const { digest, ...content } = readJsonObject(path);
      result = content as unknown as Result;
      if (digest !== digestOf(job, result) || !isObject(result.outcome))
        throw new InputError(`${path} is not as the lab wrote it`);
    } catch (error) {
      // JSON.parse is iterative, JSON.stringify is not: what is nested too deeply is a RangeError.
      throw new Damage(error instanceof InputError ? error.message : `${path} is not as the lab wrote it`);
    }
    const { weights, outcome } = result;
    if (weights !== null) checkWeights(file(job, "safetensors"), weights);
    known.set(idOf(job), revived(outcome) as O);
    return known.get(idOf(job));
  };

  const checkWeights = (path: string, digest: string): void => {
    let bytes: Uint8Array;
    try {
      bytes = readRegular(path, LARGEST);
    } catch (error) {
      throw error instanceof InputError ? new Damage(error.message) : error;
    }
    if (sha256(bytes) !== digest) throw new Damage(`${path} is not as the lab wrote it`);
  };

  const damage = (job: J): string | undefined => {
    try {
      found(job);
      return undefined;
    } catch (error) {
      if (error instanceof Damage) return error.message;
      throw error;
    }
  };

  const needed = (job: J): O => {
    const wrong = damage(job);
    const outcome = wrong === undefined ? found(job) : undefined;
    if (outcome !== undefined) return outcome;
    throw new Interrupted(
      `${wrong ?? `${file(job, "json")}: is gone`}; start the lab again, and it computes that again`,
    );
  };

  return {
    has: (job) => damage(job) === undefined && found(job) !== undefined,
    damage,
    outcome: needed,
    ids: () => new Set(readdirSync(folder).flatMap((name) => (name.endsWith(".json") ? [ownerOf(name)] : []))),
    tidy: (job) => {
      for (const name of readdirSync(folder))
        if (isUnfinished(name) && ownerOf(name) === idOf(job)) rmSync(join(folder, name), { force: true });
    },
    tensors: (job, like) => {
      needed(job);
      return loadTree(file(job, "safetensors"), like);
    },
    put: async (job, outcome, tensors) => {
      const path = file(job, "safetensors");
      if (tensors !== undefined) await saveTree(path, tensors);
      const weights = tensors === undefined ? null : sha256(readRegular(path, LARGEST));
      // As JSON knows it: of what is read back the digest is taken again.
      const result = JSON.parse(JSON.stringify({ job: settingsOf(job), outcome, weights })) as Result;
      known.delete(idOf(job));
      writeTextAtomically(file(job, "json"), `${JSON.stringify({ ...result, digest: digestOf(job, result) })}\n`);
    },
  };
};

/** What half-written files belong to. */
const ownerOf = (name: string): string => name.slice(0, name.indexOf("."));

/** Clears away what killed processes left half-written, but not what somebody writes now, of whom the claims tell. */
export const tidyCache = (folder: string, claims: Board): void => {
  // Names first: who writes under one has claimed the job before, and is seen then.
  const names = existsSync(folder) ? readdirSync(folder).filter(isUnfinished) : [];
  if (names.length === 0) return;
  const seen = claims.look();
  for (const name of names) if (seen.get(ownerOf(name))?.state !== "held") rmSync(join(folder, name), { force: true });
};
