/** Calls and values that are wrong. */
import { join } from "node:path";
import { test } from "node:test";
import { taugrad } from "./cli.js";
import { type Case, calls, file, folder, ids, pairs, policy, refused, refuses, tiny } from "./cli-refuses.js";

refused("usage", () => [
  [[], /no command given/],
  [["dop"], /there is no command "dop"; did you mean "dpo"\?/],
  [["frobnicate"], /there is no command "frobnicate"; taugrad --help/],
  [["--model", "x"], /the command comes first/],
  [[...calls.logprobs, "--modle", tiny], /no option --modle; did you mean --model\?/],
  [[...calls.generate, "--max_new_token", "3"], /did you mean --max-new-tokens\?/],
  [[...calls.logprobs, "--model"], /--model needs a value/],
  [[...calls.logprobs, "--model", "--json"], /--model needs a value/],
  [[...calls.logprobs, "words"], /takes no argument "words"/],
  [calls.logprobs, /needs --model DIR/],
  [[...calls.logprobs, "--model", tiny], /one of --ids-file FILE and --text TEXT/],
  [[...calls.generate, "--prompt", "a", "--ids", "1"], /one of --prompt TEXT and --ids/],
  [[...calls.generate, "--ids", "1", "--device", "gpu"], /--device is "gpu"; did you mean "webgpu"\?/],
  [[...calls.dpo, "--resume="], /--resume is empty; give DIR/],
  [[...calls.dpo, "--json=maybe"], /--json is "maybe"; it must be true or false/],
]);

refused("token ids and prompts", () => [
  [[...calls.logprobs, "--model", tiny, "--ids-file", join(folder, "none.json")], /none\.json: no such file/],
  [[...calls.logprobs, "--model", tiny, "--ids-file", folder], /is a folder, and must be a regular file/],
  [[...calls.logprobs, "--model", tiny, "--ids-file", file("a.json", "[1")], /a\.json: is not JSON/],
  [[...calls.logprobs, "--model", tiny, "--ids-file", file("b.json", '{"ids": 1}')], /must hold \{"ids"/],
  [[...calls.logprobs, "--model", tiny, "--ids-file", file("c.json", '{"ids": []}')], /holds no sequence/],
  [[...calls.logprobs, "--model", tiny, "--ids-file", file("d.json", '{"ids": [[1], []]}')], /ids\[1\] is empty/],
  [
    [...calls.logprobs, "--model", tiny, "--ids-file", file("e.json", '{"ids": [[1], ["a"]]}')],
    /ids\[1\]: token id "a" is outside/,
  ],
  [[...calls.logprobs, "--model", tiny, "--ids-file", file("f.json", '{"ids": [[1.5]]}')], /token id 1\.5 is outside/],
  [
    [...calls.logprobs, "--model", tiny, "--ids-file", file("g.json", '{"ids": [[1, 999999]]}')],
    /token id 999999 is outside of the model's vocabulary/,
  ],
  [[...calls.logprobs, "--model", tiny, "--text", "a"], /holds no tokenizer\.json/],
  [[...calls.generate, "--ids", "1,b"], /--ids is "1,b"; it must be token ids such as "1,2,3"/],
  [[...calls.generate, "--ids", "1,,2"], /--ids is "1,,2"/],
  [[...calls.generate, "--ids", "-1"], /--ids is "-1"/],
  [[...calls.generate, "--ids", "1,100000"], /token id 100000 is outside/],
  [[...calls.generate, "--ids", ""], /--ids is empty/],
  [[...calls.generate, "--prompt", ""], /--prompt is empty/],
  [[...calls.generate, "--model", tiny, "--prompt", "a"], /holds no tokenizer\.json/],
]);

refused("numbers of generate", () => {
  const wrong = (option: string, value: string, must: RegExp): Case => [
    [...calls.generate, "--ids", "1", option, value],
    must,
  ];
  return [
    ...["0", "-1", "1.5", "NaN", "many", "1e99"].map((n) =>
      wrong("--max-new-tokens", n, /--max-new-tokens is .* an integer ≥ 1/),
    ),
    wrong("--max-new-tokens", "2147483648", /--max-new-tokens is "2147483648"; it must be at most 16777216/),
    wrong("--batch-size", "2147483648", /--batch-size is "2147483648"; it must be at most 65536/),
    ...["0", "-1", "nan", "inf"].map((n) => wrong("--temperature", n, /--temperature is .* a number > 0/)),
    ...["0", "1.01", "x"].map((n) => wrong("--top-p", n, /--top-p is .* a number in \(0, 1\]/)),
    wrong("--top-k", "-1", /--top-k is .* an integer ≥ 0/),
    wrong("--repetition-penalty", "0", /--repetition-penalty is .* a number > 0/),
    wrong("--seed", "-1", /--seed is .* an integer ≥ 0/),
  ];
});

refused("keys of losses", () => {
  const kto = ["kto", ...calls.dpo.slice(1)];
  const evaluate = ["eval", "--model", policy, "--ref-model", policy, "--data", pairs];
  return [
    [[...kto, "--loss_type", "sigmoid"], /loss_type is sigmoid; labelled answers have kto alone/],
    [[...kto, "--per_device_train_batch_size", "1"], /per_device_train_batch_size is 1; .* at least 2/],
    [[...kto, "--per_device_eval_batch_size", "1"], /per_device_eval_batch_size is 1; .* at least 2/],
    [[...kto, "--truncation_mode", "keep_end"], /truncation_mode keep_end is not for kto/],
    [[...kto, "--precompute_ref_log_probs"], /set shuffle_dataset: false/],
    [[...kto, "--undesirable_weight", "-1"], /--undesirable_weight is "-1"; it must be a number ≥ 0/],
    [[...kto, "--loss_weights", "1"], /no option --loss_weights/],
    [[...evaluate, "--loss-type", "kto", "--batch-size", "1"], /batch_size is 1; .* at least 2/],
    [[...evaluate, "--loss-type", "kto,ipo"], /loss_type is kto, ipo; labelled answers have kto alone/],
    [[...evaluate, "--loss-type", "ipo,sft,ipo"], /loss_type names ipo twice/],
    [[...evaluate, "--loss-type", "ipo", "--loss-weights", "one"], /--loss-weights is "one"; it must be a number/],
    [[...evaluate, "--label-smoothing", "0.5"], /--label-smoothing is "0\.5"; it must be a number in \[0, 0\.5\)/],
  ];
});

refused("training keys", () => {
  const yaml = (name: string, text: string): string[] => [...calls.dpo, "--config", file(name, text)];
  return [
    [yaml("alpha.yaml", "alpha: 1.5\n"), /alpha\.yaml: alpha is 1\.5; it must be a number in \[0, 1\]/],
    [
      yaml("p.yaml", "optim: onties\nreserve_p: -0.1\n"),
      /p\.yaml: reserve_p is -0\.1; it must be a number in \[0, 1\]/,
    ],
    [[...calls.dpo, "--alpha", "-1"], /--alpha is "-1"/],
    [[...calls.dpo, "--reserve-p", "2"], /--reserve_p is "2"/],
    [yaml("unknown.yaml", "learning_rat: 1\n"), /unknown key "learning_rat"; did you mean "learning_rate"\?/],
    [yaml("text.yaml", "learning_rate: fast\n"), /learning_rate is "fast"; it must be a number ≥ 0/],
    [
      [...calls.sft, "--config", file("beta.yaml", "beta: 0.1\n")],
      /beta\.yaml: "beta" is a key of taugrad dpo, not of taugrad sft/,
    ],
    [yaml("syntax.yaml", "a: [\n"), /syntax\.yaml:\d+: is not YAML/],
    [[...calls.dpo, "--config", join(folder, "gone.yaml")], /gone\.yaml: no such file/],
    [[...calls.dpo, "--config", folder], /is a folder, and must be a regular file/],
    [["dpo", "--dataset_name", pairs], /needs --config FILE, or --model_name_or_path DIR/],
    [[...calls.dpo, "--learning_rate", "NaN"], /--learning_rate is "NaN"/],
    [[...calls.dpo, "--max_steps", "0"], /max_steps is 0/],
    [[...calls.dpo, "--rescale", "l1", "--optim", "ondare"], /merge_preset: official/],
    [[...calls.dpo, "--output_dir", ids], /is a file; choose a folder/],
    [[...calls.dpo, "--output_dir", join(ids, "below")], /is a file/],
    [[...calls.dpo, "--output_dir", policy], /output_dir is model_name_or_path/],
    [[...calls.dpo, "--loss_type", "ipoo"], /--loss_type is "ipoo"; did you mean "ipo"\?$/m],
    [[...calls.dpo, "--loss_type", "sigmoid,kto"], /loss_type kto is a loss on labelled answers, .* taugrad kto/],
    [[...calls.dpo, "--loss_type", "sigmoid,sft", "--loss_weights", "1"], /loss_weights holds 1 for 2 in loss_type/],
    [[...calls.dpo, "--loss_type", "exo_pair"], /exo_pair .* label_smoothing; make it larger than 0/],
    [
      [...calls.dpo, "--precompute_ref_log_probs", "--ref_log_probs_cache", join(ids, "below")],
      /ref_log_probs_cache: .* is a file/,
    ],
  ];
});

test("no adapter for --device webgpu", { skip: process.platform !== "linux" }, async () => {
  const nowhere = join(folder, "no-driver.json");
  const env = { VK_ICD_FILENAMES: nowhere, VK_DRIVER_FILES: nowhere };
  const call = [...calls.generate, "--ids", "1", "--device", "webgpu"];
  refuses(await taugrad(call, env), /webgpu: no adapter: .*--device cpu/, "with a Vulkan loader but no driver");
  // Where the system has a Vulkan loader of its own, this is the same case again.
  refuses(await taugrad(call, { ...env, LD_LIBRARY_PATH: "" }), /webgpu: no adapter: .*--device cpu/, "with no loader");
});
