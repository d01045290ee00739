import { expects } from "../../core/expects.js";
import {
  add,
  atan,
  div,
  equal,
  greater,
  maximum,
  mul,
  sin,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  where,
} from "../../core/index.js";

/** Norms below this are taken for it. */
const SMALLEST_NORM = 1e-7;

const norm = (x: Tensor): Tensor => sqrt(sum(square(x)));

/**
 * From a to b along the circle through both:  sin((1−t)Ω)/sin Ω · a + sin(tΩ)/sin Ω · b, Ω the angle between them.  a, b [*S]
 * Straight, (1−t)·a + t·b, where the sine of Ω is at most `parallel`. What is 0 stands at a right angle, as in mergekit.
 * Laws: t = 0 gives a, t = 1 gives b; parallel vectors are mixed straight; vectors of one length keep it.
 * Sources: Shoemake 1985; Ramé et al. 2024 (WARP) for task vectors; mergekit's slerp and nuslerp.
 */
export const slerp = (a: Tensor, b: Tensor, t: number, parallel: number): Tensor => {
  expects("slerp", "tensor tensor number number", a, b, t, parallel);
  const unit = (x: Tensor) => div(x, maximum(norm(x), SMALLEST_NORM));
  const [u, v] = [unit(a), unit(b)];
  // Of unit vectors the angle is 2·atan(‖u−v‖/‖u+v‖), which keeps its digits where 1 − cos Ω has none.
  const [apart, together] = [norm(sub(u, v)), norm(add(u, v))];
  const isOpposite = equal(together, 0);
  const angle = mul(2, atan(div(apart, where(isOpposite, 1, together))));
  const sine = sin(angle);
  const isRound = greater(where(isOpposite, 0, sine), parallel);
  const share = (part: number) => where(isRound, div(sin(mul(part, angle)), where(isRound, sine, 1)), part);
  return add(mul(share(1 - t), a), mul(share(t), b));
};
