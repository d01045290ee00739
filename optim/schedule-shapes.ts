import { cos, pow } from "../core/elementary.js";
import { InputError } from "../core/index.js";
import { amongst } from "../core/suggest.js";

/** `lr_scheduler_kwargs`: numbers, and names of curves. */
export type ShapeOptions = Readonly<Record<string, number | string>>;

/** The run that a schedule belongs to. */
interface Run {
  readonly warmupSteps: number;
  readonly totalSteps: number;
  readonly learningRate: number | undefined;
}

/** How the factor falls after warm-up. */
interface ScheduleShape {
  /** Options with their defaults; undefined: none is taken for granted. */
  readonly options: Readonly<Record<string, number | string | undefined>>;
  /** The factor at x in [0, 1] between the end of warm-up and the end of the run, or at a step. */
  readonly make: (run: Run, options: ShapeOptions) => (x: number, step: number) => number;
  /** How it rises, where that is not by equal steps from 0. */
  readonly rise?: (step: number, warmupSteps: number, options: ShapeOptions) => number;
}

const wave = (x: number, cycles: number): number => 0.5 * (1 + cos(Math.PI * cycles * 2 * x));

/** A share of the peak, given as such or as a rate. Errors: InputError unless exactly one is given. */
const least = (name: string, { learningRate }: Run, { min_lr, min_lr_rate }: ShapeOptions): number => {
  if ((min_lr === undefined) === (min_lr_rate === undefined))
    throw new InputError(`lr_scheduler_type ${name} needs min_lr or min_lr_rate in lr_scheduler_kwargs, and not both`);
  return min_lr_rate !== undefined ? Number(min_lr_rate) : Number(min_lr) / rate(name, "min_lr", learningRate);
};

const rate = (name: string, key: string, learningRate: number | undefined): number => {
  if (learningRate === undefined || learningRate === 0)
    throw new InputError(`lr_scheduler_type ${name}: ${key} is a rate; it needs a learning rate above 0`);
  return learningRate;
};

/** Curves of warmup_stable_decay, from 0 to 1. */
const CURVES: Readonly<Record<string, (x: number, cycles: number) => number>> = {
  linear: (x) => x,
  cosine: (x, cycles) => 1 - wave(x, cycles),
  "1-sqrt": (x) => Math.sqrt(x),
};
const curve = (key: string, name: number | string): (typeof CURVES)[string] => {
  if (!Object.hasOwn(CURVES, name))
    throw new InputError(`lr_scheduler_kwargs: ${key} is "${name}"; ${amongst(name, Object.keys(CURVES))}`);
  return CURVES[name];
};

/** Source: optimization.py of huggingface/transformers 5. */
const shapes = {
  constant: { options: {}, make: () => () => 1 },
  constant_with_warmup: { options: {}, make: () => () => 1 },
  linear: { options: {}, make: () => (x) => 1 - x },
  cosine: { options: { num_cycles: 0.5 }, make: (_, o) => (x) => wave(x, Number(o.num_cycles)) },
  cosine_with_restarts: {
    options: { num_cycles: 1 },
    make: (_, o) => (x) => (x >= 1 ? 0 : wave((Number(o.num_cycles) * x) % 1, 0.5)),
  },
  cosine_with_min_lr: {
    options: { num_cycles: 0.5, min_lr: undefined, min_lr_rate: undefined },
    make: (run, o) => {
      const r = least("cosine_with_min_lr", run, o);
      return (x) => Math.max(0, wave(x, Number(o.num_cycles)) * (1 - r) + r);
    },
  },
  cosine_warmup_with_min_lr: {
    options: { num_cycles: 0.5, min_lr: undefined, min_lr_rate: undefined, warmup_lr_rate: undefined },
    make: (run, o) => {
      const r = least("cosine_warmup_with_min_lr", run, o);
      const { warmupSteps, totalSteps } = run;
      const at = (step: number) => Math.min(1, (step - warmupSteps + 1) / Math.max(1, totalSteps - warmupSteps));
      return (_, step) => Math.max(0, wave(at(step), Number(o.num_cycles)) * (1 - r) + r);
    },
    rise: (step, warmup, { warmup_lr_rate: from }) =>
      from === undefined ? (step + 1) / warmup : Number(from) + ((1 - Number(from)) * step) / Math.max(1, warmup - 1),
  },
  polynomial: {
    options: { lr_end: 1e-7, power: 1 },
    make: ({ learningRate }, o) => {
      const [peak, end] = [rate("polynomial", "lr_end", learningRate), Number(o.lr_end)];
      if (!(peak > end))
        throw new InputError(`lr_scheduler_type polynomial: lr_end ${end} must be below learning_rate ${peak}`);
      return (x) => ((peak - end) * pow(1 - x, Number(o.power)) + end) / peak;
    },
  },
  inverse_sqrt: {
    options: { timescale: undefined },
    make: ({ warmupSteps }, o) => {
      const scale = Number(o.timescale ?? (warmupSteps || 10_000));
      return (_, step) => 1 / Math.sqrt((step + scale - warmupSteps) / scale);
    },
  },
  warmup_stable_decay: {
    options: {
      ...{ num_decay_steps: undefined, num_stable_steps: undefined, min_lr_ratio: 0, num_cycles: 0.5 },
      ...{ warmup_type: "linear", decay_type: "cosine" },
    },
    make: ({ warmupSteps, totalSteps }, o) => {
      if (o.num_decay_steps === undefined)
        throw new InputError("lr_scheduler_type warmup_stable_decay needs num_decay_steps in lr_scheduler_kwargs");
      const [decay, r] = [Number(o.num_decay_steps), Number(o.min_lr_ratio)];
      const from = warmupSteps + Number(o.num_stable_steps ?? totalSteps - warmupSteps - decay);
      const fall = curve("decay_type", o.decay_type);
      curve("warmup_type", o.warmup_type);
      return (_, step) => {
        if (step < from) return 1;
        if (step >= from + decay) return r;
        return Math.max(0, (1 - fall((step - from) / Math.max(1, decay), Number(o.num_cycles))) * (1 - r) + r);
      };
    },
    // Its square root rises as that of the decay falls: 1 − √(1 − x).
    rise: (step, warmup, { warmup_type = "linear", min_lr_ratio = 0 }) => {
      const x = step / warmup;
      const risen = warmup_type === "1-sqrt" ? 1 - Math.sqrt(1 - x) : CURVES[warmup_type](x, 0.5);
      return risen * (1 - Number(min_lr_ratio)) + Number(min_lr_ratio);
    },
  },
} satisfies Record<string, ScheduleShape>;

/** Schedules by their Hugging Face names. */
export type ScheduleName = keyof typeof shapes;
export const SHAPES: Readonly<Record<ScheduleName, ScheduleShape>> = shapes;

/** A shape's options with its defaults. Errors: InputError for one that it has not, and for what is neither number nor name. */
export const shapeOptions = (name: ScheduleName, given: ShapeOptions): ShapeOptions => {
  const { options } = SHAPES[name];
  for (const [key, value] of Object.entries(given)) {
    const names = Object.keys(options);
    if (!names.includes(key))
      throw new InputError(
        `lr_scheduler_kwargs: lr_scheduler_type ${name} has no ${key}; it has ${names.join(", ") || "none"}`,
      );
    if (typeof options[key] !== "string" && !(typeof value === "number" && Number.isFinite(value)))
      throw new InputError(`lr_scheduler_kwargs: ${key} is ${JSON.stringify(value)}; it must be a number`);
  }
  const known = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...(Object.fromEntries(known) as ShapeOptions), ...given };
};
