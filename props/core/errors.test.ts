/** Misfitting calls throw a ShapeError that shows the call with its shapes, and what is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as t from "../../core/index.js";

const f = (...shape: number[]) => t.zeros(shape);
const i = (...shape: number[]) => t.zeros(shape, "i32");
const b = (...shape: number[]) => t.zeros(shape, "bool");
const u = (...shape: number[]) => t.zeros(shape, "u32");

/** Calls that cannot be, by the exported function, with what their message must show. */
const misfits: Readonly<Record<string, readonly (readonly [() => unknown, RegExp])[]>> = {
  add: [
    [() => t.add(f(2), f(3)), /add\(f32\[2\], f32\[3\]\): shapes do not broadcast\n {2}hint: /],
    [() => t.add(f(2), i(2)), /add\(f32\[2\], i32\[2\]\): dtypes do not fit\n {2}hint: .*cast/],
    [() => t.add(b(2), b(2)), /add\(bool\[2\], bool\[2\]\)/],
  ],
  sub: [[() => t.sub(f(2, 3), f(2)), /sub\(f32\[2,3\], f32\[2\]\)/]],
  mul: [
    [() => t.mul(f(2), u(2)), /mul\(f32\[2\], u32\[2\]\)/],
    [() => t.mul(i(2), 0.5), /mul\(i32\[2\], i32\[\]\): 0\.5 is no i32\n {2}hint: .*cast/],
  ],
  div: [[() => t.div(i(2), i(2)), /div\(i32\[2\], i32\[2\]\): dtypes/]],
  maximum: [[() => t.maximum(f(4), f(3)), /maximum\(f32\[4\], f32\[3\]\)/]],
  minimum: [[() => t.minimum(f(4), i(4)), /minimum\(f32\[4\], i32\[4\]\)/]],
  less: [[() => t.less(f(2), i(2)), /less\(f32\[2\], i32\[2\]\)/]],
  lessEqual: [[() => t.lessEqual(f(2), f(3)), /lessEqual\(f32\[2\], f32\[3\]\)/]],
  equal: [[() => t.equal(f(2), b(2)), /equal\(f32\[2\], bool\[2\]\)/]],
  greater: [[() => t.greater(f(2), f(3)), /less\(f32\[3\], f32\[2\]\)/]],
  greaterEqual: [[() => t.greaterEqual(f(2), f(3)), /lessEqual\(f32\[3\], f32\[2\]\)/]],
  and: [[() => t.and(f(2), b(2)), /and\(f32\[2\], bool\[2\]\)/]],
  or: [[() => t.or(i(2), i(2)), /or\(i32\[2\], i32\[2\]\)/]],
  not: [[() => t.not(f(2)), /not\(f32\[2\]\)/]],
  where: [
    [() => t.where(f(2), f(2), f(2)), /where\(f32\[2\], f32\[2\], f32\[2\]\)/],
    [() => t.where(b(2), f(2), i(2)), /where\(bool\[2\], f32\[2\], i32\[2\]\)/],
    [() => t.where(b(3), f(2), f(2)), /where\(bool\[3\], f32\[2\], f32\[2\]\)/],
  ],
  lerp: [[() => t.lerp(f(2), f(3), 0.5), /f32\[2\].*f32\[3\]|f32\[3\].*f32\[2\]/]],
  unitInterval: [[() => t.unitInterval(f(2)), /unitInterval\(f32\[2\]\)/]],
  randomBits: [
    [() => t.randomBits(f(), f(), f(2), 0), /randomBits\(f32\[\], f32\[\], f32\[2\]/],
    [() => t.randomBits(u(3), u(), u(2), 0), /u32\[3\].*\[2\]/],
  ],
  sum: [
    [() => t.sum(f(2, 3), 2), /sum\(f32\[2,3\], \[2\]\): axis 2 does not exist in 2 axes\n {2}hint: /],
    [() => t.sum(f(2, 3), -3), /axis -3/],
    [() => t.sum(f(2, 3), 0.5), /axis 0.5/],
    [() => t.sum(b(2)), /sum\(bool\[2\], \[all\]\): bool cannot be reduced/],
  ],
  max: [
    [() => t.max(f(2, 0), 1), /max\(f32\[2,0\], \[1\]\)/],
    [() => t.max(i(2)), /max\(i32\[2\]/],
  ],
  mean: [
    [() => t.mean(f(2), 1), /mean\(f32\[2\]\): axis 1/],
    [() => t.mean(i(2)), /i32\[/],
  ],
  reshape: [
    [() => t.reshape(f(2, 3), [4]), /reshape\(f32\[2,3\], \[4\]\): 6 elements do not fit \[4\]/],
    [() => t.reshape(f(2, 3), [-1, -1]), /reshape\(f32\[2,3\], \[-1,-1\]\)/],
    [() => t.reshape(f(2, 3), [-1, 4]), /reshape\(f32\[2,3\], \[-1,4\]\)/],
    [() => t.reshape(f(2, 3), [-2, -3]), /reshape\(f32\[2,3\], \[-2,-3\]\)/],
  ],
  permute: [
    [() => t.permute(f(2, 3), [0, 0]), /permute\(f32\[2,3\], \[0,0\]\)/],
    [() => t.permute(f(2, 3), [0]), /permute\(f32\[2,3\], \[0\]\)/],
    [() => t.permute(f(2, 3), [0, 2]), /axis 2 does not exist/],
  ],
  transpose: [[() => t.transpose(f(2)), /transpose\(f32\[2\]\): needs two axes/]],
  broadcastTo: [
    [() => t.broadcastTo(f(2), [3]), /broadcastTo\(f32\[2\], \[3\]\)/],
    [() => t.broadcastTo(f(2, 3), [3]), /broadcastTo\(f32\[2,3\], \[3\]\)/],
    [() => t.broadcastTo(f(1), [-1]), /not an integer ≥ 0/],
  ],
  slice: [
    [() => t.slice(f(3), [0], [4]), /slice\(f32\[3\], \[0\], \[4\]\)/],
    [() => t.slice(f(3), [2], [1]), /slice/],
    [() => t.slice(f(3), [-1], [1]), /slice/],
    [() => t.slice(f(3), [0], [1.5]), /slice\(f32\[3\], \[0\], \[1\.5\]\)/],
    [() => t.slice(f(3), [0, 0], [1, 1]), /slice\(f32\[3\], \[0,0\], \[1,1\]\)/],
  ],
  sliceAxis: [
    [() => t.sliceAxis(f(3), 1, 0, 1), /sliceAxis\(f32\[3\], 1\): axis 1/],
    [() => t.sliceAxis(f(3), 0, 0, 4), /slice\(f32\[3\]/],
  ],
  pad: [
    [() => t.pad(f(3), []), /pad\(f32\[3\]\)/],
    [() => t.pad(f(3), [[-1, 0]]), /pad\(f32\[3\]\)/],
    [() => t.pad(f(3), [[0.5, 0.5]]), /pad\(f32\[3\]/],
  ],
  concat: [
    [() => t.concat([]), /concat\(\[\]\): needs at least one/],
    [() => t.concat([f(2, 3), f(2, 4)], 0), /concat\(\[f32\[2,3\], f32\[2,4\]\], 0\): f32\[2,4\] does not fit/],
    [() => t.concat([f(2), i(2)], 0), /i32\[2\] does not fit f32\[2\]/],
    [() => t.concat([f(2), f(2)], 1), /axis 1 does not exist/],
  ],
  stack: [
    [() => t.stack([f(2), f(3)]), /stack\(\[f32\[2\], f32\[3\]\], 0\): f32\[3\] does not fit f32\[2\]/],
    [() => t.stack([]), /at least one/],
    [() => t.stack([f(2)], 2), /stack\(\[f32\[2\]\], 2\): axis 2 does not exist in 2 axes/],
  ],
  matmul: [
    [
      () => t.matmul(f(8, 64), f(32, 64)),
      /^ShapeError: matmul\(f32\[8,64\], f32\[32,64\]\): inner sizes differ \(64 and 32\)\n {2}hint: did you mean matmul\(a, transpose\(b\)\)\?$/,
    ],
    [() => t.matmul(f(2), f(2, 2)), /matmul\(f32\[2\], f32\[2,2\]\): needs at least two axes/],
    [() => t.matmul(i(2, 2), i(2, 2)), /matmul\(i32\[2,2\], i32\[2,2\]\): needs f32/],
    [
      () => t.matmul(f(2, 2), f(2, 2), { operands: "bf16" as "f16" }),
      /operands "bf16" are not known\n {2}hint: use "f32"/,
    ],
    [() => t.matmul(f(2, 2, 3), f(3, 3, 2)), /matmul\(f32\[2,2,3\], f32\[3,3,2\]\): leading axes/],
  ],
  gather: [
    [() => t.gather(f(3), f(2)), /gather\(f32\[3\], f32\[2\]\)/],
    [() => t.gather(f(), i(2)), /gather\(f32\[\], i32\[2\]\)/],
  ],
  addRows: [
    [() => t.addRows(f(4, 2), i(3), f(3, 5)), /addRows\(f32\[4,2\], i32\[3\], f32\[3,5\]\)/],
    [() => t.addRows(i(4, 2), i(3), f(3, 2)), /addRows\(i32\[4,2\], i32\[3\], f32\[3,2\]\)/],
  ],
  scatterAdd: [
    [() => t.scatterAdd(i(2), f(3), 4), /scatterAdd\(i32\[2\], f32\[3\]\)/],
    [() => t.scatterAdd(f(2), f(2), 4), /scatterAdd\(f32\[2\], f32\[2\]\)/],
    [() => t.scatterAdd(i(2), i(2), 4), /scatterAdd\(i32\[2\], i32\[2\]\)/],
    [() => t.scatterAdd(i(2), f(2), -1), /scatterAdd\(.*-1/],
  ],
  topkMask: [
    [() => t.topkMask(i(2), 1), /topkMask\(i32\[2\], 1\)/],
    [() => t.topkMask(f(2), 1.5), /topkMask\(f32\[2\], 1\.5\)/],
  ],
  softmax: [[() => t.softmax(f()), /softmax\(f32\[\]\)/]],
  logSumExp: [[() => t.logSumExp(f()), /logSumExp\(f32\[\]\)/]],
  rmsnorm: [
    [() => t.rmsnorm(f(2, 3), f(2), 1e-5), /rmsnorm\(f32\[2,3\], f32\[2\]\): the weight/],
    [() => t.rmsnorm(f(), f(1), 1e-5), /rmsnorm\(f32\[\], f32\[1\]\)/],
  ],
  swiglu: [[() => t.swiglu(f(2), f(3)), /swiglu\(f32\[2\], f32\[3\]\)/]],
  rope: [
    [() => t.rope(f(1, 2, 3, 5), f(1, 2, 2), f(1, 2, 2)), /rope\(f32\[1,2,3,5\]/],
    [() => t.rope(f(1, 2, 3, 4), f(1, 2, 3), f(1, 2, 3)), /rope\(/],
    [() => t.rope(f(1, 2, 3, 4), f(1, 2, 2), f(1, 1, 2)), /rope\(f32\[1,2,3,4\], f32\[1,2,2\], f32\[1,1,2\]\)/],
    [() => t.rope(f(1, 2, 3, 4), f(1, 4, 2), f(1, 4, 2)), /rope\(f32\[1,2,3,4\], f32\[1,4,2\]/],
  ],
  attention: [
    [
      () => t.attention(f(1, 2, 3, 4), f(1, 2, 2, 4), f(1, 2, 2, 4), i(1, 2), 1),
      /attention\(f32\[1,2,3,4\], f32\[1,2,2,4\]/,
    ],
    [() => t.attention(f(1, 2, 2, 4), f(1, 2, 2, 4), f(1, 3, 2, 4), i(1, 2), 1), /attention/],
    [() => t.attention(f(1, 2, 2, 4), f(1, 2, 2, 4), f(1, 2, 2, 4), f(1, 2), 1), /attention/],
    [() => t.attention(f(1, 2, 2, 4), f(1, 2, 2, 4), f(1, 2, 2, 4), i(1, 3), 1), /attention/],
    [() => t.attention(f(2, 2), f(2, 2), f(2, 2), i(1, 2), 1), /attention\(f32\[2,2\]/],
  ],
  crossEntropy: [
    [() => t.crossEntropy(f(2, 3), i(3)), /crossEntropy\(f32\[2,3\], i32\[3\]\)/],
    [() => t.crossEntropy(f(2, 3), f(2)), /crossEntropy\(f32\[2,3\], f32\[2\]\)/],
    [() => t.crossEntropy(f(6), i(6)), /crossEntropy\(f32\[6\]/],
  ],
  tokenScores: [
    [() => t.tokenScores(f(2, 3), i(3)), /tokenScores\(f32\[2,3\], i32\[3\]\)/],
    [() => t.tokenScores(f(6), i(6)), /tokenScores\(f32\[6\]/],
  ],
  headScores: [
    [() => t.headScores(f(2, 3), f(5, 4), i(2)), /headScores\(f32\[2,3\], f32\[5,4\], i32\[2\]\)/],
    [() => t.headScores(f(2, 3), f(5, 3), f(2)), /headScores\(f32\[2,3\], f32\[5,3\], f32\[2\]\)/],
  ],
  iota: [
    [() => t.iota([2], 1), /iota\(\[2\], 1\): axis 1 does not exist/],
    [() => t.iota([-2]), /iota/],
    [() => t.iota([]), /iota/],
  ],
  tensor: [
    [() => t.tensor([[1, 2], [3]]), /rows differ in length on axis 1/],
    [() => t.tensor([1, 2, 3], [2]), /tensor\(values, \[2\]\): 3 numbers for 2 elements/],
    [() => t.tensor(new Float32Array(3), [2, 2]), /tensor\(data, \[2,2\]\): 3 numbers for 4 elements/],
    [() => t.tensor([1, [2]]), /rows differ/],
  ],
  full: [[() => t.full([2.5], 1), /\[2\.5\] has an axis that is not an integer/]],
  zeros: [[() => t.zeros([70000, 70000]), /more than 2\^31 - 1/]],
  grad: [
    [() => t.grad((x: t.Tensor) => x)(f(2)), /grad: the function gives f32\[2\], not an f32 scalar\n {2}hint: sum/],
    [() => t.grad((x: t.Tensor) => t.cast(t.sum(x), "i32"))(f(2)), /i32\[\]/],
  ],
  jvp: [
    [() => t.jvp((x: t.Tensor) => x, [f(2)], [f(3)]), /jvp: tangent f32\[3\] at "0", of f32\[2\]/],
    [() => t.jvp((x: t.Tensor) => x, [f(2)], [] as never), /jvp: 0 tangents for 1 primals\n {2}hint: /],
  ],
  argnums: [
    [
      () => t.grad((x: t.Tensor) => t.sum(x), { argnums: 1 })(f(2)),
      /argnums 1 of a function that was called with 1 arguments/,
    ],
    [
      () => t.grad((x: t.Tensor) => t.sum(x), { argnums: "0" as never })(f(2)),
      /grad\(a function, an object\): option argnums: axes "0" are no/,
    ],
    [() => t.compile(t.neg, {} as t.Device, { donate: 0 as never }), /donate 0 is no list of positions\n {2}hint: /],
    [() => t.compile(t.neg, {} as t.Device, { donate: [-1] }), /donate \[-1\] is no list of positions/],
    [() => t.grad((x: t.Tensor) => [t.sum(x), x] as never)(f(2)), /not an f32 scalar\n {2}hint: .*hasAux/],
  ],
  jacfwd: [[() => t.jacfwd((x: t.Tensor) => x)(i(2)), /jacfwd: argument i32\[2\] has no derivative/]],
  jacrev: [[() => t.jacrev((x: t.Tensor) => t.cast(x, "i32"))(f(2)), /jacrev: the value i32\[2\] has no derivative/]],
  vmap: [
    [
      () => t.vmap(t.add)(f(2), f(3)),
      /vmap: argument 0, f32\[2\], has 2 on axis 0, and argument 1, f32\[3\], has 3 on axis 0/,
    ],
    [() => t.vmap(t.neg)(f()), /vmap: argument 0, f32\[\]: axis 0 does not exist/],
    [() => t.vmap(t.add, { inAxes: [null, null] })(f(2), f(2)), /no argument has examples\n {2}hint: /],
    [() => t.vmap(t.add, { inAxes: [0] })(f(2), f(2)), /inAxes has 1 axes for 2 arguments/],
    [() => t.vmap(t.neg, { inAxes: null as never })(f(2)), /inAxes null is neither an axis nor a list\n {2}hint: /],
    [() => t.vmap(t.neg, { inAxes: { a: 0 } as never })(f(2)), /inAxes {"a":0} is neither/],
    [
      () => t.vmap((p: { a: t.Tensor }) => p.a, { inAxes: [{ b: 0 }] })({ a: f(2) }),
      /axes \{"b":0\} do not fit argument 0/,
    ],
    [() => t.vmap(t.neg, { outAxes: null })(f(2)), /the result differs from example to example/],
    [() => t.vmap(t.neg, { outAxes: 1 })(f(2)), /vmap: the result, f32\[2\]: axis 1 does not exist/],
    [() => t.vmap(t.matmul)(f(2, 3), f(2, 4)), /matmul\(f32\[3\], f32\[4\]\): needs at least two axes/],
  ],
  scan: [
    [
      () => t.scan((c: t.Tensor, x: t.Tensor) => [t.add(c, x), x], f(), f(3, 2)),
      /begins as f32\[\], and the step makes f32\[2\] of it/,
    ],
    [() => t.scan((c: t.Tensor) => [c, c], f(), undefined), /how many steps\?\n {2}hint: .*length/],
    [
      () => t.scan((c: t.Tensor, x: t.Tensor[]) => [c, x[0]], f(), [f(3), f(4)]),
      /xs f32\[4\] at "1" has 4 rows, for 3 steps/,
    ],
    [() => t.scan((c: t.Tensor, x: t.Tensor) => [c, x], f(), f(3), { length: 4 }), /has 3 rows, for 4 steps/],
    [() => t.scan((c: t.Tensor, x: t.Tensor) => [c, x], f(), f()), /xs f32\[\] has no axis to walk/],
    [() => t.scan((c: t.Tensor) => [c, c], f(), undefined, { length: 1.5 }), /length 1\.5 is not an integer/],
    [() => t.scan((c: t.Tensor) => [c, c], f(), undefined, { length: 2, every: 0 }), /every 0 is not an integer ≥ 1/],
  ],
  customVjp: [
    [
      () =>
        t.grad((x: t.Tensor) =>
          t.sum(
            t.customVjp(
              (y: t.Tensor) => y,
              (y) => [y, []],
              () => [f(3)],
            )(x),
          ),
        )(f(2)),
      /backward gives f32\[3\] for argument 0, which is f32\[2\]\n {2}hint: /,
    ],
    [
      () =>
        t.grad((x: t.Tensor) =>
          t.sum(
            t.customVjp(
              (y: t.Tensor) => y,
              (y) => [t.sum(y), []],
              () => [null],
            )(x),
          ),
        )(f(2)),
      /forward gives "f32\[\]", and the function "f32\[2\]"/,
    ],
    [
      () =>
        t.grad((x: t.Tensor) =>
          t.sum(
            t.customVjp(
              (y: t.Tensor) => y,
              (y) => [y, []],
              () => [] as never,
            )(x),
          ),
        )(f(2)),
      /backward gives no list of 1 cotangents/,
    ],
  ],
  trees: [
    [
      () => t.leaves({ a: [5] }),
      /leaves: number at "a\.0" is neither tensor, array nor record\n {2}hint: write scalar\(5\)/,
    ],
    [() => t.leaves({ a: new Map() }), /leaves: Map at "a" is neither/],
  ],
  vjp: [
    [() => t.vjp((x: t.Tensor) => x, f(2))[1](f(3)), /vjp: cotangent f32\[3\] for an output f32\[2\]/],
    [() => t.vjp((x: t.Tensor) => [x, x], f(2))[1]([f(2)] as never), /trees differ in structure/],
  ],
};

const { neg, abs, exp, expm1, log, log1p, sqrt, rsqrt, sin, cos, atan, tanh, erf, sigmoid, softplus } = t;
const { sign, floor, round } = t;
const smooth = { exp, expm1, log, log1p, sqrt, rsqrt, sin, cos, atan, tanh, erf, sigmoid, softplus };
const unary = { neg, abs, sign, floor, round, ...smooth };

test("functions of one number take no bool, and say so", () => {
  for (const [name, op] of Object.entries(unary))
    assert.throws(() => op(b(2)), new RegExp(`^ShapeError: ${name}\\(bool\\[2\\]\\): dtypes do not fit`));
});

for (const [name, calls] of Object.entries(misfits))
  test(`${name}: misfits are refused with the call and its shapes`, () => {
    for (const [call, message] of calls) {
      assert.throws(
        call,
        (error: unknown) => {
          assert.ok(error instanceof t.ShapeError, `${call}: ${error}`);
          assert.match(String(error), message);
          return true;
        },
        `${call}`,
      );
    }
  });

test("errors know their name and their hint", () => {
  const error = new t.ShapeError("what", "how");
  assert.deepEqual([error.name, error.hint, String(error)], ["ShapeError", "how", "ShapeError: what\n  hint: how"]);
  assert.ok(error instanceof Error);
  assert.equal(new t.DeviceError("x").hint, undefined);
});
