import { InputError } from "../../core/errors.js";
import type { ModelConfig } from "../config.js";
import { familyOf } from "../families.js";
import type { Architecture } from "./architectures.js";

/** Gemma's and Granite's classes have multipliers that llama.cpp has too; elsewhere it knows none. */
const multiplies = ({ name }: Architecture): boolean => name === "granite";

const near = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-6 * Math.abs(b);

/**
 * Errors: InputError naming what of a configuration llama.cpp would compute otherwise; `folder` is where it is from.
 */
export const checkArchitecture = (folder: string, config: ModelConfig, architecture: Architecture): void => {
  const { name, ropes, partial, biases = [], head, slides, rotates = () => true, gelu } = architecture;
  const { kinds, headDim, bias, tied, activation, attentionScale, embeddingMultiplier } = config;
  const refuse = (what: string): InputError =>
    new InputError(`${folder}: ${what}, which llama.cpp's ${name} does not compute; it cannot be exported`);
  for (const [layer, { window, rope }] of kinds.entries()) {
    if (slides !== undefined && slides(layer) !== (window !== undefined))
      throw refuse(`layer ${layer} attends ${window === undefined ? "to everything" : "in a window"}`);
    if (rotates(layer) !== (rope !== undefined))
      throw refuse(`layer ${layer} has ${rope === undefined ? "no" : "a"} rotary position`);
    if (rope === undefined) continue;
    const local = familyOf(config).localRope && window !== undefined;
    if (!(local ? ["default"] : ropes).includes(rope.type)) throw refuse(`rope_type is "${rope.type}"`);
    if (local && rope.theta !== 10000) throw refuse(`windowed layers have a rotary base of ${rope.theta}`);
    if (partial === undefined && 2 * rope.frequencies.length !== headDim)
      throw refuse("a part of each head is rotated");
  }
  const extra = (["qkv", "o", "mlp"] as const).find((part) => bias[part] && !biases.includes(part));
  if (extra !== undefined) throw refuse(`${extra} projections have a bias`);
  if (head === "embedding" && !tied) throw refuse("tie_word_embeddings is false");
  if ((activation === "geluTanh") !== (gelu === true)) throw refuse(`the activation is ${activation}`);
  const scale = architecture.attentionScale?.(config) ?? 1 / Math.sqrt(headDim);
  if (!near(attentionScale, scale)) throw refuse(`attention is scaled by ${attentionScale} and not by ${scale}`);
  const rooted = familyOf(config).rootEmbedding === true;
  if (!multiplies(architecture) && !rooted && embeddingMultiplier !== 1)
    throw refuse(`embedding_multiplier is ${embeddingMultiplier}`);
};
