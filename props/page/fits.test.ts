/** Laws of what an alignment takes of memory: what is planned to fit does, and what is refused is told what would. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { InputError, OutOfMemoryError } from "../../core/index.js";
import { openCpu } from "../../kernels/index.js";
import { loadModel, loadTokenizer } from "../../models/index.js";
import { align, prepared } from "../../page/model/align.js";
import { fitted } from "../../page/model/fits.js";
import { LOSSES, type LossName } from "../../page/model/losses.js";
import { goldenPath } from "../golden/files.js";
import { tries } from "../reach.js";
import { alignmentOf, PAIRS_TEXT } from "./model-tab.js";

const FROM = goldenPath("preferences", "sft");
const tokenizer = loadTokenizer(FROM);
const pairs = new File([PAIRS_TEXT], "pairs.jsonl");

/** Why it does not fit into so many bytes; undefined once it has been taken through there. */
const refused = async (memory: number, changed: Parameters<typeof alignmentOf>[0]): Promise<string | undefined> => {
  const device = await openCpu({ threads: 1, memory: "wasm32", limits: { wasm32: memory } });
  try {
    const lesson = { model: loadModel(FROM, device), tokenizer, base: undefined, pairs };
    const ready = await prepared({ ...lesson, alignment: alignmentOf(changed) });
    await align(await fitted(ready, device), device, { onStep: () => {}, isStopped: async () => false });
    return undefined;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.message;
  } finally {
    await device.close();
  }
};

test("page: a model that a device cannot hold is refused before any of it is read", async () => {
  const device = await openCpu({ threads: 1, memory: "wasm32", limits: { wasm32: 2 ** 19 } });
  assert.throws(
    () => loadModel(FROM, device),
    (error: Error) =>
      error instanceof OutOfMemoryError &&
      /^cpu: out of memory: 562944 bytes asked, 0 in use, 524288 at most, for the weights of /.test(error.message),
  );
  assert.equal(device.stats().liveBuffers, 0);
  await device.close();
});

const CHANGED =
  /; with (only an adapter)?(?:, )?(?:(\d+) a step)?(?:, )?(?:at most (\d+) tokens)? it takes ([\d.]+) (KiB|MiB)$/;

test("page: what is planned to fit into a memory does, and what is refused is told what fits", () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 32, max: 256 }), // pieces of 32 KiB; weights alone take 18
      fc.constantFrom(...(Object.keys(LOSSES) as LossName[])),
      fc.record({ lora: fc.boolean(), batch: fc.integer({ min: 2, max: 8 }), maxLength: fc.constantFrom(64, 256) }),
      async (share, loss, changed) => {
        const memory = share * 2 ** 15;
        const said = await refused(memory, { ...changed, loss });
        if (said === undefined || said.endsWith("choose a smaller model")) return;
        assert.match(said, CHANGED);
        const [, lora, batch, maxLength] = CHANGED.exec(said) as RegExpExecArray;
        const less = {
          ...{ ...changed, loss },
          ...(lora && { lora: true }),
          ...(batch && { batch: Number(batch) }),
          ...(maxLength && { maxLength: Number(maxLength) }),
        };
        assert.equal(await refused(memory, less), undefined);
      },
    ),
    { numRuns: tries(1) },
  ));
