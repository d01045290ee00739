/** What both engines do: load, a first token, then continuations of the same prompt, as tokens a second; one line of JSON. */

export const NEW_TOKENS = 200;
/** How a token is chosen, as each engine spells it. */
export const WAYS = {
  greedy: { taugrad: { greedy: true }, transformers: { do_sample: false } },
  "top-k 50": { taugrad: { topK: 50 }, transformers: { do_sample: true, top_k: 50 } },
  "top-p 0.9": { taugrad: { topP: 0.9 }, transformers: { do_sample: true, top_k: 0, top_p: 0.9 } },
};

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/**
 * `load()` gives `stream(way, told)`, which continues the prompt by NEW_TOKENS tokens, calls `told` with each piece of text as
 * soon as it is there, and resolves to all ids. Whole numbers of rounds, so that engines can be measured in turns.
 */
export const measure = async (load, rounds) => {
  const begun = performance.now();
  const stream = await load();
  const loaded = performance.now();
  const answer = { load_ms: loaded - begun, tokens_s: {}, cpu_us: {} };
  await stream("greedy", () => {
    answer.first_token_ms ??= performance.now() - loaded;
  });
  const roundsOf = async (way) => {
    const [rates, costs] = [[], []];
    for (let i = 0; i < rounds; i++) {
      const [before, used] = [performance.now(), process.cpuUsage()];
      const ids = await stream(way, () => {});
      rates.push((1000 * NEW_TOKENS) / (performance.now() - before));
      const { user, system } = process.cpuUsage(used);
      costs.push((user + system) / NEW_TOKENS);
      if (way === "greedy") answer.ids = ids;
    }
    answer.tokens_s[way] = median(rates);
    answer.cpu_us[way] = median(costs);
  };
  // Once for the engines' compilers, once for the clock.
  for (let pass = 0; pass < 2; pass++) for (const way of Object.keys(WAYS)) await roundsOf(way);
  console.log(JSON.stringify(answer));
};
