import type { Step } from "../../kernels/plan/steps.js";
import { workOf } from "../../kernels/plan/work.js";
import type { Kernel } from "../../kernels/webgpu/wgsl/module.js";
import type { Card } from "../cards.js";
import type { ShaderStats } from "./shader-stats.js";
import type { PlannedStep } from "./step.js";

/** Steps of a plan that are run by the same kernels, all of a training step. */
export interface Row {
  readonly name: string;
  /** The size of the one that takes longest. */
  readonly size: string;
  /** The kernels of one such step; their code is what tells rows apart. */
  readonly kernels: readonly Kernel[];
  readonly launches: number;
  readonly flops: number;
  readonly bytes: number;
  /** Milliseconds that the card would take at its peak: for each step the slower of arithmetic and memory. */
  readonly ms: number;
  /** Which of the two that is, for most of the time. */
  readonly bound: "arithmetic" | "memory";
  /** Of all rows' milliseconds. */
  readonly share: number;
}

/** The size of a step: M×N×K of a product, else the shape that it makes or reduces. */
const sizeNamed = (step: Step): string => {
  switch (step.kind) {
    case "matmul":
      return [...step.output.shape, step.a.shape.at(-1)].join("×");
    case "map":
      return step.shape.join("×");
    case "reduce":
      return [...step.kept, ...step.reduced].join("×");
    case "call":
      return step.output.shape.join("×");
    case "batch":
      return `${step.steps.length} of ${sizeNamed(step.steps[0])}`;
  }
};

const usesMatrices = (kernels: readonly Kernel[]): boolean =>
  kernels.some(({ code }) => code.includes("subgroupMatrixMultiplyAccumulate"));

/** All kernels of a training step, the slowest at the card's peak first. */
export const rowsOf = ({ programs }: PlannedStep, card: Card): Row[] => {
  const rows = new Map<string, Omit<Row, "share" | "bound"> & { arithmetic: number; longest: number }>();
  for (const { plan, kernels, stepOf } of programs)
    for (const [at, step] of plan.steps.entries()) {
      const own = kernels.filter((_, i) => stepOf[i] === at);
      if (own.length === 0) continue;
      const distinct = [...new Map(own.map((kernel) => [kernel.code, kernel])).values()];
      const key = distinct.map(({ code }) => code).join();
      const { flops, bytes } = workOf(step, plan);
      const arithmetic = flops / (usesMatrices(own) ? card.matrix : card.f32);
      const memory = bytes / card.bandwidth;
      const known = rows.get(key);
      const seconds = Math.max(arithmetic, memory);
      const isLonger = seconds > (known?.longest ?? -1);
      rows.set(key, {
        name: step.kind === "call" ? step.name : [...new Set(distinct.map(({ label }) => label))].join(" + "),
        size: isLonger ? sizeNamed(step) : (known?.size ?? ""),
        longest: isLonger ? seconds : (known?.longest ?? 0),
        kernels: distinct,
        launches: (known?.launches ?? 0) + own.length,
        flops: (known?.flops ?? 0) + flops,
        bytes: (known?.bytes ?? 0) + bytes,
        ms: (known?.ms ?? 0) + 1e3 * seconds,
        arithmetic: (known?.arithmetic ?? 0) + (arithmetic > memory ? 1e3 * arithmetic : 0),
      });
    }
  const total = [...rows.values()].reduce((n, { ms }) => n + ms, 0);
  return [...rows.values()]
    .map(({ arithmetic, longest: _, ...row }) => ({
      ...row,
      bound: arithmetic > row.ms / 2 ? ("arithmetic" as const) : ("memory" as const),
      share: total === 0 ? 0 : row.ms / total,
    }))
    .sort((a, b) => b.ms - a.ms);
};

const PREFIXES = ["", "k", "M", "G", "T", "P"];
const short = (value: number): string => {
  const step = value < 1 ? 0 : Math.min(PREFIXES.length - 1, Math.floor(Math.log10(value) / 3));
  return `${(value / 1000 ** step).toFixed(step === 0 ? 0 : 1)} ${PREFIXES[step]}`;
};

const percent = (part: number): string => `${Math.floor(100 * part)} %`;

const HEAD = ["kernel", "largest", "launches", "FLOP", "byte", "ms at peak", "share", "bound by"];
/** A column for those drivers that show machine code. */
const CODE = "multiply-adds";
const STATS = ["registers", "spills", "scratch", "LDS", "waves", "instructions", "inverse throughput"];

/** Most kernels of a row that the compiler's figures are shown of. */
const SHOWN = 3;

/** Lines of a Markdown table; numbers to the right. A row of several kernels has the compiler's figures of each that differ, worst first. */
export const tableOf = (rows: readonly Row[], stats?: ReadonlyMap<string, ShaderStats>): string => {
  const showsCode = [...(stats?.values() ?? [])].some(({ multiplyAdds }) => multiplyAdds !== undefined);
  const cells = rows.map(({ name, size, kernels, launches, flops, bytes, ms, share, bound }) => {
    const all = kernels.flatMap(({ code }) => stats?.get(code) ?? []);
    const told = [...new Map(all.map((one) => [JSON.stringify(one), one])).values()].sort(
      (a, b) => b.spills - a.spills || a.waves - b.waves || b.registers - a.registers,
    );
    const each = (of: (one: ShaderStats) => number | string): string =>
      [...told.slice(0, SHOWN).map(of), ...(told.length > SHOWN ? ["…"] : [])].join(" ") || "–";
    return [
      ...[name, size, `${launches}`, short(flops), short(bytes), ms.toFixed(3), `${(100 * share).toFixed(1)} %`, bound],
      ...(stats === undefined
        ? []
        : [
            ...[each((s) => s.registers), each((s) => s.spills), each((s) => s.scratch), each((s) => s.lds)],
            ...[each((s) => s.waves), each((s) => s.instructions), each((s) => s.inverseThroughput)],
            ...(showsCode ? [each(({ multiplyAdds: part }) => (part === undefined ? "–" : percent(part)))] : []),
          ]),
    ];
  });
  const heads = stats === undefined ? HEAD : [...HEAD, ...STATS, ...(showsCode ? [CODE] : [])];
  const widths = heads.map((head, i) => Math.max(head.length, ...cells.map((row) => row[i].length)));
  const isText = (i: number): boolean => i === 0 || i === 1 || i === 7;
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (isText(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(" | ")} |`;
  const rule = `|${widths.map((width, i) => (isText(i) ? `:${"-".repeat(width + 1)}` : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  return [line(heads), rule, ...cells.map(line)].join("\n");
};
