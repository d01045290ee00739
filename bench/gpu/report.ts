/** The report of a run in Markdown: what was measured, what was not and why. */
import type { Figure } from "./part.js";

/** What a part handed over: a number, or why there is none. */
export type Message = Figure | { readonly name: string; readonly why: string };

export interface Result {
  readonly name: string;
  readonly messages: readonly Message[];
  readonly stdout: string;
  readonly seconds: number;
  /** How it ended, unless well. */
  readonly fault?: string;
}

export interface About {
  readonly date: string;
  readonly adapter: string;
  /** Device, processor, Node. */
  readonly machine: string;
  readonly laws: readonly string[];
}

type Torch = Readonly<Record<string, unknown>>;

const tableOf = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [
    `| ${head.join(" | ")} |`,
    `|${head.map((_, i) => (i === 1 ? "---:" : ":---")).join("|")}|`,
    ...rows.map((row) => `| ${row.join(" | ")} |`),
  ].join("\n");

/** The lines of a test run that tell: what it ran on, the sums, what failed. */
const lawLines = (stdout: string): string[] => {
  const lines = stdout.split("\n");
  const failed = lines.filter((line) => line.startsWith("✖")).slice(0, 10);
  return [...lines.filter((line) => /^webgpu: |^ℹ (pass|fail) /.test(line)), ...failed].map((line) =>
    line.replace(/^ℹ /, ""),
  );
};

/** PyTorch's figures by name: the JSON in what torch_baseline.py wrote. */
const torchIn = (stdout: string): Torch | undefined => {
  try {
    return JSON.parse(stdout.slice(stdout.indexOf("{")));
  } catch {
    return undefined; // it was cut off, or failed: its section says so
  }
};

const short = (value: unknown): string => (typeof value === "number" ? `${Number(value.toPrecision(4))}` : `${value}`);

/** "f32 41.2 (0.6 ×)" for each peer of a figure that was measured: ours divided by theirs. */
const beside = ({ value, peers = [] }: Figure, torch: Torch = {}): string =>
  peers
    .flatMap((peer) => {
      const theirs = torch[peer];
      const type = peer.match(/bf16|f16|f32/)?.[0] ?? peer;
      return typeof theirs === "number" ? [`${type} ${short(theirs)} (${(value / theirs).toPrecision(2)} ×)`] : [];
    })
    .join(", ");

const bodyOf = ({ name, messages, stdout }: Result, torch: Torch | undefined): string[] => {
  if (name === "doctor") return ["```", stdout.trim(), "```"];
  if (name === "laws") return ["```", ...lawLines(stdout), "```"];
  if (name === "torch")
    return torch === undefined
      ? []
      : [
          tableOf(
            ["PyTorch", "value"],
            Object.entries(torch).map(([key, value]) => [key, short(value)]),
          ),
        ];
  const figures = messages.filter((message) => "value" in message);
  const missing = messages.filter((message) => "why" in message);
  return [
    ...(figures.length === 0
      ? []
      : [
          tableOf(
            ["what", "value", "unit", "with", "PyTorch (ours as a multiple)"],
            figures.map((f) => [f.name, f.value, f.unit, f.note ?? "", beside(f, torch)]),
          ),
        ]),
    ...missing.flatMap(({ name: what, why }) => ["", `${what}: not measured: ${why}.`]),
  ];
};

/** The text of the file. */
export const reportOf = ({ date, adapter, machine, laws }: About, results: readonly Result[]): string => {
  const asked = results.find(({ name }) => name === "torch");
  const torch = asked && torchIn(asked.stdout);
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  return [
    `# ${adapter}, ${date}`,
    "",
    `${machine}. \`npm run bench:gpu\`, ${seconds.toFixed(0)} s in all.`,
    ...(results.some(({ name }) => name === "laws") ? [`Laws: ${laws.join(", ")}.`] : []),
    ...(asked === undefined ? ["PyTorch was not asked (`--torch PATH` of a torch_baseline.py)."] : []),
    ...results.flatMap((result) => [
      ...["", `## ${result.name}`, "", ...bodyOf(result, torch), ""],
      `${result.seconds.toFixed(0)} s${result.fault === undefined ? "" : `; **${result.fault}**`}.`,
    ]),
    "",
  ].join("\n");
};
