import { texts } from "../../align/training/workers/workers.js";
import { InputError } from "../../core/errors.js";
import { type Launch, launchedBy } from "./launch.js";
import { type Mpi, mpiLibrary, startMpi } from "./library.js";
import { type Known, type MpiWorkers, mpiWorkers } from "./messages.js";

/** The ranks that this process was started with, and where each is. */
export interface World {
  readonly workers: MpiWorkers;
  readonly mpi: Mpi;
  /** Host of each rank. */
  readonly hosts: readonly string[];
  /** Each as errors name it. */
  readonly names: readonly string[];
  /** This rank's place among those of its host, and how many these are. */
  readonly local: { readonly rank: number; readonly size: number };
  /** Seconds after which a rank that is not heard of has failed, from now on. */
  readonly wait: (timeout: number) => void;
}

/** Seconds that ranks may be apart while they get to know each other. */
const GREETING = 300;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

const meet = async (launch: Launch): Promise<World> => {
  const why = `${launch.by} has started ${launch.ranks} ranks of this`;
  const mpi = startMpi(await mpiLibrary(launch, why));
  if (mpi.size !== launch.ranks)
    throw new InputError(
      `${why}, and ${mpi.version} sees ${mpi.size}: the library and the launcher do not belong together; name the launcher's library with TAUGRAD_MPI=/path/to/libmpi.so${launch.by === "srun" ? ", or try srun --mpi=pmix or --mpi=pmi2" : ""}`,
    );
  const known: Known = { timeout: GREETING, gone: () => undefined, name: (rank) => `rank ${rank}` };
  const workers = mpiWorkers(mpi, known);
  const said = await texts(workers, "a greeting", JSON.stringify({ host: mpi.host, pid: process.pid }));
  const places = said.map((text) => JSON.parse(text) as { host: string; pid: number });
  known.name = (rank) => `rank ${rank} (process ${places[rank].pid} on ${places[rank].host})`;
  const near = places.flatMap(({ host }, rank) => (host === mpi.host ? [rank] : []));
  known.gone = () => near.find((rank) => rank !== mpi.rank && !isAlive(places[rank].pid));
  process.once("exit", workers.end);
  return {
    ...{ workers, mpi, hosts: places.map(({ host }) => host), names: places.map((_, rank) => known.name(rank)) },
    local: { rank: near.indexOf(mpi.rank), size: near.length },
    wait: (timeout) => {
      known.timeout = timeout;
    },
  };
};

let world: Promise<World | undefined> | undefined;

/**
 * The ranks that a launcher has started beside this process; undefined where it is one alone. MPI starts with the first call, and ends with
 * the process. Errors: InputError where ranks were started, and cannot speak to each other.
 */
export const joinWorld = (): Promise<World | undefined> => {
  const launch = launchedBy(process.env);
  world ??= launch === undefined ? Promise.resolve(undefined) : meet(launch);
  return world;
};
