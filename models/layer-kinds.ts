import { InputError } from "../core/errors.js";
import { asks } from "../core/expects.js";
import type { Reader } from "./config-reader.js";
import { type Family, rotates, windowOf } from "./families.js";
import { isObject, type JsonObject, show } from "./files/json.js";
import { type RopeConfig, readRope } from "./rope.js";

/** What a layer's attention has of its own. Layers that are alike share one of these. */
export interface LayerKind {
  /** It sees so many slots at most, its own included; undefined: all up to its own. */
  readonly window: number | undefined;
  /** Undefined: queries and keys are not rotated. */
  readonly rope: RopeConfig | undefined;
}

/** Tokens past which longrope takes other frequencies for a whole batch; infinity without it. */
export const ropeReach = asks("ropeReach", "record", ({ kinds }: { readonly kinds: readonly LayerKind[] }): number =>
  Math.min(...kinds.map(({ rope }) => rope?.long?.over ?? Number.POSITIVE_INFINITY)),
);

/**
 * Errors: InputError for a sequence that would be written, a token at a time, past where longrope takes other frequencies: all
 * keys so far would be others.
 */
export const checkLength = (config: { readonly kinds: readonly LayerKind[] }, tokens: number): void => {
  const over = ropeReach(config);
  if (tokens > over)
    throw new InputError(
      `generate: prompt and new tokens are ${tokens}, and with longrope over original_max_position_embeddings (${over}) is not supported; ask for fewer`,
    );
};

const FULL = "full_attention";
const SLIDING = "sliding_attention";

/** Which layers attend in a window: by `layer_types` if the family reads them, else by its rule. */
const sliding = (read: Reader, family: Family, layers: number): readonly boolean[] => {
  const byRule = () => Array.from({ length: layers }, (_, i) => family.slides?.(read, i) ?? false);
  const types = read.object.layer_types;
  if (types == null) return byRule();
  if (!Array.isArray(types) || types.length !== layers)
    throw read.refuse("layer_types", `must be a list of ${layers}, one a layer`);
  const other = types.find((type) => type !== FULL && type !== SLIDING);
  if (other !== undefined)
    throw read.refuse("layer_types", `${show(other)} layers are not supported, only "${FULL}" and "${SLIDING}"`);
  const given = types.map((type) => type === SLIDING);
  if ("layer_types" in family.fields) return given;
  if (byRule().some((own, i) => own !== given[i]))
    throw read.refuse("layer_types", "layers of this model_type are all alike, and not as it says");
  return given;
};

/** `rope_parameters` (new) or `rope_scaling` (old), for layers of a kind; a family with a base for each says which is whose. */
const ropeFields = (read: Reader, { localRope }: Family, type: string): { fields: JsonObject; key: string } => {
  const { rope_parameters: now, rope_scaling: old } = read.object;
  const key = now != null ? "rope_parameters" : "rope_scaling";
  if (now != null && old != null && JSON.stringify(old) !== "{}" && JSON.stringify(old) !== JSON.stringify(now))
    throw read.refuse("rope_scaling", "rope_parameters is there too, and is not the same; leave one of them out");
  const fields = read.object[key] ?? {};
  if (!isObject(fields)) throw read.refuse(key, "must be an object");
  const nested = Object.keys(fields).find((name) => isObject(fields[name]));
  if (localRope === undefined) {
    if (nested === undefined) return { fields, key };
    throw read.refuse(key, `it differs by layer type (${nested}), which this model_type does not`);
  }
  if (key === "rope_scaling") return { fields: type === FULL ? fields : {}, key };
  const other = Object.keys(fields).find((name) => name !== FULL && name !== SLIDING);
  const own = fields[type] ?? {};
  if (other !== undefined || !isObject(own)) throw read.refuse(key, `must have "${FULL}" and "${SLIDING}" objects`);
  return { fields: own, key: `${key}.${type}` };
};

/**
 * One entry a layer. Errors: InputError for windows or rotary positions that are not known, or contradict each other.
 */
export const layerKinds = (
  read: Reader,
  path: string,
  family: Family,
  sizes: { readonly layers: number; readonly headDim: number; readonly maxPositions: number },
): readonly LayerKind[] => {
  const ropeOf = (slides: boolean): RopeConfig => {
    const { fields, key } = ropeFields(read, family, slides ? SLIDING : FULL);
    const theta = slides && family.localRope ? "rope_local_base_freq" : "rope_theta";
    const original = read.object.original_max_position_embeddings;
    return readRope({
      ...{ ...sizes, fields, path: `${path}: ${key}`, theta: read.positive(theta), types: family.ropes },
      partial: "partial_rotary_factor" in family.fields ? read.positive("partial_rotary_factor") : undefined,
      original: original == null ? undefined : read.count("original_max_position_embeddings"),
    });
  };
  const ropes = { full: ropeOf(false), sliding: ropeOf(true) };
  const window = windowOf(read);
  const shared = new Map<string, LayerKind>();
  return sliding(read, family, sizes.layers).map((slides, i) => {
    if (slides && window === undefined) throw read.refuse("sliding_window", `layer ${i} attends in a window`);
    const turned = !("no_rope_layers" in family.fields) || rotates(read, i);
    const rope = slides ? ropes.sliding : ropes.full;
    const kind = { window: slides ? window : undefined, rope: turned ? rope : undefined };
    const name = `${slides} ${turned}`;
    if (!shared.has(name)) shared.set(name, kind);
    return shared.get(name) as LayerKind;
  });
};
