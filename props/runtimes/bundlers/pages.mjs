/** Pages that a newcomer writes, a folder each, and a test that runs in Node. */

/** Trains a regression on a device of that name; the names of optimizers and transformer are there for their size. */
const REGRESSION = `
import { add, compile, grad, key, matmul, mean, mul, normal, read, square, sub, tensor, zeros } from "taugrad";
import { open } from "taugrad/devices";
import { hiddenStates, initParams, logits, parseConfig } from "taugrad/models";
import { adamW, onDare, onTies } from "taugrad/optim";

globalThis.uses = [hiddenStates, initParams, logits, parseConfig, onDare, onTies];
globalThis.train = async (name, options) => {
  const device = await open(name, options);
  const rule = adamW();
  const loss = ({ w, b }, x, y) => mean(square(sub(add(matmul(x, w), b), y)));
  const step = compile((state, x) => {
    const y = add(matmul(x, tensor([[2], [-1]])), 0.5);
    return rule.update(state, grad(loss)(state.params, x, y), { lr: 0.05 });
  }, device);
  let state = rule.init({ w: zeros([2, 1]), b: zeros([1]) });
  for (let t = 0; t < 200; t++) state = step(state, tensor([[0, 1], [1, 0], [1, 1], [2, 1]]));
  const found = [...(await read(state.params.w)), ...(await read(state.params.b))];
  await device.close();
  return found;
};
`;

/** The same in a worker of the page's own. */
const WORKER = `
globalThis.train = (name) => new Promise((resolve, reject) => {
  const worker = new Worker(new URL("./train.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = ({ message }) => reject(new Error(message));
  worker.postMessage(name);
});
`;
const TRAIN = `${REGRESSION}
onmessage = async ({ data }) => postMessage(await train(data).catch((error) => String(error.stack)));
`;

const EVERYTHING = `
import * as align from "taugrad/align";
import * as devices from "taugrad/devices";
import * as models from "taugrad/models";
import * as optim from "taugrad/optim";
import * as testing from "taugrad/testing";
import * as all from "taugrad";

globalThis.uses = [align, all, devices, models, optim, testing];
`;

export const isRight = (found) => Array.isArray(found) && [2, -1, 0.5].every((x, i) => Math.abs(found[i] - x) < 0.05);

const INDEX = '<!doctype html><title>t</title><script type="module" src="./index.js"></script>\n';

/** Files of each, by their names. */
export const PAGES = {
  page: { "index.html": INDEX, "index.js": REGRESSION },
  worker: { "index.html": INDEX, "index.js": WORKER, "train.js": TRAIN },
  everything: { "index.html": INDEX, "index.js": EVERYTHING },
};

/** A test in Node under a runner that gives "test" so. */
export const testUnder = (runner) => `
import { test } from "${runner}";
${REGRESSION}
test("it trains", async () => {
  const found = await train("cpu");
  if (!(${isRight.toString()})(found)) throw new Error(String(found));
});
`;
