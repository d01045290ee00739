/** Causal attention, forward, and forward with its gradient, at head sizes 64 and 128, f32 and f16 operands, and a window: milliseconds, TFLOP/s, and the first call. */
import assert from "node:assert/strict";
import {
  attention,
  compile,
  dispose,
  evaluate,
  grad,
  key,
  mul,
  normal,
  read,
  sub,
  sum,
  type Tensor,
  tensor,
} from "../../core/index.js";
import { open } from "../../kernels/index.js";
import { figure, part, skipped, timed } from "./part.js";

interface Size {
  readonly B: number;
  readonly T: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
}

/** How a call is made: what is rounded, how near it then comes, and how many slots a query sees. */
interface Kind {
  readonly name: string;
  readonly operands?: "f16";
  readonly window?: number;
  readonly error: number;
}
const PLAIN: Kind = { name: "", error: 2e-5 };
const HALF: Kind = { name: ", f16", operands: "f16", error: 4e-3 };
const WINDOW: Kind = { name: ", window of 512", window: 512, error: 2e-5 };

type Inputs = { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor; readonly ct: Tensor };
const inputsOf = ({ B, T, H, G, D }: Size): Inputs => ({
  q: normal(key(1), [B, T, H, D]),
  k: normal(key(2), [B, T, G, D]),
  v: normal(key(3), [B, T, G, D]),
  ct: normal(key(4), [B, T, H, D]),
});
const positionsOf = ({ B, T }: Size): Tensor =>
  tensor(
    Int32Array.from({ length: B * T }, (_, i) => i % T),
    [B, T],
  );
const forward =
  (D: number, { operands, window }: Kind) =>
  ({ q, k, v }: Omit<Inputs, "ct">, position: Tensor): Tensor =>
    attention(q, k, v, position, 1 / Math.sqrt(D), {
      operands,
      ...(window !== undefined && { from: sub(position, window - 1) }),
    });
const backward =
  (D: number, kind: Kind) =>
  ({ ct, ...qkv }: Inputs, position: Tensor) =>
    grad((x: Omit<Inputs, "ct">) => sum(mul(forward(D, kind)(x, position), ct)))(qkv);

/** Pairs of a query and a slot that it sees, of T queries. */
const seenPairs = (T: number, window = T): number => T * window - (window * (window - 1)) / 2;

await part(async ({ device, drain, software, left }) => {
  const sizes: readonly Size[] = software
    ? [
        { B: 1, T: 128, H: 4, G: 2, D: 64 },
        { B: 1, T: 128, H: 2, G: 2, D: 128 },
      ]
    : [
        { B: 4, T: 1024, H: 16, G: 4, D: 64 },
        { B: 2, T: 1024, H: 16, G: 16, D: 128 },
        { B: 2, T: 4096, H: 16, G: 16, D: 128 },
      ];
  const exact = await open("reference");
  const calls = sizes.flatMap((size) =>
    [PLAIN, HALF, ...(size.T > 1024 ? [WINDOW] : [])].map((kind) => ({ size, kind })),
  );
  for (const { size, kind } of calls) {
    const { B, T, H, D } = size;
    const name = `attention ${B} × ${T}, ${H} heads of ${D}${kind.name}`;
    if (left() < 5) {
      skipped(name, "no time left");
      continue;
    }
    const [inputs, position] = [evaluate(inputsOf(size), device), evaluate(positionsOf(size), device)];
    const flops = 4 * B * H * seenPairs(T, kind.window) * D; // two products of what is seen
    const [run, runGradient] = [compile(forward(D, kind), device), compile(backward(D, kind), device)];
    const most = software ? 1 : 2;
    const back = await timed(() => dispose(runGradient(inputs, position)), drain, most); // first: its first call compiles
    const ahead = await timed(() => dispose(run(inputs, position)), drain, most);
    // The same kernels at a length that the f64 interpreter can do.
    const small = { B: 1, T: 40, H: 2, G: 1, D };
    for (const of of [forward(D, kind), (x: Inputs, p: Tensor) => backward(D, kind)(x, p).k]) {
      const [want, got] = await Promise.all(
        [exact, device].map((d) => read(evaluate(of(inputsOf(small), positionsOf(small)), d))),
      );
      for (const [i, value] of got.entries())
        assert.ok(
          Math.abs(value - want[i]) <= kind.error * Math.max(1, Math.abs(want[i])),
          `${name}: ${value} for ${want[i]}`,
        );
    }
    figure(`${name}, forward`, 1e3 * ahead.median, "ms", {
      note: `${(flops / ahead.median / 1e12).toPrecision(3)} TFLOP/s`,
    });
    const rate = ((3.5 * flops) / back.median / 1e12).toPrecision(3);
    figure(`${name}, with gradient`, 1e3 * back.median, "ms", {
      note: `${rate} TFLOP/s; first call ${back.first.toFixed(2)} s`,
    });
    dispose([inputs, position]);
  }
  await exact.close();
});
