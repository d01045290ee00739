/**
 * A transformer over characters learns a rhyme by heart, and says it.
 * Prints:
 *   loss 0.0
 *   mary had a little lamb its fleece was white as snow
 */
import * as tg from "taugrad";
import { batchesFrom, completionObjective, lastOf, sequenceSource, train } from "taugrad/align";
import { open } from "taugrad/devices";
import { generator, initParams, parseConfig } from "taugrad/models";
import { adamW } from "taugrad/optim";

const rhyme =
  "mary had a little lamb its fleece was white as snow\nand everywhere that mary went the lamb was sure to go\n";
const characters = [...new Set(rhyme)];
const ids = [...rhyme].map((character) => characters.indexOf(character));
const config = parseConfig(
  {
    model_type: "llama",
    hidden_size: 32,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 64,
    vocab_size: characters.length,
    max_position_embeddings: 128,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
  },
  "a model of characters",
);

const device = await open("auto");
const batches = batchesFrom(sequenceSource([{ ids, completionStart: 0 }], { batchSize: 1, padId: 0 }));
let loss = 0;
const params = await lastOf(
  train(
    {
      objective: completionObjective(config),
      params: tg.evaluate(initParams(config, tg.key(0)), device),
      batches,
      optimizer: adamW(),
      steps: 120,
      learningRate: 0.02,
      loggingSteps: 40,
    },
    device,
  ),
  ({ record }) => {
    loss = record?.loss ?? loss;
  },
);
console.log("loss", loss.toFixed(1));

const generate = generator(config, device);
const [said = []] = await generate(params, [ids.slice(0, 5)], {
  maxNewTokens: 100,
  eosIds: [characters.indexOf("\n")],
  greedy: true,
});
console.log(
  said
    .map((id) => characters[id])
    .join("")
    .trim(),
);
tg.dispose(params);
await device.close();
