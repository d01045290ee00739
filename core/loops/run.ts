import type { Buffer, Graph, Planned, ProgramMemory } from "../device.js";
import { byteLength } from "../dtype.js";
import { sizeOf } from "../shape.js";
import type { Tensor } from "../tensor.js";
import { type Stage, split } from "./split.js";
import { buildStaged, planStaged, type Stages } from "./staged.js";

/** A stage with its programs: `P` is what runs them, or what knows the memory that they would take. */
interface Built<P> {
  readonly stage: Stage;
  readonly program: P;
  readonly steps: readonly P[];
}

interface Runner<P> {
  readonly run: (program: P, buffers: readonly Buffer[], donated: readonly number[]) => readonly Buffer[];
  readonly free: (buffer: Buffer) => void;
  /** How many steps a loop of this length runs. */
  readonly steps: (length: number) => number;
}

/**
 * Runs stage by stage. Values are freed once nothing reads them; inputs that were given away are given to the last program, or
 * freed at the end. If something throws, all that was made is freed, and inputs stay the caller's unless the last program has them.
 */
const runStages = <P>(
  { inputs, outputs, donated = [] }: Graph,
  built: readonly Built<P>[],
  given: readonly Buffer[],
  { run, free, steps: stepsOf }: Runner<P>,
): Buffer[] => {
  const values = new Map<Tensor, Buffer>(inputs.map((t, i) => [t, given[i]]));
  const own = new Set<Buffer>();
  const keep = (buffers: readonly Buffer[]): readonly Buffer[] => {
    for (const buffer of buffers) own.add(buffer);
    return buffers;
  };
  const drop = (buffer: Buffer): void => {
    if (own.delete(buffer)) free(buffer);
  };
  const call = (program: P, buffers: readonly Buffer[], away: readonly number[]): readonly Buffer[] => {
    const made = run(program, buffers, away);
    for (const i of away) own.delete(buffers[i]);
    return keep(made);
  };
  const of = (t: Tensor): Buffer => values.get(t) as Buffer;
  const results: Buffer[] = new Array(outputs.length);
  const taken = new Set<Tensor>();
  try {
    for (const { stage, program, steps } of built) {
      const away = stage.graph.donated ?? [];
      const made = call(program, stage.sources.map(of), away);
      for (const i of away) taken.add(stage.sources[i]);
      let at = 0;
      for (const i of stage.results) results[i] = made[at++];
      for (const t of stage.values) values.set(t, made[at++]);
      stage.loops.forEach(({ step, length, state: size, reads, gives }, i) => {
        let state = made.slice(at, at + size);
        at += size;
        for (let n = stepsOf(length); n > 0; n--)
          state = [...call(steps[i], [...state, ...reads.map(of)], step.donated ?? [])];
        gives.forEach((t, j) => {
          if (t === undefined) drop(state[j]);
          else values.set(t, state[j]);
        });
      });
      for (const t of stage.over) drop(of(t));
    }
  } catch (error) {
    for (const buffer of own) free(buffer);
    throw error;
  }
  for (const i of donated) if (!taken.has(inputs[i])) free(given[i]);
  return results;
};

const buildStages = <P>(graph: Graph, build: (graph: Graph) => P): Built<P>[] =>
  split(graph).map((stage) => ({
    stage,
    program: build(stage.graph),
    steps: stage.loops.map(({ step }) => build(step)),
  }));

const all = <P>(built: readonly Built<P>[]): P[] => built.flatMap(({ program, steps }) => [program, ...steps]);

const sum = (some: readonly number[]): number => some.reduce((total, n) => total + n, 0);

/** The memory of it all: that of a run with one step of each loop, in which each program takes what it says that it takes. */
const memoryOf = (graph: Graph, built: readonly Built<{ readonly memory: ProgramMemory }>[]): ProgramMemory => {
  const outputsOf = new Map<unknown, readonly Tensor[]>();
  for (const { stage, program, steps } of built) {
    outputsOf.set(program, stage.graph.outputs);
    steps.forEach((step, i) => {
      outputsOf.set(step, stage.loops[i].step.outputs);
    });
  }
  const buffer = (t: Tensor): Buffer => ({ bytes: byteLength(t.dtype, sizeOf(t.shape)) });
  const given = graph.inputs.map(buffer);
  const inputs = sum(given.map(({ bytes }) => bytes));
  const outputs = sum(graph.outputs.map((t) => buffer(t).bytes));
  const constants = sum(all(built).map(({ memory }) => memory.constants));
  let [live, most] = [inputs, inputs];
  runStages(graph, built, given, {
    run: (program, buffers, away) => {
      const { memory } = program;
      most = Math.max(most, live - memory.inputs + memory.peak - memory.constants);
      const made = (outputsOf.get(program) ?? []).map(buffer);
      live += sum(made.map(({ bytes }) => bytes)) - sum(away.map((i) => buffers[i].bytes));
      return made;
    },
    free: ({ bytes }) => {
      live -= bytes;
    },
    steps: (length) => Math.min(length, 1),
  });
  return { inputs, outputs, constants, temporaries: Math.max(0, most - inputs - outputs), peak: most + constants };
};

/** A graph with loops as the programs between them, and one for a step of each, which is built once, and run on its own results. */
export const buildLoops: Stages["build"] = (graph, build, free) => {
  const built = buildStages(graph, (part) => buildStaged(part, build, free));
  return {
    memory: memoryOf(graph, built),
    run: (inputs) =>
      runStages(graph, built, inputs, {
        run: (program, buffers) => program.run(buffers),
        free,
        steps: (length) => length,
      }),
    free: () => {
      for (const program of all(built)) program.free();
    },
  };
};

/** What such a program would take. */
export const planLoops: Stages["plan"] = (graph, plan) => {
  const built = buildStages(graph, (part) => planStaged(part, plan));
  const parts = all(built);
  const steps = (stage: Built<Planned>): number[] =>
    stage.steps.map(({ launches }, i) => launches * stage.stage.loops[i].length);
  return {
    memory: memoryOf(graph, built),
    launches: sum(built.flatMap((stage) => [stage.program.launches, ...steps(stage)])),
    largest: parts.map(({ largest }) => largest).reduce((most, some) => (some.bytes > most.bytes ? some : most)),
  };
};
