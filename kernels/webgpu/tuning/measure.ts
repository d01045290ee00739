import { type Graph, matmul, transpose } from "../../../core/index.js";
import { placeholder } from "../../../core/ops/leaf.js";
import type { MatmulStep } from "../../plan/steps.js";
import { webgpu } from "../../platform/node/webgpu.js";
import type { Gpu } from "../gpu.js";
import { LAYOUTS } from "../kernels/matmul/layouts.js";
import { matrixTiles } from "../kernels/matmul/matrix-tiles.js";
import { classOf, type Rates, type Sized, tileName } from "../kernels/matmul/rates.js";
import { busyOnUnits, busyWith, TILES } from "../kernels/matmul/tiles.js";
import { unitsOf } from "../kernels/matmul/units.js";
import { prepare } from "../prepare.js";
import { buildProgram } from "../program.js";

/** A product that stands for a class of them: its rows, and which operands lie transposed. */
interface Product {
  readonly rows: number;
  readonly turnA: boolean;
  readonly turnB: boolean;
}

/** The products of a layer: forward with many tokens and few, back to the input, and the weight's gradient. */
const productsOf = (side: number): Product[] => [
  { rows: side / 2, turnA: false, turnB: true },
  { rows: Math.min(32, side), turnA: false, turnB: true },
  { rows: side / 2, turnA: false, turnB: false },
  { rows: side / 2, turnA: true, turnB: false },
];

const graphOf = ({ rows, turnA, turnB }: Product, side: number, operands: "f16" | undefined): Graph => {
  const a = placeholder(turnA ? [side, rows] : [rows, side], "f32");
  const b = placeholder([side, side], "f32");
  const product = matmul(turnA ? transpose(a) : a, turnB ? transpose(b) : b, { operands });
  return { inputs: [a, b], outputs: [product] };
};

/** Milliseconds that are measured at least, where one run is shorter. */
const LEAST = 8;
/** Most runs of one measurement. */
const RUNS = 16;

/** Milliseconds of one run of a graph by this choice of tiles: the shorter of two measurements, after one that warms up. */
const timeOf = async (gpu: Gpu, graph: Graph): Promise<number> => {
  const program = buildProgram(gpu, graph);
  const given = graph.inputs.map(({ shape }) => gpu.own(4 * shape[0] * shape[1], "an operand to be timed with"));
  const runs = async (count: number): Promise<number> => {
    const before = performance.now();
    for (let i = 0; i < count; i++) program.run(given).forEach(gpu.free);
    await gpu.queue.drained();
    await webgpu.patiently(gpu.device.queue.onSubmittedWorkDone(), gpu.device);
    return (performance.now() - before) / count;
  };
  try {
    await runs(1);
    const once = await runs(1);
    return Math.min(once, await runs(Math.min(RUNS, Math.ceil(LEAST / once))));
  } finally {
    given.forEach(gpu.free);
    program.free();
  }
};

/** What products may be computed by on this adapter, and how to time each alone. */
const candidates = (gpu: Gpu, operands: "f16" | undefined) => {
  if (operands === undefined)
    return TILES.map((tile) => ({
      ...{ tile: tile as Sized, alone: { ...gpu, tiles: [tile], rates: undefined } },
      busy: (step: MatmulStep) => busyWith(step, tile),
    }));
  const units = unitsOf(gpu);
  return LAYOUTS.flatMap((layout) =>
    (units === undefined ? [] : matrixTiles(units, gpu.limits, [layout])).map((tile) => ({
      ...{ tile: tile as Sized, alone: { ...gpu, layouts: [layout], rates: undefined } },
      busy: (step: MatmulStep) => busyOnUnits(step, tile),
    })),
  );
};

/**
 * Times every tile on a product of each class, [side/2 or few, side] × [side, side], and gives their rates, the fastest 1. All
 * tiles make the same bits (law webgpu-tiles), so that nothing but time depends on what comes out.
 */
export const measureRates = async (gpu: Gpu, side = 2048): Promise<Rates> => {
  const rates: Record<string, Record<string, number>> = {};
  for (const operands of [undefined, "f16"] as const) {
    const choices = candidates(gpu, operands);
    if (choices.length === 0) continue;
    for (const product of productsOf(side)) {
      const graph = graphOf(product, side, operands);
      const step = prepare(graph, gpu).plan.steps.find((one): one is MatmulStep => one.kind === "matmul");
      if (step === undefined) continue;
      const own: [name: string, rate: number][] = [];
      for (const { tile, alone, busy } of choices)
        own.push([tileName(tile), busy(step) / (await timeOf(alone, graph))]);
      const most = Math.max(...own.map(([, rate]) => rate));
      rates[classOf(step)] = Object.fromEntries(own.map(([name, rate]) => [name, rate / most]));
    }
  }
  return rates;
};
