/** What runs alike in Node and in a browser, from the built package: numbers of a device, each as the hash of its bits. */
import * as tg from "taugrad";
import { open } from "taugrad/devices";
import { adamW } from "taugrad/optim";

const hash = (numbers) => {
  let h = 0x811c9dc5;
  for (const byte of new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength))
    h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  return `${numbers.length}:${h.toString(16)}`;
};
const x = () => tg.normal(tg.key(1), [33, 65]);
const loss = ({ w, b }, of, to) => tg.mean(tg.square(tg.sub(tg.add(tg.matmul(of, w), b), to)));

/** Programs of no arguments. The product has enough blocks for several threads. */
const programs = {
  bits: () => tg.uniform(tg.key(7), [1001]),
  pointwise: () => tg.add(tg.exp(tg.tanh(x())), tg.div(tg.sin(x()), 3)),
  softmax: () => tg.softmax(x()),
  reduce: () => tg.sum(x(), 0),
  product: () => tg.matmul(tg.normal(tg.key(2), [256, 300]), tg.normal(tg.key(3), [300, 520])),
  gather: () => tg.gather(x(), tg.tensor([4, 0, 40, 32], [4], "i32")),
  gradient: () => tg.grad((y) => tg.sum(tg.softmax(tg.matmul(y, tg.transpose(y)))))(x()),
};

/** Weights of a regression after thirty steps. */
const trainedOn = async (device) => {
  const rule = adamW();
  const step = tg.compile((state) => {
    const of = tg.normal(tg.key(0), [64, 2]);
    const to = tg.add(tg.matmul(of, tg.tensor([[2], [-1]])), 0.5);
    return rule.update(state, tg.grad(loss)(state.params, of, to), { lr: 0.1 });
  }, device);
  let state = rule.init({ w: tg.zeros([2, 1]), b: tg.zeros([1]) });
  for (let t = 0; t < 30; t++) state = step(state);
  return tg.read(state.params.w);
};

/** Hashes by name on this device, of some programs or of all and of a training, and what it is. */
export const numbersOf = async (name, titles = [...Object.keys(programs), "trained"]) => {
  const device = await open(name);
  const found = {};
  for (const title of titles) {
    if (title === "trained") {
      found.trained = hash(await trainedOn(device));
      continue;
    }
    const compiled = tg.compile(programs[title], device);
    for (const round of ["", " again"]) {
      found[title + round] = hash(await tg.read(compiled()));
      await new Promise((then) => setTimeout(then)); // workers start where a page comes to rest
    }
  }
  const { description } = device;
  await device.close();
  return { description, found };
};
