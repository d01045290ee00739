/**
 * The pictures of docs/optimizers.md, from runs of the optimizers themselves: node docs/pictures/draw.mjs, after npm run build.
 * Two colour schemes, by prefers-color-scheme; no fonts and no scripts.
 */
import { writeFileSync } from "node:fs";
import {
  compile,
  evaluate,
  key,
  logSigmoid,
  matmul,
  mean,
  mul,
  neg,
  normal,
  read,
  sqrt,
  sub,
  sum,
  tensor,
  valueAndGrad,
} from "taugrad";
import { open } from "taugrad/devices";
import {
  adamW,
  keepLargest,
  keepRandom,
  lion,
  muon,
  onDare,
  onTies,
  optimizer,
  sgd,
  weightedSum,
  weightedVote,
} from "taugrad/optim";

const device = await open("cpu");
const STYLE = `<style>
  text { font: 12px system-ui, sans-serif; fill: #222 } .axis { stroke: #999; fill: none } .faint { fill: #777 }
  .c0 { --c: #0b6bcb } .c1 { --c: #c2410c } .c2 { --c: #15803d } .c3 { --c: #7e22ce }
  path.line { stroke: var(--c); fill: none; stroke-width: 2 } circle { fill: var(--c) } rect.bar { fill: var(--c) } text.key { fill: var(--c) }
  @media (prefers-color-scheme: dark) { text { fill: #ddd } .axis { stroke: #777 } .faint { fill: #999 }
    .c0 { --c: #6cb2ff } .c1 { --c: #fb923c } .c2 { --c: #4ade80 } .c3 { --c: #c084fc } }
</style>`;
const write = (name, [width, height], title, parts) =>
  writeFileSync(
    new URL(`${name}.svg`, import.meta.url),
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${title}</title>
${STYLE}
${parts.join("\n")}
</svg>
`,
  );
const at = (n) => n.toFixed(1).replace(/\.0$/, "");
const line = (points, i) => `<path class="line c${i}" d="M${points.map(([x, y]) => `${at(x)} ${at(y)}`).join("L")}"/>`;
const words = (x, y, text, more = "") => `<text x="${at(x)}" y="${at(y)}" ${more}>${text}</text>`;

/** Where a rule goes in a valley ½x² + 12y² from (−3, 1), step by step. */
const path = async (rule, lr, steps) => {
  const step = compile((state) => rule.update(state, { w: mul(state.params.w, tensor([1, 24])) }, { lr }), device);
  let state = evaluate(rule.init({ w: tensor([-3, 1]) }), device);
  const points = [[-3, 1]];
  for (let t = 0; t < steps; t++) {
    state = step(state);
    points.push([...(await read(state.params.w))]);
  }
  return points;
};
const paths = [
  ["sgd, lr 0.04", await path(optimizer(sgd()), 0.04, 60)],
  ["adamW, lr 0.2", await path(adamW({ weightDecay: 0 }), 0.2, 60)],
  ["lion, lr 0.1", await path(optimizer(lion()), 0.1, 60)],
  ["muon, lr 0.5", await path(optimizer(muon()), 0.5, 60)],
];
const [X, Y] = [(x) => 330 + 90 * x, (y) => 130 - 90 * y];
write("valley", [640, 280], "Paths of four base optimizers in a narrow valley", [
  ...[0.15, 0.5, 1.2, 2.4, 4.5].map(
    (r) =>
      `<ellipse class="axis" cx="330" cy="130" rx="${at(90 * Math.sqrt(2 * r))}" ry="${at(90 * Math.sqrt(r / 12))}"/>`,
  ),
  ...paths.map(([, points], i) =>
    line(
      points.map(([x, y]) => [X(x), Y(y)]),
      i,
    ),
  ),
  ...paths.map(
    ([, points], i) => `<circle class="c${i}" r="4" cx="${at(X(points.at(-1)[0]))}" cy="${at(Y(points.at(-1)[1]))}"/>`,
  ),
  ...paths.map(([name], i) => words(20 + 155 * i, 268, name, `class="key c${i}"`)),
]);

/** One merged step, element by element: what is chosen of Δ and of τ, and what comes out. */
const [delta, tau] = [
  [0.9, -0.2, 0.5, -0.8, 0.1, 0.6, -0.4, -0.1],
  [0.3, 0.8, -0.6, -0.5, 0.7, 0.1, -0.9, 0.2],
];
const masks = { delta: [1, 1, 0, 1, 0, 0, 1, 0], tau: [0, 1, 1, 1, 0, 1, 0, 0] };
const draw = (stream) => tensor(masks[stream].map((bit) => bit === 1));
const numbers = async (t) => [...(await read(evaluate(t, device)))];
const [d, u] = [tensor(delta), tensor(tau)];
const alpha = 0.4;
const chosen = { dare: keepRandom(0.5), ties: keepLargest(0.5) };
const rows = [
  ["Δ, the step of Adam", delta, 0],
  ["τ = w_sft − w_base", tau, 1],
  [
    "OnDARE, p ½, α 0.4",
    await numbers(weightedSum(chosen.dare(d, "delta", draw), chosen.dare(u, "tau", draw), alpha)),
    2,
  ],
  [
    "OnTIES, p ½, α 0.4",
    await numbers(weightedVote(chosen.ties(d, "delta", draw), chosen.ties(u, "tau", draw), alpha)),
    3,
  ],
];
write(
  "merged-step",
  [640, 330],
  "One step of eight weights: Adam's, the reference delta, and what OnDARE and OnTIES make of them",
  [
    ...rows.flatMap(([name, values, i], row) => {
      const zero = 50 + 76 * row;
      return [
        words(10, zero + 4, name),
        `<path class="axis" d="M170 ${zero}H630"/>`,
        ...values.map((v, k) => {
          const height = Math.abs(34 * v);
          return `<rect class="bar c${i}" x="${190 + 55 * k}" width="34" y="${at(v > 0 ? zero - height : zero)}" height="${at(Math.max(height, 0.6))}"/>`;
        }),
      ];
    }),
  ],
);

/** How far from where it began a preference run goes: 256 pairs of 64 features, of which an eighth are labelled wrongly. */
const pairs = evaluate(normal(key(1), [256, 64]), device);
const wanted = evaluate(matmul(pairs, normal(key(2), [64, 1])), device);
const signs = (await numbers(wanted)).map((z, i) => (z > 0 === (i % 8 !== 0) ? 1 : -1));
const labels = tensor(signs, [256, 1]);
const loss = ({ w }) => mean(neg(logSigmoid(mul(labels, matmul(pairs, w)))));
const towards = tensor(
  Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? 1 : -1)),
  [64, 1],
);
const distance = compile((w) => sqrt(sum(mul(w, w))), device);
const run = async (rule) => {
  const step = compile((state, tau) => {
    const [value, grads] = valueAndGrad(loss)(state.params);
    return { state: rule.update(state, grads, { lr: 0.002, ...(rule.usesTau && { tau }) }), value };
  }, device);
  let state = evaluate(rule.init({ w: sub(towards, towards) }, { seed: 7 }), device);
  const tau = evaluate(rule.prepare({ w: towards }, state.key), device);
  const points = [[0, 0]];
  for (let t = 1; t <= 300; t++) {
    ({ state } = step(state, tau));
    if (t % 5 === 0) points.push([t, (await read(distance(state.params.w)))[0]]);
  }
  return points;
};
const merging = { weightDecay: 0, preset: "paper" };
const curves = [
  ["p 1, α 0: Adam", await run(onDare({ ...merging, reserveP: 1, alpha: 0 }))],
  ["OnDARE, p ½, α 0", await run(onDare({ ...merging, reserveP: 0.5, alpha: 0 }))],
  ["OnDARE, p ½, α 0.002", await run(onDare({ ...merging, reserveP: 0.5, alpha: 0.002 }))],
  ["OnTIES, p ½, α 0.002", await run(onTies({ ...merging, reserveP: 0.5, alpha: 0.002 }))],
];
const most = Math.max(...curves.flatMap(([, points]) => points.map(([, y]) => y)));
write("distance", [640, 300], "Distance of the weights from where they began, by step", [
  `<path class="axis" d="M50 15V250H600"/>`,
  words(50, 268, "0", 'text-anchor="middle"'),
  words(600, 268, "300 steps", 'text-anchor="end"'),
  words(44, 24, most.toFixed(1), 'text-anchor="end"'),
  ...curves.map(([, points], i) =>
    line(
      points.map(([t, y]) => [50 + (550 * t) / 300, 250 - (235 * y) / most]),
      i,
    ),
  ),
  ...curves.map(([name], i) => words(20 + 150 * i, 290, name, `class="key c${i}"`)),
]);
await device.close();
