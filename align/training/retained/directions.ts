import { compile, type Device, dispose, read, square, sum, treeMap } from "../../../core/index.js";
import type { Params } from "../../../models/parameters.js";

/** How many directions a space has, and how many its matrix has in all. */
export interface Directions {
  readonly name: string;
  readonly left: number;
  readonly of: number;
}

/**
 * How many directions spaces leave to step in (`nullSpaces`), fewest first by their share: the trace of each projection P, which is
 * the sum of its squares, since P² = P = Pᵀ; whole numbers but for eigenvalues at the threshold, and rounded.
 */
export const directionsIn = async (spaces: Params, device: Device): Promise<readonly Directions[]> => {
  const traces = compile((all: Params) => treeMap((P) => sum(square(P)), all), device, { name: "directions" });
  const found = traces(spaces);
  try {
    const all = Object.entries(found).map(async ([name, trace]) => {
      const [left] = await read(trace);
      return { name, left: Math.round(left), of: spaces[name].shape[0] };
    });
    return (await Promise.all(all)).sort((a, b) => a.left / a.of - b.left / b.of);
  } finally {
    dispose(found);
    for (const program of traces.programs()) program.free();
  }
};
