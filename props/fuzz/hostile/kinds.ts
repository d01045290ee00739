/** The hostile files as attempts of the campaign: each stands where a good one of its kind would. */
import { writeFileSync } from "node:fs";
import type { Kind } from "../attempt.js";
import { type Draw, pick } from "../mutate.js";
import { targets } from "../targets/all.js";
import { laid, type Target } from "../targets/target.js";
import { hostileParquet } from "./parquet.js";
import { hostileTemplates } from "./templates.js";
import { hostileFronts, hostileLines, hostileRows, hostileYaml } from "./texts.js";
import { hostileTokenizers } from "./tokenizers.js";

const target = (name: string): Target => targets.find((one) => one.name === name) as Target;

/** Draws a kind and a case of it, and puts that in the place of a target's file. */
const instead = <C>(
  kinds: Readonly<Record<string, (draw: Draw) => C>>,
  put: (made: C, draw: Draw) => readonly [target: string, content: string | Uint8Array],
): Kind => {
  return (draw, place) => {
    const name = pick(draw, Object.keys(kinds));
    const [file, content] = put(kinds[name](draw), draw);
    const { path: _, ...call } = laid(target(file), (path) => writeFileSync(path, content), place);
    return { what: `${file}, ${name}`, ...call };
  };
};

const whole = JSON.parse(Buffer.from(target("tokenizer.json").whole).toString("utf8"));
const tokenizers = Object.fromEntries(
  Object.entries(hostileTokenizers).map(([name, make]) => [name, (draw: Draw) => make(draw, whole)]),
);
/** Which target's file stands for which name. */
const ROWS: Readonly<Record<string, string>> = { "rows.jsonl": "pairs.jsonl", "rows.json": "pairs.json" };

export const hostile: Readonly<Record<string, Kind>> = {
  "hostile template": instead(hostileTemplates, (text) => ["chat_template.jinja", text]),
  "hostile tokenizer": instead(tokenizers, (made) => ["tokenizer.json", JSON.stringify(made)]),
  "hostile Parquet": instead(hostileParquet, (bytes) => ["rows.parquet", bytes]),
  "hostile YAML": instead(hostileYaml, (text, draw) => [pick(draw, ["dpo.yaml", "merge.yaml", "tasks.yaml"]), text]),
  "hostile README": instead(hostileFronts, (text, draw) => [
    pick(draw, ["rows' README.md", "model's README.md"]),
    text,
  ]),
  "hostile lines": instead(hostileLines, (bytes, draw) => [pick(draw, ["choices.csv", "prompts.jsonl"]), bytes]),
  "hostile rows": instead(hostileRows, ([name, bytes]) => [ROWS[name] ?? name, bytes]),
};
