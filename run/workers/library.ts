import type { TypeObject } from "koffi";
import { InputError } from "../../core/errors.js";
import { type Abi, abiOf } from "./abi.js";
import type { Launch } from "./launch.js";

/** As much of MPI as messages take. Each returns MPI's code, 0. */
export interface Mpi {
  readonly abi: Abi;
  /** What the library calls itself, in one line. */
  readonly version: string;
  readonly rank: number;
  readonly size: number;
  readonly host: string;
  /** Starts a message and writes its request, at `at` among the requests. The bytes must stay where they are until it has ended. */
  readonly send: (bytes: Uint8Array, peer: number, tag: number, requests: Uint8Array, at: number) => void;
  readonly receive: (bytes: Uint8Array, peer: number, tag: number, requests: Uint8Array, at: number) => void;
  /** Have the first `count` requests all ended? */
  readonly allEnded: (requests: Uint8Array, count: number) => boolean;
  /** Has one? */
  readonly ended: (requests: Uint8Array, at: number) => boolean;
  readonly abort: (code: number) => void;
  readonly finalize: () => void;
}

/** Names of the library, the likeliest first. */
const FILES = {
  "Open MPI": ["libmpi.so.40", "libmpi.so"],
  MPICH: ["libmpich.so.12", "libmpi.so.12", "libmpich.so"],
  any: ["libmpi_abi.so.0", "libmpi.dylib"],
} as const;

const filesFor = ({ by }: Pick<Launch, "by">): readonly string[] =>
  by.includes("MPICH")
    ? [...FILES.any, ...FILES.MPICH, ...FILES["Open MPI"]]
    : [...FILES.any, ...FILES["Open MPI"], ...FILES.MPICH];

/** koffi, an optional peer, calls it. Errors: InputError that says how to get it. */
const koffiFor = async (why: string): Promise<typeof import("koffi")> => {
  try {
    return (await import("koffi")).default as unknown as typeof import("koffi");
  } catch {
    throw new InputError(`${why}: MPI takes one more package: npm install koffi`);
  }
};

/**
 * What UCX, which carries MPICH's messages and some of Open MPI's, must not do in a program of several threads that catches signals of
 * its own: it rewrites the code of malloc and munmap under running threads, which then crash now and then, and takes SIGSEGV, by which
 * WebAssembly finds its bounds. Read when the library is loaded.
 */
const QUIET = { UCX_MEM_EVENTS: "no", UCX_ERROR_SIGNALS: "" } as const;

/**
 * Loads the MPI library of this machine: TAUGRAD_MPI, or the first of its usual names that is there. Starts nothing.
 * Errors: InputError that says what to install.
 */
export const mpiLibrary = async (launch: Pick<Launch, "by">, why: string, env: NodeJS.ProcessEnv = process.env) => {
  const koffi = await koffiFor(why);
  for (const [variable, value] of Object.entries(QUIET)) env[variable] ??= value;
  const wanted = env.TAUGRAD_MPI;
  const files = wanted === undefined || wanted === "" ? filesFor(launch) : [wanted];
  for (const file of files)
    try {
      // Its own plugins look for its symbols.
      const library = koffi.load(file, { global: true });
      return { koffi, library, file, abi: abiOf(library, file) };
    } catch {}
  throw new InputError(
    `${why}: no MPI library is found (${files.join(", ")}): install Open MPI or MPICH, or name it with TAUGRAD_MPI=/path/to/libmpi.so`,
  );
};

type Loaded = Awaited<ReturnType<typeof mpiLibrary>>;

/** What the library calls itself; needs no start. */
export const versionOf = ({ koffi, library }: Pick<Loaded, "koffi" | "library">): string => {
  const text = new Uint8Array(new ArrayBuffer(8192));
  const length = [0];
  library.func("MPI_Get_library_version", "int", ["void *", koffi.out("int *")])(text, length);
  return new TextDecoder()
    .decode(text.subarray(0, length[0]))
    .split("\n")[0]
    .replaceAll("\0", "")
    .replace(/\s+/g, " ")
    .trim();
};

/** Starts MPI in this process, once: it cannot be started again. */
export const startMpi = ({ koffi, library, abi }: Loaded): Mpi => {
  const out = koffi.out("int *");
  const call = (name: string, ...args: readonly (string | typeof out)[]): ((...given: unknown[]) => void) => {
    const f = library.func(name, "int", [...args] as unknown as TypeObject[]);
    return (...given) => {
      const code: number = f(...given);
      if (code !== 0) throw new Error(`${name}: MPI says ${code}`);
    };
  };
  const { handle, world, byte, ignore, requestBytes } = abi;
  const number = (f: (...given: unknown[]) => void, ...given: unknown[]): number => {
    const place = [0];
    f(...given, place);
    return place[0];
  };
  call("MPI_Init", "void *", "void *")(null, null);
  const name = new Uint8Array(new ArrayBuffer(1024));
  const length = number(call("MPI_Get_processor_name", "void *", out), name);
  const message = ["void *", "int", handle, "int", "int", handle, "void *"] as const;
  const [isend, irecv] = ["MPI_Isend", "MPI_Irecv"].map((f) => call(f, ...message));
  const testAll = call("MPI_Testall", "int", "void *", out, "void *");
  const test = call("MPI_Test", "void *", out, "void *");
  const abort = call("MPI_Abort", handle, "int");
  const placeOf = (requests: Uint8Array, at: number): Uint8Array => requests.subarray(at * requestBytes);
  return {
    ...{ abi, version: versionOf({ koffi, library }), host: new TextDecoder().decode(name.subarray(0, length)) },
    rank: number(call("MPI_Comm_rank", handle, out), world),
    size: number(call("MPI_Comm_size", handle, out), world),
    send: (bytes, peer, tag, requests, at) =>
      isend(bytes, bytes.byteLength, byte, peer, tag, world, placeOf(requests, at)),
    receive: (bytes, peer, tag, requests, at) =>
      irecv(bytes, bytes.byteLength, byte, peer, tag, world, placeOf(requests, at)),
    allEnded: (requests, count) => {
      const flag = [0];
      testAll(count, requests, flag, ignore);
      return flag[0] !== 0;
    },
    ended: (requests, at) => {
      const flag = [0];
      test(placeOf(requests, at), flag, ignore);
      return flag[0] !== 0;
    },
    abort: (code) => abort(world, code),
    finalize: () => call("MPI_Finalize")(),
  };
};
