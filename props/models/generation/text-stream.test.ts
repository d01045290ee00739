/** Text that comes token by token is the text of all tokens; stop strings are cut out wherever they come to lie. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InputError } from "../../../core/index.js";
import { splitStops, stopCut } from "../../../models/generation/stop-strings.js";
import { textStream } from "../../../models/generation/text-stream.js";
import { loadTokenizer } from "../../../models/text/tokenizer.js";
import { byteFallbackTokenizer, byteLevelTokenizer, metaspaceTokenizer } from "../../generators/tokenizers.js";
import { goldenPath } from "../../golden/files.js";
import { tries } from "../../reach.js";

const tokenizers = {
  "byte level": byteLevelTokenizer(),
  "byte fallback": byteFallbackTokenizer(),
  metaspace: metaspaceTokenizer(),
  "a trained one": loadTokenizer(goldenPath("preferences", "base")),
};

for (const [name, tokenizer] of Object.entries(tokenizers))
  test(`tokens one by one give the text of all, whatever stands before: ${name}`, () => {
    const ids = fc.array(fc.nat(tokenizer.vocabSize - 1), { maxLength: 40 });
    fc.assert(
      fc.property(ids, ids, (before, after) => {
        const stream = textStream(tokenizer, before);
        const decode = (list: number[]) => tokenizer.decode(list, { skipSpecialTokens: true });
        const held = stream.held();
        const prompt = decode(before);
        assert.ok(prompt.endsWith(held));
        const told = prompt.slice(0, prompt.length - held.length);
        const pieces = after.map((id) => stream.push(id));
        assert.equal(told + pieces.join("") + stream.held(), decode([...before, ...after]));
      }),
      { numRuns: tries(400) },
    );
  });

test("a character over several tokens comes whole, with its last token", () => {
  const { push, held } = textStream(tokenizers["byte level"]);
  assert.deepEqual([2, 9, 10, 11, 15, 16, 17].map(push), ["a", "", "", "€", "", "", "😀"]);
  assert.equal(held(), "");
  // A run of bytes is one text: the next byte may spoil the one before it.
  const run = textStream(tokenizers["byte fallback"]);
  assert.deepEqual([4, 13, 0, 13, 4].map(run.push), ["b", "", "", "", "AAb"]);
});

test("only the last tokens are decoded again", () => {
  let most = 0;
  const tokenizer = tokenizers["byte level"];
  const counting = {
    byteIds: tokenizer.byteIds,
    decode: (ids: readonly number[], options?: object) => {
      most = Math.max(most, ids.length);
      return tokenizer.decode(ids, options);
    },
  };
  const { push } = textStream(counting, new Array(500).fill(2));
  for (let i = 0; i < 500; i++) push([2, 9, 12][i % 3]);
  assert.ok(most <= 20, `${most} tokens at once`);
});

/** The text before the stop string that is complete first, by definition. */
const cutPlainly = (text: string, stops: readonly string[]): string => {
  for (let end = 1; end <= text.length; end++) {
    const whole = stops.filter((stop) => text.slice(0, end).endsWith(stop));
    if (whole.length > 0) return text.slice(0, end - Math.max(...whole.map((stop) => stop.length)));
  }
  return text;
};

test("stop strings cut where the first of them is complete, however the text is split", () => {
  const letters = (from: number, to: number) =>
    fc.array(fc.constantFrom("a", "b", "é"), { minLength: from, maxLength: to }).map((list) => list.join(""));
  const stops = fc.array(letters(1, 4), { maxLength: 3 });
  fc.assert(
    fc.property(fc.array(letters(0, 4), { maxLength: 8 }), stops, (pieces, given) => {
      const cut = stopCut(given);
      let told = "";
      let isStopped = false;
      for (const piece of pieces) {
        const { text, stopped } = cut.push(piece);
        told += text;
        isStopped = stopped;
        if (stopped) break;
      }
      const whole = pieces.join("");
      assert.equal(told + (isStopped ? "" : cut.held()), cutPlainly(whole, given));
      assert.equal(
        isStopped,
        given.some((stop) => whole.includes(stop)),
      );
    }),
    { numRuns: tries(1000) },
  );
});

test("an empty stop string is refused; a special token is a stop of its own", () => {
  assert.throws(
    () => stopCut(["a", ""]),
    (error) => error instanceof InputError && /stop string 2 of 2 is empty/.test(error.message),
  );
  const tokenizer = tokenizers["a trained one"];
  assert.deepEqual(splitStops(["<|im_end|>", "x\n"], tokenizer), {
    texts: ["x\n"],
    ids: tokenizer.encode("<|im_end|>", { addSpecialTokens: false }),
  });
  assert.throws(() => splitStops(["<|im_end|>\n"], tokenizer), /holds the special token "<\|im_end\|>"/);
});
