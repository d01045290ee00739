/** The report of a run in Markdown: what was measured, what was not and why. */

const tableOf = (head, rows) =>
  [
    `| ${head.join(" | ")} |`,
    `|${head.map((_, i) => (i === 1 ? "---:" : ":---")).join("|")}|`,
    ...rows.map((row) => `| ${row.join(" | ")} |`),
  ].join("\n");

const figures = (messages) => messages.filter(({ value }) => value !== undefined);

/** The lines of a test run that tell: what ran on, what failed, the sums. */
const lawLines = (stdout) => {
  const lines = stdout.split("\n");
  const failed = lines.filter((line) => line.startsWith("✖")).slice(0, 10);
  return [...lines.filter((line) => /^webgpu: |^ℹ (pass|fail) /.test(line)), ...failed].map((line) =>
    line.replace(/^ℹ /, ""),
  );
};

/** A number of PyTorch's by its name, or nothing. */
const torchOf = (results) => {
  const text = results.find(({ name }) => name === "torch")?.stdout ?? "";
  try {
    return JSON.parse(text.slice(text.indexOf("{")));
  } catch {
    return undefined;
  }
};

/** "PyTorch f32 41.2 (0.6 ×)" for each of a figure's peers that was measured; ours divided by theirs. */
const besides = ({ value, peers = [] }, torch) =>
  peers
    .filter((peer) => typeof torch?.[peer] === "number")
    .map(
      (peer) =>
        `${peer.match(/bf16|f16|f32/)?.[0] ?? peer} ${Number(torch[peer].toPrecision(4))} (${(value / torch[peer]).toPrecision(2)} ×)`,
    )
    .join(", ");

const sectionOf =
  (torch) =>
  ({ name, messages, stdout, seconds, fault }) => {
    const lines = [`## ${name}`, ""];
    if (name === "doctor") lines.push("```", (messages[0]?.text ?? stdout).trim(), "```");
    else if (name === "laws") lines.push("```", ...lawLines(stdout), "```");
    else if (name === "torch") {
      const told = torchOf([{ name, stdout }]);
      if (told !== undefined)
        lines.push(
          tableOf(
            ["PyTorch", "value"],
            Object.entries(told).map(([key, value]) => [
              key,
              typeof value === "number" ? Number(value.toPrecision(4)) : value,
            ]),
          ),
        );
    } else if (figures(messages).length > 0)
      lines.push(
        tableOf(
          ["", "value", "unit", "", "PyTorch, and ours as a multiple"],
          figures(messages).map((f) => [f.name, f.value, f.unit, f.note ?? "", besides(f, torch)]),
        ),
      );
    for (const { name: what, why } of messages) if (why !== undefined) lines.push("", `${what}: not measured: ${why}.`);
    lines.push("", `${seconds.toFixed(0)} s${fault === undefined ? "" : `; **${fault}**`}.`);
    return lines.join("\n");
  };

/** `results`: { name, messages, stdout, seconds, fault? } of each part that ran. Returns the text of the file. */
export const reportOf = ({ date, adapter, description, node, processor }, results, seconds, { hasTorch, laws }) =>
  [
    `# ${adapter}, ${date}`,
    "",
    `${description}; ${processor}, node ${node}. \`npm run bench:gpu\`, ${seconds.toFixed(0)} s in all. Laws: ${laws.join(", ")}.`,
    ...(hasTorch ? [] : ["PyTorch was not asked (`--torch PATH` of a torch_baseline.py)."]),
    "",
    ...results.map(sectionOf(torchOf(results))).flatMap((text) => [text, ""]),
  ].join("\n");
