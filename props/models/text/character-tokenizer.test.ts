import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { writeCharacterTokenizer } from "../../../models/text/character-tokenizer.js";
import { loadTokenizer } from "../../../models/text/tokenizer.js";
import { refused } from "../../golden/refused.js";

const folder = mkdtempSync(join(tmpdir(), "taugrad-characters-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const tokens = ["<pad>", "<e>", "<u>", ..."abc019 \n?好👍'\"\\"];
const special = { eos: "<e>", pad: "<pad>", others: ["<u>"] };
const chatTemplate = "{% for m in messages %}<u>{{ m.content }}{% endfor %}";
writeCharacterTokenizer(folder, { tokens, special, chatTemplate });
const tokenizer = loadTokenizer(folder);

test("ids are places in the vocabulary, and decoding gives the text back", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: tokens.length - 1 }), { maxLength: 60 }), (ids) => {
      const text = ids.map((id) => tokens[id]).join("");
      assert.deepEqual(tokenizer.encode(text), ids);
      assert.equal(tokenizer.decode(ids), text);
    }),
  );
  assert.deepEqual(
    [tokenizer.eosId, tokenizer.padId, tokenizer.bosId, tokenizer.vocabSize],
    [1, 0, undefined, tokens.length],
  );
  assert.deepEqual(tokenizer.encodeChat([{ role: "user", content: "ab" }]), [2, 3, 4]);
});

test("a vocabulary that cannot be written is refused", () => {
  refused(() => writeCharacterTokenizer(folder, { tokens: ["a"], special: { eos: "<e>" } }), /"<e>" is not among/);
  refused(
    () => writeCharacterTokenizer(folder, { tokens: ["ab"], special: {} }),
    /"ab" is neither special nor one character/,
  );
});
