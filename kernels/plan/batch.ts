import { byteLength, sizeOf, type Tensor } from "../../core/index.js";
import { collapse } from "./access/collapse.js";
import type { BaseStep, Lowered } from "./lower.js";
import { spellAll } from "./spell.js";

/** Most elements that a step works through to count as small: larger ones are worth a launch each. */
const SMALL = 65_536;

type Walked = Extract<BaseStep, { readonly kind: "map" | "reduce" }>;
type Product = Extract<BaseStep, { readonly kind: "matmul" }>;

/** Calls that may be part of a batch: their shapes and attributes are data. */
const callable = new Set(["gather", "scatterAdd", "addRows", "topkMask", "topkCut"]);

/** How a step walks its views, as far as its code depends on it: which strides are 0, 1, or any other. */
const patternOf = (step: Walked): string => {
  const views = step.kind === "map" ? [...step.inputs, ...step.outputs.map(({ view }) => view)] : step.inputs;
  const iotas = step.body.flatMap((x) => (x.op === "iota" ? [x.strides] : []));
  const shape = step.kind === "map" ? step.shape : [...step.kept, ...step.reduced];
  const barriers = step.kind === "map" ? [] : [step.kept.length];
  const space = collapse({ shape, strides: [...views.map(({ view }) => view.strides), ...iotas] }, barriers);
  return space.strides.map((strides) => strides.map((n) => (n > 1 ? "s" : n)).join("")).join(" ");
};

/** Products of one kernel have one size and one way through memory, and one becomes of all. */
const productKin = ({ a, b, dtypes, operands, output, epilogue }: Product): string => {
  const iotas = epilogue?.body.flatMap((x) => (x.op === "iota" ? [x.strides] : [])) ?? [];
  const ways = [...[a, b, ...(epilogue?.inputs ?? [])].map(({ view }) => view.strides), ...iotas];
  return `matmul ${output.view.shape} ${a.view.shape.at(-1)} ${dtypes} ${operands} ${ways.join(" ")} ${spellAll(epilogue?.body ?? [])}`;
};

/** Equal for steps that one kernel can run, undefined for what is no map, reduction or call of so many elements at most; products are large. */
const kinOf = (step: BaseStep, most: number): string | undefined => {
  if (step.kind === "call") {
    const sizes = [...step.inputs, step.output].map(({ view }) => sizeOf(view.shape));
    return callable.has(step.name) && Math.max(...sizes) <= most ? `${step.name} ${step.dtypes}` : undefined;
  }
  if (step.kind === "batch") return undefined;
  if (step.kind === "matmul") return most > SMALL ? productKin(step) : undefined;
  const size = step.kind === "map" ? sizeOf(step.shape) : sizeOf([...step.kept, ...step.reduced]);
  if (size > most) return undefined;
  const results =
    step.kind === "map" ? step.outputs.map(({ value, dtype }) => `${value}:${dtype}`) : `${step.reduce}:${step.dtype}`;
  return `${step.kind} ${results} | ${patternOf(step)} | ${spellAll(step.body)}`; // strides of iotas are in the pattern
};

/** What scheduling needs to know to bring alike steps together. */
export interface Kin {
  /** Steps with equal names may run as one. */
  readonly name: string;
  /** Bytes of intermediate values that it writes: what running it ahead of its turn costs. */
  readonly writes: number;
  /** Bytes of intermediate values that it reads: what letting it wait may cost. */
  readonly reads: number;
  /** Is it of those that run in the order as written, as small steps may, whatever they free? */
  readonly keepsOrder: boolean;
}

/** The kin of a lowered step, of any size or only of small ones; `isTemporary` names the bases that are neither given nor results. */
export const kinship = (
  { step, reads, writes }: Lowered,
  isTemporary: (base: Tensor) => boolean,
  large: boolean,
): Kin | undefined => {
  const name = kinOf(step, large ? Number.POSITIVE_INFINITY : SMALL);
  if (name === undefined) return undefined;
  const bytes = (bases: readonly Tensor[]) =>
    bases.reduce((n, base) => (isTemporary(base) ? n + byteLength(base.dtype, sizeOf(base.shape)) : n), 0);
  return { name, writes: bytes(writes), reads: bytes(reads), keepsOrder: !large };
};

/** Steps that run as one. */
export const batched = (members: readonly Lowered[]): Lowered => {
  if (members.length === 1) return members[0];
  const steps = members.flatMap(({ step }) => (step.kind === "batch" ? step.steps : [step]));
  return {
    step: { kind: "batch", steps },
    reads: members.flatMap(({ reads }) => reads),
    writes: members.flatMap(({ writes }) => writes),
    key: members[0].key,
  };
};
