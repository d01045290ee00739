/**
 * Ops of one's own. A composition has its gradient, jvp and vmap for nothing; customVjp gives an op a gradient that is not its
 * derivative; and a law, for which fast-check draws the numbers, holds a gradient to finite differences.
 * Prints:
 *   logCosh [1.33, 0.00, 1.33], its gradient [-0.96, 0.00, 0.96]
 *   rounded [-2.00, 0.00, 2.00], its gradient [1.00, 1.00, 1.00]
 *   the law holds
 */

import fc from "fast-check";
import * as tg from "taugrad";
import { open } from "taugrad/devices";

/** log cosh x = |x| + log(1 + e^(−2|x|)) − log 2: a parabola near 0, lines far from it. f32 [...S] → [...S]. */
const logCosh = (x: tg.Tensor): tg.Tensor => tg.sub(tg.add(tg.abs(x), tg.softplus(tg.mul(-2, tg.abs(x)))), Math.LN2);

/** The nearest integer, with the gradient of x itself (straight through: Bengio et al. 2013). f32 [...S] → [...S]. */
const rounded = tg.customVjp(
  tg.round,
  (x: tg.Tensor) => [tg.round(x), []],
  (_, ct) => [ct],
);

const device = await open("auto");
const numbers = async (x: tg.Tensor, on: tg.Device = device) => [...(await tg.read(tg.evaluate(x, on)))];
const shown = async (x: tg.Tensor) => `[${(await numbers(x)).map((n) => n.toFixed(2)).join(", ")}]`;
const gradient = (f: (x: tg.Tensor) => tg.Tensor) => tg.grad((x: tg.Tensor) => tg.sum(f(x)));

const x = tg.tensor([-2, 0, 2]);
console.log(`logCosh ${await shown(logCosh(x))}, its gradient ${await shown(gradient(logCosh)(x))}`);
console.log(`rounded ${await shown(rounded(x))}, its gradient ${await shown(gradient(rounded)(x))}`);

const reference = await open("reference"); // f64: differences of f32 numbers would say little
await fc.assert(
  fc.asyncProperty(fc.array(fc.integer({ min: -40, max: 40 }), { minLength: 1, maxLength: 8 }), async (eighths) => {
    const [at, h] = [eighths.map((n) => n / 8), 2 ** -10];
    const along = (step: number) => numbers(logCosh(tg.tensor(at.map((a) => a + step))), reference);
    const [above, below, found] = [
      await along(h),
      await along(-h),
      await numbers(gradient(logCosh)(tg.tensor(at)), reference),
    ];
    return found.every((g, i) => Math.abs(g - (above[i]! - below[i]!) / (2 * h)) < 1e-3);
  }),
  { numRuns: 25 },
);
console.log("the law holds");
await reference.close();
await device.close();
