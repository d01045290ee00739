import type { Buffer, Graph, Planned, Program } from "../device.js";
import { type Op, reachable } from "../tensor.js";

/** Graphs with an op for devices that build graphs without it. */
export interface Stages {
  readonly build: (graph: Graph, build: (graph: Graph) => Program, free: (buffer: Buffer) => void) => Program;
  readonly plan: (graph: Graph, plan: (graph: Graph) => Planned) => Planned;
}

/** An op that knows how to do without: devices reach loops by it, so that who writes none loads none. */
export interface StagedOp extends Op {
  readonly kind: "loop";
  readonly stages: Stages;
}

const stagesOf = ({ outputs }: Graph): Stages | undefined => {
  const found = reachable(outputs).find(({ op }) => op.kind === "loop");
  return (found?.op as StagedOp | undefined)?.stages;
};

/** A graph as a program of a device that builds graphs without loops. */
export const buildStaged: Stages["build"] = (graph, build, free) =>
  stagesOf(graph)?.build(graph, build, free) ?? build(graph);

/** What such a program would take. */
export const planStaged: Stages["plan"] = (graph, plan) => stagesOf(graph)?.plan(graph, plan) ?? plan(graph);
