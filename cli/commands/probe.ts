import { paddingId } from "../../align/data/batch.js";
import { streamRows } from "../../align/data/data.js";
import { exampleDataset, pairDataset } from "../../align/data/dataset.js";
import type { BatchSource } from "../../align/data/rows.js";
import { pairSource, sequenceSource } from "../../align/data/source.js";
import { dispose, InputError } from "../../core/index.js";
import { type Probe, probe } from "../../lab/probe.js";
import { readConfig } from "../../models/config.js";
import { loadModel } from "../../models/index.js";
import { checkSameVocabulary } from "../../run/checks/check.js";
import { withDevice } from "../../run/device.js";
import { trainingTokenizer } from "../../run/parts/chat-template.js";
import { readDataset } from "../../run/parts/data.js";
import { paced } from "../../run/parts/pace.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";

/** `taugrad probe`: whether a drift along τ can help on some data, before any run is paid for. */
export const probeCommand = async (values: Values<"probe">, out: Output): Promise<void> => {
  const { model: folder, base_model: baseFolder } = values;
  const config = readConfig(folder);
  checkSameVocabulary([folder, config], [baseFolder, readConfig(baseFolder)]);
  const at = values.drifts.map((text) => {
    const c = Number(text);
    if (!Number.isFinite(c)) throw new InputError(`--drifts has ${text}; it must be numbers, such as -0.5,0.5,1`);
    return c;
  });
  const { source, pairs, close } = await sourceOf(values, config.vocabSize, out);
  const found = await withDevice(values, out, async (device) => {
    const [reference, base] = [loadModel(folder, device).params, loadModel(baseFolder, device).params];
    out.start();
    const onShare = paced(out, (percent) => `probe: ${percent} %`);
    try {
      return await probe({ config, reference, base, source, pairs, at, onShare }, device);
    } finally {
      dispose(reference, base);
    }
  }).finally(close);
  if (found.drifts.some(({ gain }) => !Number.isFinite(gain.mean)))
    throw new InputError(
      `${folder}: log-probabilities are not finite numbers; the weights are broken or have diverged`,
    );
  out.result(documentOf(found), () => describe(found));
};

/** The rows in file order; the first of them says whether they are pairs. */
const sourceOf = async (
  values: Values<"probe">,
  vocabSize: number,
  out: Output,
): Promise<{ readonly source: BatchSource; readonly pairs: boolean; readonly close: () => void }> => {
  const { data: path, model: folder, max_length: maxLength, limit, batch_size: batchSize } = values;
  const { max_inflation: inflation, max_row_bytes: longestRow } = values;
  const { tokenizer } = trainingTokenizer({ model_name_or_path: folder, chat_template_path: undefined }, out);
  const options = { batchSize, padId: paddingId(tokenizer, vocabSize), shuffle: false };
  const cut = { maxLength, vocabSize, limit, inflation, longestRow };
  for await (const { kind } of streamRows(path, { inflation, longestRow })) {
    if (kind === "paired") {
      const rows = await readDataset(pairDataset, path, tokenizer, cut, out);
      return { source: pairSource(rows, options), pairs: true, close: rows.close };
    }
    break;
  }
  const rows = await readDataset(exampleDataset, path, tokenizer, cut, out);
  return { source: sequenceSource(rows, options), pairs: false, close: rows.close };
};

/** The result without the gains of single rows. */
const documentOf = ({ drifts, best, ...rest }: Probe) => ({
  ...rest,
  best: best?.c ?? null,
  drifts: drifts.map(({ gain: { mean, low, high }, ...drift }) => ({ ...drift, gain: mean, low, high })),
});

const signed = (x: number): string => `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(4)}`;

const describe = ({ rows, of, drifts, best, verdict }: Probe): string => {
  const lines = drifts.map(({ c, logp, margin, gain }) =>
    [
      `c ${String(c).padStart(6)}`,
      `log-prob a token ${logp.toFixed(4)}`,
      ...(margin === undefined ? [] : [`margin ${margin.toFixed(3)}`]),
      ...(c === 0 ? [] : [`gain of ${of} ${signed(gain.mean)} [${signed(gain.low)}, ${signed(gain.high)}]`]),
    ].join("  "),
  );
  const said = {
    helps: `a drift along τ can help: c = ${best?.c} gains most for certain. In T steps choose α = c / T (paper: no rescaling), or α = c·p / T with 1/p`,
    hurts: "a drift along τ hurts here: every c > 0 loses for certain. Keep α at 0",
    undecided: "undecided: no c > 0 gains for certain; α will not matter much on this data, or more rows are needed",
  };
  return [`θ_r + cτ on ${rows} rows, gains over c = 0 with 95 % intervals`, ...lines, said[verdict]].join("\n");
};
