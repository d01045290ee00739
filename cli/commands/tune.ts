import { type Tuning, tuneWebgpu } from "../../kernels/index.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";

/** `taugrad tune`: which tiles of matrix products are fast on an adapter, found out ahead of the first training there. */
export const tuneCommand = async ({ adapter }: Values<"tune">, out: Output): Promise<void> => {
  const tuning = await tuneWebgpu({ adapter, notice: (line) => out.note(line) });
  out.result(tuning ?? {}, () => (tuning === undefined ? NOTHING : describeTuning(tuning)));
};

const NOTHING = "the adapter runs on the CPU: its kernels have no tiles to choose among, and nothing is to be tuned";

/** The shares of the fastest tile's rate, class by class. */
const describeTuning = ({ adapter, rates }: Tuning): string =>
  [
    adapter,
    ...Object.entries(rates).map(([products, own]) => {
      const tiles = Object.entries(own).map(([tile, rate]) => `${tile} ${rate.toFixed(2)}`);
      return `  ${products.padEnd(20)} ${tiles.join("  ")}`;
    }),
  ].join("\n");
