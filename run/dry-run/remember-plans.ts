import { createHash } from "node:crypto";
import { type Graph, type Planned, type Planner, reachable, type Tensor } from "../../core/index.js";

/** A number as text that tells -0 from 0. */
const number = (x: number): string => (Object.is(x, -0) ? "-0" : String(x));

/** An attribute as text; of typed arrays the numbers count. */
const spelled = (attribute: unknown): string =>
  JSON.stringify(attribute, (_, said: unknown) => {
    if (ArrayBuffer.isView(said)) return `${said.constructor.name} ${Array.from(said as Float64Array, number)}`;
    return typeof said === "number" ? number(said) : said;
  });

/** A graph as text: equal for graphs that are written alike, in one order, whatever their nodes are. */
const keyOf = ({ inputs, outputs, donated = [] }: Graph, numberOf: (op: Tensor["op"]) => number): string => {
  const places = new Map(inputs.map((t, i) => [t, i]));
  const known = new Map<Tensor, number>();
  const hash = createHash("sha256");
  for (const t of reachable([...inputs, ...outputs])) {
    const from = t.inputs.map((x) => known.get(x));
    hash.update(`${places.get(t)} ${numberOf(t.op)} ${t.dtype} ${t.shape} ${from} ${spelled(t.attrs)}\n`);
    known.set(t, known.size);
  }
  return hash.update(`${outputs.map((t) => known.get(t))} ${donated}`).digest("base64");
};

/**
 * A planner that plans graphs that are alike once. Rehearsals of one run under several settings begin alike, and end so; what
 * differs is in between.
 */
export const rememberPlans = (planner: Planner): Planner => {
  const ops = new Map<Tensor["op"], number>();
  const numberOf = (op: Tensor["op"]): number => {
    const number = ops.get(op) ?? ops.size;
    ops.set(op, number);
    return number;
  };
  const known = new Map<string, Planned>();
  return {
    name: planner.name,
    description: planner.description,
    limits: planner.limits,
    plan: (graph) => {
      const key = keyOf(graph, numberOf);
      const planned = known.get(key) ?? planner.plan(graph);
      known.set(key, planned);
      return planned;
    },
  };
};
