import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { LoggedRecord } from "../../align/training/writer.js";
import { readText } from "../../models/files/json.js";
import { hubNameOf } from "../../models/index.js";
import { harmless } from "../harmless.js";
import type { TrainingValues } from "../options/takes.js";
import { VERSION } from "../version.js";
import { frontMatter, parseYaml } from "../yaml.js";
import { isEvaluation } from "./history.js";
import { type Settings, yamlOf } from "./settings.js";

/** What a card tells. */
export interface CardFacts {
  readonly label: string;
  readonly values: TrainingValues;
  /** The command that made it, where it was one: the words after `taugrad`. */
  readonly call: readonly string[] | undefined;
  /** The device's description. */
  readonly device: string;
  /** Where `config.json` says that the model came from, if it does. */
  readonly origin: string | undefined;
  /** Of the data as it was trained on. */
  readonly fingerprint: string | undefined;
  readonly steps: number;
  readonly records: readonly LoggedRecord[];
}

const METHODS: Readonly<Record<string, string>> = {
  sft: "supervised fine-tuning",
  dpo: "preference optimization on pairs",
  kto: "preference optimization on labelled answers (KTO)",
};

/** The name of a model on the Hub: owner/name, and no folder here. */
const hubName = (name: string | undefined): string | undefined =>
  name !== undefined && /^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/.test(name) && !existsSync(name) ? name : undefined;

/** What the card of the model before says of its license: `license`, `license_name`, `license_link`. */
const licenseOf = async (folder: string): Promise<Settings> => {
  const card = join(folder, "README.md");
  if (!existsSync(card)) return {};
  try {
    const front = await parseYaml(frontMatter(readText(card)), card);
    return Object.fromEntries(Object.entries(front).filter(([key]) => /^license(_name|_link)?$/.test(key)));
  } catch {
    return {}; // somebody else's card, and no reason to lose a run
  }
};

/** A name or a text of somebody else's, as Markdown and HTML show it and neither reads it. */
const plain = (text: string): string =>
  harmless(text)
    .replace(/\s+/g, " ")
    .replace(/[\\`*_{}[\]()#+!|<>~&]/g, (c) =>
      c === "<" ? "&lt;" : c === ">" ? "&gt;" : c === "&" ? "&amp;" : `\\${c}`,
    );

/** The longest run of backticks in a text, and one more: a fence that nothing in it closes. */
const fenceFor = (text: string, least: number): string =>
  "`".repeat(Math.max(least, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length + 1)));

const code = (text: string): string => {
  const line = harmless(text).replace(/\s+/g, " ");
  const fence = fenceFor(line, 1);
  return fence === "`" ? `\`${line}\`` : `${fence} ${line} ${fence}`;
};

const block = (language: string, text: string): string => {
  const shownText = harmless(text);
  const fence = fenceFor(shownText, 3);
  return `${fence}${language}\n${shownText.replace(/\n?$/, "\n")}${fence}`;
};

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

const shown = (value: unknown): string =>
  typeof value !== "number" ? String(value) : Number.isInteger(value) ? String(value) : value.toPrecision(4);

/** The last value of every metric as a table: trained | evaluated. */
const metricsTable = (records: readonly LoggedRecord[]): string[] => {
  const trained = records.findLast((record) => !isEvaluation(record)) ?? {};
  const evaluated = records.findLast(isEvaluation) ?? {};
  const row = (name: string): string => {
    const evaluation = evaluated[`eval_${name}`];
    return `| ${plain(name)} | ${shown(trained[name])} |${Object.keys(evaluated).length === 0 ? "" : ` ${evaluation === undefined ? "" : shown(evaluation)} |`}`;
  };
  const columns = Object.keys(evaluated).length === 0 ? ["", "training"] : ["", "training", "evaluation"];
  return [
    `| ${columns.join(" | ")} |`,
    `|${columns.map(() => "---|").join("")}`,
    ...Object.keys(trained)
      .filter((name) => name !== "step")
      .map(row),
  ];
};

/** The output folder's README.md, with the front matter that the Hub reads. */
export const modelCard = async (facts: CardFacts): Promise<string> => {
  const { label, values, call, device, origin, fingerprint, steps, records } = facts;
  const { model_name_or_path: from, output_dir: folder, base_model_name_or_path: base } = values;
  const hub = hubNameOf(resolve(from)) ?? hubName(origin);
  const name = basename(resolve(folder));
  const front = harmless(
    await yamlOf({
      ...(hub !== undefined && { base_model: hub }),
      library_name: "transformers",
      pipeline_tag: "text-generation",
      model_name: name,
      tags: ["taugrad", label, values.optim],
      ...(await licenseOf(from)),
    }),
  );
  const made = `Trained from ${code(hub ?? from)} with taugrad ${VERSION}: ${METHODS[label] ?? label}, ${steps} steps of \`${values.optim}\`${base === undefined ? "" : `, reference delta over ${code(base)}`}.`;
  return [
    `---\n${front}---`,
    `# ${plain(name)}`,
    made,
    ...(call === undefined ? [] : [block("", `taugrad ${call.map(quoted).join(" ")}`)]),
    `## At the last step\n\n${metricsTable(records).join("\n")}`,
    `## Data\n\n${code(values.dataset_name)}${fingerprint === undefined ? "" : `, sha256 of what was trained on: \`${fingerprint}\``}`,
    `## Settings\n\n${block("yaml", await yamlOf(values))}`,
    `## Versions\n\ntaugrad ${VERSION}, Node ${process.versions.node}, ${process.platform} ${process.arch}; ${device}`,
  ]
    .join("\n\n")
    .concat("\n");
};

/** `_name_or_path` of a model folder's config.json. */
export const originOf = (raw: Readonly<Record<string, unknown>>): string | undefined =>
  typeof raw._name_or_path === "string" ? raw._name_or_path : undefined;
