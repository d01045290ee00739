import { log, pow } from "../core/elementary.js";
import { type Reader, reader } from "./config-reader.js";
import type { JsonObject } from "./files/json.js";

/** Rotary positions of a layer: Su et al. 2021, with a scaling of the frequencies if any. */
export interface RopeConfig {
  readonly type: string;
  readonly theta: number;
  /** Radians a position of each rotated pair; pairs are (i, i + n) of the first 2n numbers of a head, the others stay. */
  readonly frequencies: readonly number[];
  /** Factor on cosine and sine (`attention_factor`). */
  readonly magnitude: number;
  /** LongRoPE: the frequencies of sequences of more than so many tokens. */
  readonly long?: { readonly over: number; readonly frequencies: readonly number[] };
}

/** What a scaling starts from. */
interface Unscaled {
  readonly theta: number;
  /** θ^(−2i/size) of each pair. */
  readonly plain: readonly number[];
  readonly maxPositions: number;
  /** `original_max_position_embeddings`: positions of the first training. */
  readonly original: () => number;
}

type Scaled = Pick<RopeConfig, "frequencies" | "long"> & { readonly magnitude?: number };

interface Scaling {
  /** Fields of `rope_parameters` that it reads. */
  readonly keys: readonly string[];
  readonly scale: (read: Reader, from: Unscaled) => Scaled;
}

/** Long waves are divided by `factor`, short ones kept, with a smooth way over in between. */
const llama3 = (read: Reader, { plain, original }: Unscaled): Scaled => {
  const [factor, low, high] = ["factor", "low_freq_factor", "high_freq_factor"].map((key) => read.positive(key));
  const of = (frequency: number): number => {
    const turns = (original() * frequency) / (2 * Math.PI); // in the first training's length
    if (turns > high) return frequency;
    if (turns < low) return frequency / factor;
    const smooth = (turns - low) / (high - low);
    return ((1 - smooth) * frequency) / factor + smooth * frequency;
  };
  return { frequencies: plain.map(of) };
};

/** Pairs below a ramp keep their frequency, those above are divided by `factor`.  Peng et al. 2023. */
const yarn = (read: Reader, { theta, plain, maxPositions, original }: Unscaled): Scaled => {
  const factor = read.positive("factor", maxPositions / original());
  const pairAt = (turns: number) => (plain.length * log(original() / (turns * 2 * Math.PI))) / log(theta);
  const ends = [pairAt(read.positive("beta_fast", 32)), pairAt(read.positive("beta_slow", 1))];
  const [first, last] = read.flag("truncate", true) ? [Math.floor(ends[0]), Math.ceil(ends[1])] : ends;
  const [low, top] = [Math.max(first, 0), Math.min(last, 2 * plain.length - 1)];
  const high = top === low ? low + 0.001 : top;
  const grown = (scale: number) => (factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1);
  const { mscale, mscale_all_dim: ofAll } = read.object;
  const both = Boolean(mscale) && Boolean(ofAll);
  const usual = both ? grown(read.positive("mscale")) / grown(read.positive("mscale_all_dim")) : grown(1);
  return {
    magnitude: read.positive("attention_factor", usual),
    frequencies: plain.map((frequency, i) => {
      const divided = Math.min(1, Math.max(0, (i - low) / (high - low)));
      return (divided * frequency) / factor + (1 - divided) * frequency;
    }),
  };
};

/** A divisor a pair, one set for short sequences and one for long ones.  Ding et al. 2024. */
const longrope = (read: Reader, { plain, maxPositions, original }: Unscaled): Scaled => {
  const factor = read.positive("factor", maxPositions / original());
  const usual = factor <= 1 ? 1 : Math.sqrt(1 + log(factor) / log(original()));
  const divided = (key: string): readonly number[] => {
    const divisors = read.numbers(key, plain.length);
    return plain.map((frequency, i) => frequency / divisors[i]);
  };
  return {
    magnitude: read.positive("attention_factor", usual),
    frequencies: divided("short_factor"),
    long: { over: original(), frequencies: divided("long_factor") },
  };
};

/** By `rope_type`. Source: modeling_rope_utils of huggingface/transformers (which rounds to f32; this is f64). */
const scalings: Readonly<Record<string, Scaling>> = {
  default: { keys: [], scale: (_, { plain }) => ({ frequencies: plain }) },
  linear: {
    keys: ["factor"],
    scale: (read, { plain }) => ({ frequencies: plain.map((frequency) => frequency / read.positive("factor")) }),
  },
  llama3: { keys: ["factor", "low_freq_factor", "high_freq_factor"], scale: llama3 },
  yarn: {
    keys: ["factor", "attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate"],
    scale: yarn,
  },
  longrope: { keys: ["factor", "attention_factor", "short_factor", "long_factor"], scale: longrope },
};

/** Fields of any type. */
const SHARED = ["rope_type", "type", "rope_theta", "partial_rotary_factor", "original_max_position_embeddings"];
/** Names of old checkpoints. */
const OLD_NAMES: ReadonlyMap<unknown, string> = new Map([["su", "longrope"]]);

/** Where a layer's rotary fields are, and what they fall back to. */
export interface RopeSource {
  readonly path: string;
  /** `rope_parameters`, `rope_scaling`, or the part of either that is for this kind of layer. */
  readonly fields: JsonObject;
  readonly theta: number;
  readonly headDim: number;
  /** How much of a head is rotated; undefined: the family rotates whole heads. */
  readonly partial: number | undefined;
  readonly maxPositions: number;
  /** The model's own `original_max_position_embeddings`, which counts before that of `fields`. */
  readonly original?: number;
  readonly types?: readonly string[];
}

/** Errors: InputError for a scaling or a field that is not known, a field that is missing or out of its range. */
export const readRope = (source: RopeSource): RopeConfig => {
  const { fields, path, maxPositions } = source;
  const key = fields.rope_type != null ? "rope_type" : "type";
  const given = OLD_NAMES.get(fields[key]) ?? fields[key];
  const read = reader({ ...fields, [key]: given }, path);
  const type = read.oneOf(key, source.types ?? Object.keys(scalings), "default");
  const unread = Object.keys(fields).find(
    (name) => !SHARED.includes(name) && !scalings[type].keys.includes(name) && fields[name] != null,
  );
  if (unread !== undefined) throw read.refuse(unread, `rotary positions of type "${type}" have no such field`);
  const theta = read.positive("rope_theta", source.theta);
  const partial = read.positive("partial_rotary_factor", source.partial ?? 1);
  if (source.partial === undefined && partial !== 1)
    throw read.refuse("partial_rotary_factor", "this model_type rotates whole heads");
  const size = Math.trunc(source.headDim * partial);
  if (partial > 1 || size < 2 || size % 2 !== 0)
    throw read.refuse("partial_rotary_factor", `of a head of ${source.headDim} it must leave an even number to rotate`);
  const plain = Array.from({ length: size / 2 }, (_, i) => pow(theta, (-2 * i) / size));
  const original = () => source.original ?? read.count("original_max_position_embeddings", maxPositions);
  return { type, theta, magnitude: 1, ...scalings[type].scale(read, { theta, plain, maxPositions, original }) };
};
