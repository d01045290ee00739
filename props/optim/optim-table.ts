import { add, grad, mul, sliceAxis, square, sub, sum, type Tensor } from "../../core/index.js";
import {
  adafactor,
  adam,
  adamW,
  childTuningD,
  childTuningF,
  decayed,
  type LiftOptions,
  l2ToReference,
  lion,
  type MergingOptions,
  muon,
  type Optimizer,
  onDare,
  onDareTies,
  onMagnitude,
  onTies,
  optimizer,
  pullback,
  scheduleFree,
  sgd,
  shadow,
} from "../../optim/index.js";

/** How fast an optimizer learns where the gradient is of order one, and on Rosenbrock's valley. */
interface Pace {
  readonly quadratic: number;
  readonly rosenbrock: number;
}
const ADAPTIVE: Pace = { quadratic: 0.1, rosenbrock: 0.05 };
const SIGNED: Pace = { quadratic: 0.05, rosenbrock: 0.01 };
/** Muon moves a vector by a fifth of the rate. */
const MATRIX: Pace = { quadratic: 0.25, rosenbrock: 0.05 };
const DESCENT: Pace = { quadratic: 0.1, rosenbrock: 1e-3 };

export interface Entry {
  readonly name: string;
  readonly make: () => Optimizer;
  readonly pace: Pace;
  /** Tried on every device; else on cpu alone. */
  readonly everywhere: boolean;
}

const half: MergingOptions = { reserveP: 0.5, alpha: 0.125 };
const official: MergingOptions = { ...half, preset: "official" };
const late = { rate: 1e-4, of: "weights before" } as const;
const heavy = () => sgd({ momentum: 0.9 });
/** Lion whose average bears the noise of rounding to bf16 beside a vote. */
const steady = () => lion({ betas: [0.9, 0.9] });

/** Every kind of optimizer, over every proposal, with every slot and scalar that there is. */
const kinds: readonly (readonly [name: string, make: (lift: LiftOptions) => Optimizer, pace: Pace])[] = [
  ["sgd", (lift) => optimizer(sgd(), lift), { ...DESCENT, rosenbrock: 1.8e-3 }],
  ["sgd with momentum", (lift) => optimizer(heavy(), lift), DESCENT],
  ["adam", (lift) => optimizer(adam(), lift), ADAPTIVE],
  ["adamW", (lift) => adamW({ weightDecay: 1e-4, ...lift }), ADAPTIVE],
  ["lion", (lift) => optimizer(decayed(lion(), late), lift), SIGNED],
  ["muon", (lift) => optimizer(muon(), lift), MATRIX],
  ["adafactor", (lift) => optimizer(adafactor(), lift), ADAPTIVE],
  ["schedule-free adamW", (lift) => optimizer(decayed(scheduleFree(), late), lift), ADAPTIVE],
  ["onDare, K=2, over muon", (lift) => onDare({ ...half, onlineStep: 2, base: muon(), ...lift }), MATRIX],
  ["paper onDare", (lift) => onDare({ ...half, ...lift }), ADAPTIVE],
  ["paper onTies", (lift) => onTies({ ...half, weightDecay: 1e-4, ...lift }), ADAPTIVE],
  ["paper onDareTies over lion", (lift) => onDareTies({ ...half, base: steady(), ...lift }), SIGNED],
  ["paper onMagnitude over adam", (lift) => onMagnitude({ ...half, base: adam(), ...lift }), ADAPTIVE],
  ["official onDare", (lift) => onDare({ ...official, rescaleL1: true, weightDecay: 1e-4, ...lift }), ADAPTIVE],
  ["official onDare over lion", (lift) => onDare({ ...official, base: steady(), ...lift }), SIGNED],
  ["official onTies", (lift) => onTies({ ...official, rescaleL1: true, useMerge: false, ...lift }), ADAPTIVE],
  ["official onDareTies, uncorrected", (lift) => onDareTies({ ...official, correctBias: false, ...lift }), ADAPTIVE],
  ["official onMagnitude over momentum", (lift) => onMagnitude({ ...official, base: heavy(), ...lift }), DESCENT],
  ["onDare, K=3, compensated", (lift) => onDare({ ...half, onlineStep: 3, compensated: true, ...lift }), ADAPTIVE],
  ["onTies, K=2", (lift) => onTies({ ...half, onlineStep: 2, ...lift }), ADAPTIVE],
  ["onTies, K=2, over momentum", (lift) => onTies({ ...half, onlineStep: 2, base: heavy(), ...lift }), DESCENT],
  ["childTuningF over adam", (lift) => optimizer(childTuningF(adam(), 0.5), lift), ADAPTIVE],
  ["childTuningD over momentum", (lift) => optimizer(childTuningD(heavy()), lift), DESCENT],
  ["shadow of adam", (lift) => optimizer(shadow(adam(), 0.05), lift), ADAPTIVE],
  [
    "adam with pullback, compensated",
    (lift) => optimizer(pullback(adam(), 1e-3), { compensated: true, ...lift }),
    ADAPTIVE,
  ],
  ["lion with L2 to the reference", (lift) => optimizer(l2ToReference(lion(), 1e-3), lift), SIGNED],
];
/** bf16 builds slowly where shaders are compiled in software: there this one stands for all. */
const PACKED_EVERYWHERE = "onTies, K=2";

/** Every optimizer with its state in f32, and in bf16. */
export const table: readonly Entry[] = kinds.flatMap(([name, make, pace]) => [
  { name, make: () => make({}), pace, everywhere: true },
  { name: `${name}, bf16`, make: () => make({ storage: "bf16" }), pace, everywhere: name === PACKED_EVERYWHERE },
]);

/** Functions of one vector with their minimum. */
export const TARGETS = {
  quadratic: {
    f: (w: Tensor) => sum(mul(0.5, square(sub(w, 0.5)))),
    start: [1, -1, 2, -2],
    minimum: [0.5, 0.5, 0.5, 0.5],
  },
  rosenbrock: {
    f: (w: Tensor) => {
      const [x, y] = [sliceAxis(w, 0, 0, 2), sliceAxis(w, 0, 2, 4)];
      return sum(add(square(sub(1, x)), mul(100, square(sub(y, square(x))))));
    },
    start: [0, -0.5, 0, 0.5],
    minimum: [1, 1, 1, 1],
  },
} as const;

/** The gradient of a target. */
export const slope = (target: keyof typeof TARGETS, w: Tensor): Tensor => grad((v: Tensor) => TARGETS[target].f(v))(w);
