/** generation_config.json decides how to sample as it does for transformers, or is refused by name. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../../core/index.js";
import { generationDefaults } from "../../../models/generation/defaults.js";
import type { SamplingOptions } from "../../../models/generation/sample.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-defaults-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const defaults = (file: object | undefined, given: SamplingOptions = {}) => {
  const path = join(folder, "generation_config.json");
  rmSync(path, { force: true });
  if (file !== undefined) writeFileSync(path, JSON.stringify(file));
  return generationDefaults(folder, given);
};

test("published files: what they say is used, and said", () => {
  const qwen = {
    do_sample: true,
    repetition_penalty: 1.1,
    temperature: 0.7,
    top_p: 0.8,
    top_k: 20,
    eos_token_id: [1, 2],
  };
  const { sampling, said } = defaults(qwen);
  assert.deepEqual(sampling, { greedy: false, temperature: 0.7, topK: 20, topP: 0.8, repetitionPenalty: 1.1 });
  assert.match(said, /generation_config\.json: temperature 0\.7, top_k 20, top_p 0\.8, repetition_penalty 1\.1/);
  // Llama 3.1's says nothing of top_k: 50 then, as transformers has it.
  assert.deepEqual(defaults({ do_sample: true, temperature: 0.6, top_p: 0.9 }).sampling, {
    ...{ greedy: false, temperature: 0.6, topP: 0.9, topK: 50 },
  });
  // Without do_sample transformers is greedy, whatever else stands there, but for the penalty.
  const idle = defaults({ eos_token_id: 2, temperature: 0.6, repetition_penalty: 1.2, max_new_tokens: 77 });
  assert.deepEqual(idle.sampling, { greedy: true, repetitionPenalty: 1.2 });
  assert.equal(idle.maxNewTokens, 77);
  assert.match(idle.said, /greedy/);
  assert.deepEqual(defaults(undefined, { topK: 3 }), { sampling: { topK: 3 }, maxNewTokens: undefined, said: "" });
});

test("what is given wins; giving a way to sample asks for sampling, unless greedy is given too", () => {
  const file = { temperature: 0.6, top_p: 0.9, top_k: 20 };
  fc.assert(
    fc.property(
      fc.record(
        { temperature: fc.constantFrom(0.5, 2), topK: fc.constantFrom(0, 5), minP: fc.constant(0.1), seed: fc.nat(9) },
        { requiredKeys: [] },
      ),
      fc.boolean(),
      fc.constantFrom(undefined, true, false),
      (given, sample, greedy) => {
        const { sampling } = defaults({ ...file, ...(sample && { do_sample: true }) }, { ...given, greedy });
        const isGreedy = greedy ?? !(sample || Object.keys(given).length > 0);
        const fromFile = isGreedy ? {} : { temperature: 0.6, topP: 0.9, topK: 20 };
        assert.deepEqual(sampling, { ...fromFile, ...given, greedy: isGreedy });
      },
    ),
  );
});

test("a field that would give another text, or a value out of range, is refused by name", () => {
  const cases: [object, RegExp][] = [
    [{ num_beams: 4 }, /num_beams is 4/],
    [{ no_repeat_ngram_size: 3 }, /no_repeat_ngram_size is 3/],
    [{ bad_words_ids: [[1]] }, /bad_words_ids is \[\[1\]\]/],
    [{ suppress_tokens: [5] }, /suppress_tokens/],
    [{ min_new_tokens: 3 }, /min_new_tokens is 3/],
    [{ do_sample: true, temperature: 0 }, /generation_config\.json: temperature is 0/],
    [{ do_sample: true, top_p: "0.9" }, /top_p is "0\.9"; it must be a number/],
    [{ max_new_tokens: -1 }, /max_new_tokens is -1/],
  ];
  for (const [file, pattern] of cases)
    assert.throws(
      () => defaults(file),
      (error) => error instanceof InputError && pattern.test(error.message),
    );
  // Neutral values, nulls and empty lists do nothing.
  const idle = { num_beams: 1, no_repeat_ngram_size: 0, bad_words_ids: null, suppress_tokens: [], min_length: 0 };
  assert.deepEqual(defaults(idle).sampling, { greedy: true });
});
