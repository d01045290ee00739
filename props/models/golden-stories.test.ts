import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { compile, dispose, mean, neg, read, type Tensor, tensor } from "../../core/index.js";
import { loadModel } from "../../models/files/load.js";
import { generator } from "../../models/generation/generate.js";
import type { Params } from "../../models/parameters.js";
import { loadTokenizer } from "../../models/text/tokenizer.js";
import { device as deviceNamed, presentDevices } from "../devices.js";
import { besideCheckout } from "../golden/files.js";
import { tokenLogps } from "./token-logps.js";

/** What transformers computed with the trained model: mean NLL a token of texts, and greedy continuations of them. */
interface Stories {
  readonly nll: readonly { readonly text: string; readonly ids: readonly number[]; readonly nll: number }[];
  readonly greedy: readonly { readonly prompt: string; readonly ids: readonly number[]; readonly text: string }[];
}

const folder = besideCheckout("models", "stories260K");

for (const name of folder === undefined ? [] : await presentDevices())
  test(`stories260K tells its stories [${name}]`, async (t) => {
    const device = await deviceNamed(name);
    const { config, params } = loadModel(folder as string, device);
    const tokenizer = loadTokenizer(folder as string);
    const golden = JSON.parse(readFileSync(join(folder as string, "golden.json"), "utf8")) as Stories;
    const nllOf = compile((p: Params, ids: Tensor) => neg(mean(tokenLogps(p, config, ids))), device);
    for (const { text, ids, nll } of golden.nll) {
      assert.deepEqual(tokenizer.encode(text), ids);
      const out = nllOf(params, tensor(Int32Array.from(ids), [1, ids.length]));
      const [got] = await read(out);
      t.diagnostic(`NLL ${nll.toFixed(6)}, off by ${Math.abs(got - nll).toExponential(1)}`);
      assert.ok(Math.abs(got - nll) < 1e-4, `${text}: ${got}, expected ${nll}`);
      dispose(out);
    }
    const go = generator(config, device);
    for (const { prompt, ids, text } of golden.greedy) {
      const start = tokenizer.encode(prompt);
      const [told] = await go(params, [start], { maxNewTokens: ids.length - start.length, greedy: true });
      assert.deepEqual(told, ids);
      assert.equal(tokenizer.decode(told, { skipSpecialTokens: true }), text);
    }
    dispose(params);
  });
