/**
 * A transformer over characters learns a rhyme by heart, and says it.
 * Prints:
 *   loss 0.8
 *   loss 0.0
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
const sizes = { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 64 };
const rest = { max_position_embeddings: 128, rms_norm_eps: 1e-5, tie_word_embeddings: true };
const config = parseConfig({ model_type: "llama", vocab_size: characters.length, ...sizes, ...rest }, "characters");
const objective = completionObjective(config);
const batches = batchesFrom(sequenceSource([{ ids, completionStart: 0 }], { batchSize: 1, padId: 0 }));

const device = await open("auto");
const start = { params: tg.evaluate(initParams(config, tg.key(0)), device), optimizer: adamW() };
const run = train({ objective, batches, ...start, steps: 120, learningRate: 0.02, loggingSteps: 40 }, device);
const params = await lastOf(run, ({ record }) => record && console.log("loss", record.loss.toFixed(1)));

const options = { maxNewTokens: 100, eosIds: [characters.indexOf("\n")], greedy: true };
const [said = []] = await generator(config, device)(params, [ids.slice(0, 5)], options);
console.log(
  Array.from(said, (id) => characters[id])
    .join("")
    .trim(),
);
await device.close();
