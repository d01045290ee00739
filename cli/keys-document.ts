import type { Keys } from "../run/keys/row.js";
import { ORIGINS } from "../run/keys/table.js";
import { optionsOf } from "./options.js";

const HEAD = `# Keys of TRL, transformers and others

What \`taugrad sft\`, \`dpo\`, \`kto\` and \`fit\` do with each key of TRL's configurations, of transformers' TrainingArguments (5.x
and late 4.x), of alignment-handbook's recipes and of LLaMA-Factory's, in a YAML file or on the command line. This page is what
\`taugrad help keys\` prints.

- **the same**: it is a key of taugrad, and means what it means there.
- **another key**: it is read as that one.
- **changes nothing**: any value is taken, and a note names the key.
- **only …**, **refused**: other values would change a number, or what a run does, and are refused by name.
- \`null\` is what it is there: no cut for \`max_length\`, no clipping for \`max_grad_norm\`, false for flags, no key where there is no
  default; of other keys it is refused by name.
`;

const FOOT = `## Keys of taugrad alone

`;

const rows = (keys: Keys): string =>
  Object.entries(keys)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { rule }]) => `| \`${name}\` | ${rule.replaceAll("|", "\\|")} |`)
    .join("\n");

/** docs/trl.md: every row of the tables, by where its key comes from. */
export const keysDocument = (): string => {
  const parts = [...ORIGINS]
    .reverse()
    .map(([origin, , keys]) => `## ${origin}\n\n| key | here |\n|---|---|\n${rows(keys)}\n`);
  const known = new Set(ORIGINS.flatMap(([, , keys]) => Object.keys(keys)));
  const alone = [...optionsOf("fit").keys()].filter((name) => !known.has(name)).sort();
  return [
    HEAD,
    ...parts,
    `${FOOT}${alone.map((name) => `\`${name}\``).join(", ")}: see \`taugrad dpo --help\`.\n`,
  ].join("\n");
};
