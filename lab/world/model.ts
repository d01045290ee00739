import { type Device, evaluate, key } from "../../core/index.js";
import {
  initParams,
  type Model,
  type Params,
  parseConfig,
  saveModel,
  writeCharacterTokenizer,
} from "../../models/index.js";
import { vocabulary } from "./vocabulary.js";

/** 155 264 parameters: three Llama layers over single characters, tied embeddings scaled by 8. */
export const config = parseConfig(
  {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: 64,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    intermediate_size: 176,
    hidden_act: "silu",
    vocab_size: vocabulary.length,
    max_position_embeddings: 128,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    embedding_multiplier: 8,
    pad_token_id: 0,
    bos_token_id: 1,
    eos_token_id: 4,
    torch_dtype: "float32",
  },
  "the lab's model",
);

/** Fresh weights on a device; a function of the seed. */
export const freshParams = (seed: number, device: Device): Params => evaluate(initParams(config, key(seed)), device);

/** What a chat message becomes: `<bos><u>REQUEST<a>ANSWER<e>`. */
const chatTemplate =
  "{{ '<bos>' }}{% for message in messages %}{{ ('<u>' if message['role'] == 'user' else '<a>') + message['content'] }}" +
  "{% if message['role'] == 'assistant' %}{{ '<e>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<a>' }}{% endif %}";

/** Writes a folder that `taugrad generate` and transformers load, tokenizer included. */
export const saveWorldModel = async (folder: string, params: Params): Promise<void> => {
  writeCharacterTokenizer(folder, {
    tokens: vocabulary,
    special: { pad: "<pad>", bos: "<bos>", eos: "<e>", others: ["<u>", "<a>"] },
    chatTemplate,
  });
  const model: Model = { config, params, layout: { kind: "single", names: Object.keys(params) }, dtype: "F32" };
  await saveModel(folder, model);
};
