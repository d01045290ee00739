import { exchange, gathered, others } from "../../align/training/workers/workers.js";
import { InputError } from "../../core/errors.js";
import { joinWorld } from "./join.js";
import { mpiLibrary, versionOf } from "./library.js";

/** What there is of MPI, and between the ranks that were started what it carries. */
export interface MpiReport {
  /** What the library calls itself, and the file; undefined where none can be used. */
  readonly version?: string;
  /** Why none can be used, and what mends it. */
  readonly missing?: string;
  readonly ranks?: number;
  readonly hosts?: number;
  /** Microseconds until every rank has heard of all others. */
  readonly latency_us?: number;
  /** Bytes a second that a rank sends to the next one while it takes as many. */
  readonly bytes_per_second?: number;
}

const [ROUNDS, TRIES, BYTES] = [200, 4, 2 ** 25];

/** The best of some times of a piece of work, in milliseconds. */
const best = async (tries: number, work: () => Promise<unknown>): Promise<number> => {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries; i++) {
    const began = performance.now();
    await work();
    least = Math.min(least, performance.now() - began);
  }
  return least;
};

/** Looks for MPI; where several ranks were started, all of them call it, and messages are timed. Never throws for lack of it. */
export const mpiReport = async (): Promise<MpiReport> => {
  try {
    const world = await joinWorld();
    if (world === undefined) {
      const loaded = await mpiLibrary({ by: "" }, "none can be used");
      return { version: `${versionOf(loaded)} (${loaded.file})` };
    }
    const { workers, mpi, hosts } = world;
    const [next] = others(workers);
    const before = others(workers).at(-1) as number;
    const [out, into] = [new Uint8Array(BYTES), new Uint8Array(BYTES)];
    const round = () => gathered(workers, "a greeting", [1]);
    const carry = () =>
      exchange(workers, "bytes to be timed", [{ peer: next, bytes: out }], [{ peer: before, bytes: into }]);
    const rounds = await best(TRIES, async () => {
      for (let i = 0; i < ROUNDS; i++) await round();
    });
    const carried = await best(TRIES, carry);
    return {
      version: mpi.version,
      ...{ ranks: workers.size, hosts: new Set(hosts).size },
      latency_us: (1000 * rounds) / ROUNDS,
      bytes_per_second: (1000 * BYTES) / carried,
    };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { missing: error.message };
  }
};
