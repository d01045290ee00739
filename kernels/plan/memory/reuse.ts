import { byteLength, bytesOf, sizeOf, type Tensor } from "../../../core/index.js";
import { type Access, isWhole } from "../access/access.js";
import type { BaseStep, Lowered } from "../lower.js";
import type { SingleStep } from "../steps.js";

/** What becomes of bases: intermediate values come and go, donated inputs may go. */
export interface Owned {
  readonly isTemporary: (base: Tensor) => boolean;
  readonly donated: ReadonlySet<Tensor>;
}

/** When a base is first written (at `from`; inputs: -1) and last touched, in steps. */
export interface Life {
  readonly from: number;
  to: number;
}

/** First and last step of every base that steps write; inputs and constants that they read begin at -1. */
export const livesOf = (steps: readonly Lowered[]): Map<Tensor, Life> => {
  const lives = new Map<Tensor, Life>();
  steps.forEach(({ reads, writes }, at) => {
    for (const [bases, from] of [
      [reads, -1],
      [writes, at],
    ] as const)
      for (const base of bases) {
        const life = lives.get(base);
        if (life === undefined) lives.set(base, { from, to: at });
        else life.to = at;
      }
  });
  return lives;
};

const readBy = (step: SingleStep<Access>): Tensor[] =>
  (step.kind === "matmul" ? [step.a, step.b, ...(step.epilogue?.inputs ?? [])] : step.inputs).map(({ base }) => base);

/** Calls whose result is their first input, changed in places: in its memory they write these alone. */
const WRITES_ITS_FIRST: ReadonlySet<string> = new Set(["writeRows", "addRows"]);

/** Outputs of a step, each with the bases whose memory may take it while it is written: seen whole, element for element. */
const replaceable = (step: BaseStep): [heir: Tensor, bases: Tensor[]][] => {
  if (step.kind === "batch") {
    const readers = new Map<Tensor, number>();
    for (const one of step.steps)
      for (const base of new Set(readBy(one))) readers.set(base, (readers.get(base) ?? 0) + 1);
    // What another step of the batch reads too must stay.
    return step.steps
      .flatMap((one) => replaceable(one))
      .map(([heir, bases]) => [heir, bases.filter((base) => readers.get(base) === 1)]);
  }
  if (step.kind === "call" && WRITES_ITS_FIRST.has(step.name)) {
    const [first, ...others] = step.inputs;
    const isApart = isWhole(first) && others.every(({ base }) => base !== first.base);
    return isApart && isWhole(step.output) ? [[step.output.base, [first.base]]] : [];
  }
  if (step.kind !== "map" && step.kind !== "matmul") return [];
  const inputs = step.kind === "map" ? step.inputs : (step.epilogue?.inputs ?? []);
  const across = new Set(inputs.flatMap((input) => (isWhole(input) ? [] : [input.base])));
  if (step.kind === "matmul") for (const { base } of [step.a, step.b]) across.add(base);
  const bases = [...new Set(inputs.map(({ base }) => base))].filter((base) => !across.has(base));
  if (step.kind === "matmul") return isWhole(step.output) ? [[step.output.base, bases]] : [];
  return step.outputs.flatMap(({ view }) => (isWhole(view) ? [[view.base, bases]] : []));
};

/**
 * For each base that a step may write over a dying operand of the same size: that operand. `candidates` are those of the heir's
 * operands that may be written over, best first; `isFirst` says who chooses before the others.
 */
export const inPlace = (
  steps: readonly Lowered[],
  lives: ReadonlyMap<Tensor, Life>,
  candidates: (heir: Tensor, bases: readonly Tensor[]) => readonly Tensor[],
  isFirst: (heir: Tensor) => boolean,
): Map<Tensor, Tensor> => {
  const over = new Map<Tensor, Tensor>();
  const taken = new Set<Tensor>();
  steps.forEach(({ step }, at) => {
    const heirs = replaceable(step).filter(([heir]) => lives.get(heir)?.from === at);
    for (const [heir, bases] of heirs.sort(([a], [b]) => Number(isFirst(b)) - Number(isFirst(a)))) {
      const fits = (base: Tensor) => bytesOf(base.dtype) === bytesOf(heir.dtype);
      const dying = bases.filter((base) => !taken.has(base) && lives.get(base)?.to === at && fits(base));
      const [free] = candidates(heir, dying);
      if (free === undefined) continue;
      taken.add(free);
      over.set(heir, free);
    }
  });
  return over;
};

/**
 * Donated inputs and the outputs that take their memory: of the same bytes, and first written no earlier than the input is
 * last read (in that very step only where `over` says so). Outputs of one step keep their inputs from run to run.
 */
export const donors = (
  donated: readonly Tensor[],
  results: readonly Tensor[],
  lives: ReadonlyMap<Tensor, Life>,
  over: ReadonlyMap<Tensor, Tensor>,
): Map<Tensor, Tensor> => {
  const donorOf = new Map<Tensor, Tensor>();
  const bySize = new Map<number, Set<Tensor>>();
  const given = new Set(donated);
  for (const base of results) {
    const donor = over.get(base);
    if (donor === undefined || !given.delete(donor)) continue;
    donorOf.set(base, donor);
  }
  for (const base of given) {
    const size = byteLength(base.dtype, sizeOf(base.shape));
    bySize.set(size, (bySize.get(size) ?? new Set()).add(base));
  }
  for (const base of results) {
    if (donorOf.has(base)) continue;
    const alike = bySize.get(byteLength(base.dtype, sizeOf(base.shape))) ?? new Set();
    const written = lives.get(base)?.from ?? -1;
    for (const donor of alike)
      if ((lives.get(donor)?.to ?? -1) < written) {
        donorOf.set(base, donor);
        alike.delete(donor);
        break;
      }
  }
  return donorOf;
};

/** Memory that temporaries may lie in while nothing else does: between two steps, both of them excluded. */
export interface Idle {
  /** The base whose memory it is. */
  readonly base: Tensor;
  readonly after: number;
  readonly before: number;
}

/** Donated inputs once they were read, until an output takes them over, and other outputs until they are written. */
export const hostsOf = (
  donated: ReadonlySet<Tensor>,
  results: readonly Tensor[],
  donorOf: ReadonlyMap<Tensor, Tensor>,
  lives: ReadonlyMap<Tensor, Life>,
): { readonly hosts: readonly Idle[]; readonly hostOf: ReadonlyMap<Tensor, number> } => {
  const hosts: Idle[] = [];
  const hostOf = new Map<Tensor, number>();
  const heirOf = new Map([...donorOf].map(([heir, donor]) => [donor, heir]));
  const add = (base: Tensor, after: number, heir: Tensor | undefined) => {
    const before = heir === undefined ? Number.POSITIVE_INFINITY : (lives.get(heir)?.from ?? -1);
    const at = hosts.push({ base, after, before }) - 1;
    hostOf.set(base, at);
    if (heir !== undefined) hostOf.set(heir, at);
  };
  for (const base of donated) add(base, lives.get(base)?.to ?? -1, heirOf.get(base));
  for (const base of results) if (!donorOf.has(base)) add(base, -1, base);
  return { hosts, hostOf };
};
