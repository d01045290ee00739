/** `taugrad generate` beyond one prompt: many, samples, answers, stop strings, streams, adapters. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { inBatches } from "../../cli/speaking/batches.js";
import { add, evaluate, key, treeMap } from "../../core/index.js";
import { loadTokenizer, parseConfig, saveAdapter } from "../../models/index.js";
import { initLora } from "../../models/lora/lora.js";
import { device } from "../devices.js";
import { goldenJson } from "../golden/files.js";
import { document, scratch, succeeds, taugrad } from "./cli.js";
import { calls, file, policy, refuses } from "./cli-refuses.js";

interface Line {
  readonly index: number;
  readonly sample?: number;
  readonly end: string;
  readonly ids: readonly number[];
  readonly text: string;
}
const generate = ["generate", "--model", policy, "--device", "cpu", "--max-new-tokens", "8"];
const lines = (stdout: string): Line[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);

test("many prompts, several samples each: lines in order, each what the prompt gives alone", async () => {
  const prompts = ["the little bird", "a", "one day the dog saw a bird"];
  const path = file(
    "prompts.jsonl",
    [
      JSON.stringify(prompts[0]),
      JSON.stringify({ prompt: prompts[1] }),
      "",
      JSON.stringify({ messages: [{ role: "user", content: "hi" }] }),
      JSON.stringify({ prompt: prompts[2] }),
    ].join("\n"),
  );
  const options = ["--seed", "5", "--temperature", "1.5", "--json"];
  const many = ["--prompts", path, "--num-return-sequences", "2", "--batch-size", "3"];
  const [all, piped] = await Promise.all([
    taugrad([...generate, ...options, ...many]),
    taugrad([...generate, ...options, "--prompts", "-"], {}, `${prompts[0]}\n${prompts[2]}\n`),
  ]);
  assert.equal(all.code, 0, all.stderr);
  const told = lines(all.stdout);
  assert.deepEqual(
    told.map(({ index, sample }) => [index, sample]),
    [0, 1, 2, 3].flatMap((i) => [
      [i, 0],
      [i, 1],
    ]),
  );
  assert.notDeepEqual(told[0].ids, told[1].ids, "samples differ");
  const tokenizer = loadTokenizer(policy);
  const asked = tokenizer.encodeChat([{ role: "user", content: "hi" }], { addGenerationPrompt: true });
  const answer = tokenizer.decode(told[4].ids.slice(asked.length), { skipSpecialTokens: true });
  assert.equal(told[4].text, answer, "an answer stands alone");
  const alone = lines(piped.stdout);
  assert.deepEqual([alone[0].ids, alone[1].ids], [told[0].ids, told[6].ids]);
  assert.deepEqual(await document([...generate, ...options.slice(0, -1), "--prompt", prompts[2]]), {
    ids: told[6].ids,
    text: told[6].text,
  });
});

test("a line's messages are read as rows of data are: tools, parts, ShareGPT's roles; what is unknown is refused", async () => {
  const template = file(
    "tools.jinja",
    "{{ tools | tojson if tools }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
  );
  const tools = '[{"name": "f", "max": 1.0}]';
  const asked = (line: string) =>
    taugrad([...generate, "--greedy", "--json", "--chat_template_path", template, "--prompts", "-"], {}, line);
  const parts = '[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]';
  const [told, wrong, bare] = await Promise.all([
    asked(`{"messages": [{"from": "human", "value": ${parts}}], "tools": ${tools}}`),
    asked('{"messages": [{"role": "critic", "content": "a"}]}'),
    asked(`{"prompt": "a", "tools": ${tools}}`),
  ]);
  const { ids } = JSON.parse(told.stdout) as Line;
  assert.ok(loadTokenizer(policy).decode(ids).startsWith(`${tools}user: ab\n`), told.stdout);
  assert.match(wrong.stderr, /^taugrad: standard input:1: has a message of role "critic"/m);
  assert.match(bare.stderr, /^taugrad: standard input:1: tools is for the chat template; add --chat/m);
});

test("--stream prints what the call without it prints; --chat answers; --stop cuts", async () => {
  const asked = [...generate, "--seed", "2"];
  const [plain, streamed, chat] = await Promise.all([
    succeeds([...asked, "--prompt", "the little bird"]),
    succeeds([...asked, "--prompt", "the little bird", "--stream"]),
    document<{ ids: number[]; text: string }>([...asked, "--chat", "--system", "x", "--prompt", "bird"]),
  ]);
  assert.equal(streamed.stdout, plain.stdout);
  assert.ok(!chat.text.includes("bird\n"), "the answer alone");
  const added = plain.stdout.slice("the little bird".length, -1);
  const stop = added.slice(2, 4);
  const cutting = [...asked, "--prompt", "the little bird", "--stop", "never said", "--stop", stop];
  const { stdout, stderr } = await succeeds([...cutting, "--json", "--max-new-tokens", "5000"]);
  assert.match(stderr, /may have \d+ tokens, the model was made for/);
  const cut = JSON.parse(stdout) as { text: string };
  assert.equal(cut.text, `the little bird${added.slice(0, added.indexOf(stop))}`);
});

test("an adapter's folder, by either name, changes what is said", async () => {
  const folder = join(scratch(), "adapter");
  const config = parseConfig(goldenJson("preferences", "policy", "config.json"));
  const here = await device("cpu");
  const options = { rank: 2, alpha: 64, targets: ["o_proj", "down_proj"] };
  const factors = evaluate(
    treeMap((t) => add(t, 0.5), initLora(config, key(1), options)),
    here,
  );
  await saveAdapter(folder, { options, factors }, policy);
  const asked = [...generate, "--greedy", "--prompt", "the little bird"];
  const [plain, one, other] = await Promise.all([
    document<{ ids: number[] }>(asked),
    document<{ ids: number[] }>([...asked, "--adapter", folder]),
    document<{ ids: number[] }>([...asked, "--adapter-name-or-path", folder]),
  ]);
  assert.deepEqual(one, other);
  assert.notDeepEqual(one.ids, plain.ids);
});

test("what does not go together is refused with one line", async () => {
  const prompts = file("bad.jsonl", '{"prompt": "a"}\n{"prompt": 3}\n');
  const empty = file("empty.txt", "\n \n");
  const both = file("both.jsonl", '{"prompt": "a", "ids": [1]}\n');
  const g = calls.generate;
  const cases: [string[], RegExp][] = [
    [[...g], /needs one of --prompt TEXT and --ids "1,2,3", or --prompts FILE/],
    [[...g, "--prompt", "a", "--stream"], /--stream prints one text/],
    [[...g, "--prompt", "a", "--greedy", "--num-return-sequences", "3"], /--greedy has one answer/],
    [[...g, "--prompt", "a", "--stop", ""], /--stop is empty/],
    [[...g, "--prompt", "a", "--stop", "<|im_end|>\n"], /special token "<\|im_end\|>"/],
    [[...g, "--prompt", "a", "--system", "x"], /add --chat/],
    [[...g, "--prompts", prompts], /bad\.jsonl:2 is \{"prompt":3\}; it must be a text/],
    [[...g, "--prompts", empty], /empty\.txt: holds no prompt/],
    [[...g, "--prompts", both], /both\.jsonl:1 is .*have one of prompt/],
    [[...g, "--prompt", "a", "--template-kwargs", "[1]"], /--template-kwargs is "\[1\]"; it must be a JSON object/],
    [[...g, "--prompt", "a", "--adapter", "./no/such"], /--adapter "\.\/no\/such": no such folder/],
    [[...g, "--prompt", "a", "--min-p", "2"], /--min-p is "2"/],
  ];
  const ended = await Promise.all(cases.map(([args]) => taugrad(args)));
  for (const [i, [args, pattern]] of cases.entries()) refuses(ended[i], pattern, args.join(" "));
});

test("prompts of about equal length share a batch, results come in order", async () => {
  const prompts = [5, 1, 4, 2, 3].map((length) => ({ ids: new Array<number>(length).fill(0) }));
  const [batches, told]: [number[][], unknown[]] = [[], []];
  const run = async (rows: readonly (readonly number[])[], streams: readonly number[]) => {
    batches.push(rows.map((row) => row.length));
    return rows.map((row, i) => `${row.length}.${streams[i]}`);
  };
  await inBatches(prompts, { samples: 2, size: 4 }, run, ({ index, sample }, text) => told.push([index, sample, text]));
  assert.deepEqual(batches, [
    [1, 1, 2, 2],
    [3, 3, 4, 4],
    [5, 5],
  ]);
  assert.deepEqual(
    told,
    [5, 1, 4, 2, 3].flatMap((n, i) => [
      [i, 0, `${n}.0`],
      [i, 1, `${n}.1`],
    ]),
  );
});
