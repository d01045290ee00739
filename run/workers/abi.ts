import type { LibraryHandle } from "koffi";

/** What of an MPI library's binary interface is its own. */
export interface Abi {
  readonly name: string;
  /** How handles are passed: by address, or as numbers. */
  readonly handle: "void *" | "int";
  /** Bytes of a request. */
  readonly requestBytes: 4 | 8;
  readonly world: unknown;
  readonly byte: unknown;
  /** MPI_STATUSES_IGNORE. */
  readonly ignore: unknown;
}

const has = (library: LibraryHandle, symbol: string): boolean => {
  try {
    library.symbol(symbol);
    return true;
  } catch {
    return false;
  }
};

/**
 * Which interface a library has: MPI-5's, whose handles are fixed numbers of a pointer's size; Open MPI's, whose handles are the
 * addresses of its variables; or MPICH's, which Intel's, Cray's and MVAPICH share, whose handles are integers.
 */
export const abiOf = (library: LibraryHandle, file: string): Abi => {
  if (/mpi_abi/.test(file)) {
    const fixed = { world: 0x101n, byte: 0x247n, ignore: null };
    return { name: "MPI-5 ABI", handle: "void *", requestBytes: 8, ...fixed };
  }
  if (has(library, "ompi_mpi_comm_world")) {
    const [world, byte] = ["ompi_mpi_comm_world", "ompi_mpi_byte"].map((symbol) => library.symbol(symbol));
    return { name: "Open MPI", handle: "void *", requestBytes: 8, world, byte, ignore: null };
  }
  return { name: "MPICH ABI", handle: "int", requestBytes: 4, world: 0x44000000, byte: 0x4c00010d, ignore: 1n };
};
