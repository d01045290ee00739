import type { ModelConfig } from "../config.js";
import type { FamilyName } from "../families.js";
import { f32, type GgufValue } from "./format.js";

/** What llama.cpp computes for a family: its name there, and what of a configuration it has. */
export interface Architecture {
  readonly name: string;
  /** Rotated pairs lie beside each other there, not half a head apart: rows of q and k change places. */
  readonly interleaved?: true;
  /** Kinds of rotary scaling. */
  readonly ropes: readonly string[];
  /** A part of each head may be rotated alone. */
  readonly partial?: true;
  /** Biases that it reads. */
  readonly biases?: readonly ("qkv" | "o" | "mlp")[];
  /**
   * The output matrix: the embedding where the file has none (shared), always a tensor of its own (own), or always the embedding
   * (embedding).
   */
  readonly head: "shared" | "own" | "embedding";
  /** Whether layer i attends in a window. Without it none does: the context is then no longer than the model's windows. */
  readonly slides?: (layer: number) => boolean;
  /** Whether layer i rotates. Default: all do. */
  readonly rotates?: (layer: number) => boolean;
  /** What is computed from the numbers of a file, where that is not 1/√head_dim. */
  readonly attentionScale?: (config: ModelConfig) => number;
  readonly gelu?: true;
  /** Values of its own, without the name before them. */
  readonly values?: (config: ModelConfig) => Readonly<Record<string, GgufValue>>;
}

const PLAIN = ["default", "linear", "yarn"];

/** Gemma's largest models, known by their layers, scale by √(hidden_size / heads). */
const gemmaScale =
  (largest: number) =>
  ({ layers, hiddenSize, heads, headDim }: ModelConfig): number =>
    1 / Math.sqrt(layers === largest ? hiddenSize / heads : headDim);

const softCaps = ({ attentionCap, logitCap }: ModelConfig): Readonly<Record<string, GgufValue>> => ({
  ...(attentionCap !== undefined && { attn_logit_softcapping: f32(attentionCap) }),
  ...(logitCap !== undefined && { final_logit_softcapping: f32(logitCap) }),
});

const LLAMA = { interleaved: true, ropes: [...PLAIN, "llama3"], head: "shared" } as const;

/** By `model_type`. Source: src/models, llama-model.cpp and conversion of ggml-org/llama.cpp. */
export const architectures: Readonly<Record<FamilyName, Architecture>> = {
  llama: { ...LLAMA, name: "llama", biases: ["qkv", "o", "mlp"] },
  mistral: { ...LLAMA, name: "llama" },
  qwen2: { name: "qwen2", ropes: PLAIN, biases: ["qkv"], head: "shared" },
  qwen3: { name: "qwen3", ropes: PLAIN, head: "shared" },
  smollm3: { name: "smollm3", interleaved: true, ropes: PLAIN, head: "shared", rotates: (i) => (i + 1) % 4 !== 0 },
  gemma2: {
    ...{ name: "gemma2", ropes: ["default"], head: "embedding", gelu: true },
    slides: (i) => i % 2 === 0,
    attentionScale: gemmaScale(46),
    values: softCaps,
  },
  gemma3_text: {
    ...{ name: "gemma3", ropes: ["default", "linear"], head: "embedding", gelu: true },
    slides: (i) => i % 6 < 5,
    attentionScale: gemmaScale(62),
    values: softCaps,
  },
  olmo2: { name: "olmo2", ropes: PLAIN, head: "own" },
  phi3: { name: "phi3", ropes: ["default", "longrope"], partial: true, head: "shared" },
  granite: {
    ...{ ...LLAMA, name: "granite", biases: ["qkv", "o", "mlp"] },
    attentionScale: ({ attentionScale }) => attentionScale,
    values: ({ attentionScale, embeddingMultiplier, residualMultiplier, headMultiplier }) => ({
      "attention.scale": f32(attentionScale),
      embedding_scale: f32(embeddingMultiplier),
      residual_scale: f32(residualMultiplier),
      logit_scale: f32(1 / headMultiplier),
    }),
  },
};
