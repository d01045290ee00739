import { modelFingerprint } from "../../align/training/fingerprint.js";
import { dispose } from "../../core/index.js";
import {
  type EvaluationResult,
  evaluateTasks,
  parseTasks,
  subject,
  type TaskResult,
  tableRow,
  toolsOf,
  tryTasks,
} from "../../lab/evaluate/index.js";
import { loadModel, loadTokenizer } from "../../models/index.js";
import { withDevice } from "../../run/device.js";
import { readYamlObject } from "../../run/yaml.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";
import { untilEnded } from "../writing/until-ended.js";

/** `taugrad evaluate`: scores of a model on the tasks of a file, and their averages by category. */
export const evaluateCommand = async (values: Values<"evaluate">, out: Output): Promise<void> => {
  const { model: folder, tasks: path, output_dir, batch_size: batchSize, limit } = values;
  const tasks = parseTasks(await readYamlObject(path), path, folder).map((task) => ({
    ...task,
    limit: limit ?? task.limit,
  }));
  const tokenizer = loadTokenizer(folder);
  const tools = toolsOf({ unsandboxed: values.unsandboxed });
  await tryTasks(tasks, tools);
  const done = ({ name, rows, scores }: TaskResult) => {
    out.start();
    out.note(`${name}: ${percent(scores.score)} of ${rows}`);
  };
  const about = { batchSize, folder: output_dir, fingerprint: modelFingerprint(folder) };
  const options = { ...about, tools, done, tell: out.note };
  const work = () =>
    withDevice(values, out, async (device) => {
      const model = loadModel(folder, device);
      const asked = subject(model, tokenizer, device);
      try {
        return await evaluateTasks(tasks, asked, options);
      } finally {
        asked.free();
        dispose(model.params);
      }
    });
  const farewell = "answers so far are kept, and the same command goes on from there";
  const result = await (output_dir === undefined
    ? work()
    : untilEnded({ folder: output_dir, what: "evaluate", farewell }, out, work));
  out.result(result, () => describe(result));
};

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

const describe = ({ tasks, categories, average }: EvaluationResult): string => {
  const rows = [
    ...tasks.map(({ name, category, type, rows, skipped, truncated, scores: { score, ...more } }) => [
      name,
      `${category}, ${type}`,
      percent(score),
      [
        `${rows} rows`,
        ...(skipped > 0 ? [`${skipped} that need a model left out`] : []),
        ...(truncated > 0 ? [`${truncated} prompts cut`] : []),
        ...Object.entries(more).map(([key, value]) => `${key} ${percent(value)}`),
      ].join(", "),
    ]),
    ...Object.entries(categories).map(([name, score]) => [name, "category", percent(score), ""]),
    ["average", "of the categories", percent(average), ""],
  ];
  const row = tableRow(tasks, { categories, average });
  return [...columns(rows, 2), "", ...columns([row.map(([head]) => head), row.map(([, cell]) => cell)])].join("\n");
};

/** Lines of a table whose columns are as wide as their widest cell; the numbered one is pushed to the right. */
const columns = (rows: readonly (readonly string[])[], right?: number): readonly string[] => {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const cell = (text: string, i: number): string => (i === right ? text.padStart(widths[i]) : text.padEnd(widths[i]));
  return rows.map((row) => row.map(cell).join("  ").trimEnd());
};
