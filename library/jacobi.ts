/** Jacobi's rotations: what eigenvalues and singular values of small matrices are found by. */
import {
  abs,
  add,
  and,
  div,
  equal,
  iota,
  less,
  mul,
  or,
  reshape,
  rsqrt,
  scan,
  sign,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  type Tree,
  tensor,
  where,
} from "../core/index.js";
import { diagonal } from "./create.js";
import { take } from "./take.js";

/** Who meets whom in each round, so that all pairs have met at the end; in odd company one sits out (and meets itself). */
const roundsOf = (n: number): number[][] => {
  const seats = n + (n % 2);
  return Array.from({ length: seats - 1 }, (_, round) => {
    const partner = Array.from({ length: n }, (_, i) => i);
    const meet = (i: number, j: number) => {
      if (i < n && j < n) [partner[i], partner[j]] = [j, i];
    };
    const turn = (i: number) => (i + round) % (seats - 1);
    meet(seats - 1, turn(0));
    for (let i = 1; i < seats / 2; i++) meet(turn(i), turn(seats - 1 - i));
    return partner;
  });
};

/** The rotation that makes all elements 0 at which rows and columns of one round meet.  [..., N, N]; Golub & Van Loan, 8.5. */
const rotation = (x: Tensor, partner: Tensor): Tensor => {
  const [n] = partner.shape;
  const own = diagonal(x);
  const meets = equal(iota([n, n], 1), reshape(partner, [n, 1]));
  const isSelf = equal(iota([n]), partner);
  const off = where(isSelf, 0, sum(where(meets, x, 0), -1));
  const isDone = equal(off, 0);
  const tau = div(sub(take(own, partner, -1), own), where(isDone, 1, mul(2, off)));
  const towards = where(equal(tau, 0), where(less(iota([n]), partner), 1, -1), sign(tau));
  // √(1 + τ²) of a large τ overflows, and then t is 0, as it should be.
  const t = where(isDone, 0, div(towards, add(abs(tau), sqrt(add(1, square(tau))))));
  const cosine = rsqrt(add(1, square(t)));
  const column = (values: Tensor) => reshape(values, [...values.shape, 1]);
  const isOwn = equal(iota([n, n], 1), iota([n, n], 0));
  return where(
    isOwn,
    column(cosine),
    where(and(meets, column(or(isSelf, isDone))), 0, where(meets, column(mul(t, cosine)), 0)),
  );
};

/**
 * Turns a state by Jacobi's rotations until `of(state)` [..., N, N], symmetric, is diagonal: all pairs in rounds of N/2 at a time, of
 * which each is a step of one scan (Brent & Luk 1985). `turn` is given the state and a rotation J [..., N, N]. Without gradient.
 */
export const rotated = <S extends Tree>(
  state: S,
  n: number,
  of: (state: S) => Tensor,
  turn: (state: S, j: Tensor) => S,
): S => {
  if (n < 2) return state;
  const sweep = roundsOf(n);
  const sweeps = 5 + Math.ceil(Math.log2(n));
  const table = tensor(Int32Array.from(Array.from({ length: sweeps }, () => sweep.flat()).flat()), [
    sweeps * sweep.length,
    n,
  ]);
  return scan((s: S, partner: Tensor) => [turn(s, rotation(of(s), partner)), undefined], state, table)[0] as S;
};
