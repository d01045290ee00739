import {
  add,
  type Device,
  equal,
  evaluate,
  grad,
  mul,
  sliceAxis,
  square,
  sub,
  sum,
  type Tensor,
  type Tree,
  treeMap,
} from "../core/index.js";
import {
  adam,
  adamW,
  childTuningD,
  childTuningF,
  decayed,
  l2ToReference,
  lion,
  type MergingOptions,
  type Optimizer,
  onDare,
  onDareTies,
  onMagnitude,
  onTies,
  optimizer,
  pullback,
  type Rule,
  sgd,
  shadow,
  type UpdateInputs,
} from "../optim/index.js";

/** How fast an optimizer learns where the gradient is of order one, and on Rosenbrock's valley. */
interface Pace {
  readonly quadratic: number;
  readonly rosenbrock: number;
}
const ADAPTIVE: Pace = { quadratic: 0.1, rosenbrock: 0.05 };
const SIGNED: Pace = { quadratic: 0.05, rosenbrock: 0.01 };
const DESCENT: Pace = { quadratic: 0.1, rosenbrock: 1e-3 };

export interface Entry {
  readonly name: string;
  readonly make: () => Optimizer;
  readonly pace: Pace;
}

const half: MergingOptions = { reserveP: 0.5, alpha: 0.125 };
const official: MergingOptions = { ...half, preset: "official" };
const alone = (rule: Rule) => optimizer(rule);
const heavy = () => sgd({ momentum: 0.9 });

/** Every kind of optimizer, over every proposal, with every slot and scalar that there is. */
export const table: readonly Entry[] = (
  [
    ["sgd", () => alone(sgd()), { ...DESCENT, rosenbrock: 1.8e-3 }],
    ["sgd with momentum", () => alone(heavy()), DESCENT],
    ["adam", () => alone(adam()), ADAPTIVE],
    ["adamW", () => adamW({ weightDecay: 1e-4 }), ADAPTIVE],
    ["lion", () => alone(decayed(lion(), { rate: 1e-4, of: "weights before" })), SIGNED],
    ["paper onDare", () => onDare(half), ADAPTIVE],
    ["paper onTies", () => onTies({ ...half, weightDecay: 1e-4 }), ADAPTIVE],
    ["paper onDareTies over lion", () => onDareTies({ ...half, base: lion({ betas: [0.9, 0.9] }) }), SIGNED],
    ["paper onMagnitude over adam", () => onMagnitude({ ...half, base: adam() }), ADAPTIVE],
    ["official onDare", () => onDare({ ...official, rescaleL1: true, weightDecay: 1e-4 }), ADAPTIVE],
    ["official onTies", () => onTies({ ...official, rescaleL1: true, useMerge: false }), ADAPTIVE],
    ["official onDareTies, uncorrected", () => onDareTies({ ...official, correctBias: false }), ADAPTIVE],
    ["official onMagnitude over momentum", () => onMagnitude({ ...official, base: heavy() }), DESCENT],
    ["onDare, K=3, compensated", () => onDare({ ...half, onlineStep: 3, compensated: true }), ADAPTIVE],
    ["onTies, K=2, over momentum", () => onTies({ ...half, onlineStep: 2, base: heavy() }), DESCENT],
    ["childTuningF over adam", () => alone(childTuningF(adam(), 0.5)), ADAPTIVE],
    ["childTuningD over momentum", () => alone(childTuningD(heavy())), DESCENT],
    ["shadow of adam", () => alone(shadow(adam(), 0.05)), ADAPTIVE],
    ["adam with pullback, compensated", () => optimizer(pullback(adam(), 1e-3), { compensated: true }), ADAPTIVE],
    ["adamW, bf16", () => adamW({ weightDecay: 1e-4, storage: "bf16" }), ADAPTIVE],
    ["onTies, K=2, bf16", () => onTies({ ...half, onlineStep: 2, storage: "bf16" }), ADAPTIVE],
    [
      "official onDare over lion, bf16",
      () => onDare({ ...official, base: lion({ betas: [0.9, 0.9] }), storage: "bf16" }),
      SIGNED,
    ],
    ["lion with L2 to the reference", () => alone(l2ToReference(lion(), 1e-3)), SIGNED],
  ] as const
).map(([name, make, pace]) => ({ name, make, pace }));

/** What an optimizer asks for in every step, from a reference delta, reference weights and a mask that keeps all. */
export const fixedFor = <P extends Tree>(
  rule: Optimizer,
  key: Tensor,
  { refDelta, anchor }: { readonly refDelta: P; readonly anchor: P },
  device: Device,
): Omit<UpdateInputs<P>, "lr"> =>
  evaluate(
    {
      ...(rule.usesTau ? { tau: rule.prepare(refDelta, key) } : {}),
      ...(rule.usesAnchor ? { anchor } : {}),
      ...(rule.usesMask ? { masks: { gradient: keepAll(anchor) } } : {}),
    },
    device,
  ) as Omit<UpdateInputs<P>, "lr">;

const keepAll = <P extends Tree>(like: P): P => treeMap((w) => equal(w, w), like);

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
