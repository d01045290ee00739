/** What core's and the library's ops refuse: each by its own name, with what to write. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as t from "../../library/index.js";
import { reference } from "../close.js";

/** Exports that are no ops: of shapes, bits, trees, graphs, programs. */
const noOps = new Set(
  `broadcastShapes byteLength bytesOf callOf capped checkpoint constantData constantNumbers decodeHalves deviceOf disposable
  dispose download encodeHalves erfOf evaluate evaluateEach expand floatToHalf fused halfToFloat hostArray inBlocks isConcrete
  isFloating isHalf isTensor leaves namedLeaves namesAsData numbersOf print printGraph reachable rewrite sameShape scope sizeOf
  stridesOf tellForgotten threefryBits treeKey treeMake treeMap treeZip typeOf unflatten upload vjp`.split(/\s+/),
);

test("every op answers by its own name to what is no argument of its, never with an error of the language", async () => {
  const odd = [undefined, null, "text", [1, [2]], {}, Promise.resolve(1), () => 1, new Map()];
  for (const [name, op] of Object.entries(t)) {
    if (typeof op !== "function" || /^[A-Z]/.test(name) || noOps.has(name)) continue;
    for (const first of [...odd, t.ones([2, 2]), t.zeros([2, 2], "bool")])
      for (const second of [undefined, "text", {}])
        try {
          await (op as (...x: readonly unknown[]) => unknown)(first, second);
        } catch (error) {
          const own = error instanceof t.ShapeError || error instanceof t.OwnershipError;
          const says = name === "var" ? "variance" : name;
          assert.ok(own && error.message.startsWith(says), `${name}(${typeof first}, ${typeof second}): ${error}`);
        }
  }
});

test("an option, a flag and a dtype that are not known are refused by name, and never left aside", () => {
  const [x, key] = [t.ones([2, 2]), t.key(0)];
  const f = (y: t.Tensor) => t.sum(y);
  // biome-ignore lint/suspicious/noExplicitAny: calls as JavaScript may write them
  const any = t as any;
  const unknown = { keepdim: true };
  const calls: Readonly<Record<string, () => unknown>> = {
    norm: () => any.norm(x, 1, unknown),
    variance: () => any.var(x, 1, unknown),
    std: () => any.std(x, 1, unknown),
    sort: () => any.sort(x, 1, unknown),
    argsort: () => any.argsort(x, 1, unknown),
    categorical: () => any.categorical(key, x, unknown),
    choice: () => any.choice(key, 3, [2], unknown),
    maxPool1d: () => any.maxPool1d(t.ones([1, 1, 4]), 2, unknown),
    conv1d: () => any.conv1d(t.ones([1, 1, 4]), t.ones([1, 1, 2]), unknown),
    grad: () => any.grad(f, unknown),
    valueAndGrad: () => any.valueAndGrad(f, unknown),
    jacfwd: () => any.jacfwd(f, unknown),
    jacrev: () => any.jacrev(f, unknown),
    hessian: () => any.hessian(f, unknown),
    vmap: () => any.vmap(f, unknown),
    scan: () => any.scan((c: t.Tensor) => [c, c], x, x, unknown),
    compile: () => any.compile(f, reference, unknown),
  };
  for (const [name, call] of Object.entries(calls))
    assert.throws(call, new RegExp(`^ShapeError: ${name}\\(.*"keepdim" is not known\n {2}hint: `), name);
  for (const name of ["sum", "max", "mean", "min", "prod", "any", "all", "countNonzero", "argmax", "argmin", "median"])
    assert.throws(
      () => any[name](x, 1, unknown),
      new RegExp(`^ShapeError: ${name}\\(.*is neither true nor false`),
      name,
    );
  const kinds: Readonly<Record<string, () => unknown>> = {
    grad: () => any.grad(f, { hasAux: 1 }),
    valueAndGrad: () => any.valueAndGrad(f, { argnums: "x" }),
    scan: () => any.scan((c: t.Tensor) => [c, c], x, x, { reverse: "yes" }),
    sort: () => any.sort(x, 1, { descending: "no" }),
    std: () => any.std(x, 1, { keepAxes: 0 }),
    norm: () => any.norm(x, 1, { order: "fro" }),
    choice: () => any.choice(key, 3, [2], { replace: null }),
    categorical: () => any.categorical(key, x, { draws: 1.5 }),
    conv1d: () => any.conv1d(t.ones([1, 1, 4]), t.ones([1, 1, 2]), { groups: "1" }),
    compile: () => any.compile(f, reference, { maxPrograms: "all" }),
  };
  for (const [name, call] of Object.entries(kinds))
    assert.throws(call, new RegExp(`^ShapeError: ${name}\\(.*: option \\w+: .* (is|are) n`), name);
  for (const name of ["sum", "mean", "max", "squeeze", "flip", "prod", "variance"])
    assert.throws(
      () => any[name === "variance" ? "var" : name](t.ones([1, 1]), [0, -2]),
      new RegExp(`^ShapeError: ${name}\\(.*axis 0 is named twice in \\[0,-2\\]`),
      name,
    );
  const step = t.compile((a: t.Tensor, b: t.Tensor) => t.add(a, b), reference, { donate: [0, 3], name: "step" });
  assert.throws(
    () => step(x, x),
    /^ShapeError: step\(…\): donate names argument 3 of a function that was called with 2\n/,
  );
  for (const call of [
    any.zeros,
    any.ones,
    (s: t.Shape, d: string) => any.full(s, 1, d),
    (_: t.Shape, d: string) => any.cast(x, d),
  ])
    assert.throws(() => call([2], "float32"), /"float32" is no dtype\n {2}hint: known are f32/);
  assert.throws(() => any.tensor([1], [1], "int"), /"int" is no dtype/);
  for (const step of [() => x, () => [x], () => undefined])
    assert.throws(() => any.scan(step, x, x), /^ShapeError: scan: the step gives .*, not \[carry, y\]\n {2}hint: /);
});

test("calls that cannot be are refused in the library's own names, with what to write", () => {
  const [f, i] = [t.zeros([2, 3]), t.zeros([2, 3], "i32")];
  const odd = undefined as unknown as t.Tensor;
  const misfits: readonly (readonly [() => unknown, RegExp])[] = [
    [() => t.relu(odd), /^ShapeError: relu\(undefined\): undefined is no tensor\n {2}hint: is an argument missing/],
    [() => t.relu([1] as unknown as t.Tensor), /relu\(\[1\]\): \[1\] is no tensor\n {2}hint: tensor\(…\) makes/],
    [() => t.add("1" as unknown as t.Tensor, f), /add\("1", f32\[2,3\]\): "1" is no tensor/],
    [() => t.gelu(i), /^ShapeError: gelu\(i32\[2,3\]\): mul\(.*is no i32\n {2}hint: convert with cast/],
    [() => t.gelu(f, "exact" as "tanh"), /approximation "exact" is not known/],
    [() => t.layerNorm(f, t.ones([2])), /layerNorm\(f32\[2,3\], f32\[2\]\): f32\[2\] has not the size/],
    [() => t.argmax(i), /argmax\(i32\[2,3\]\): .*needs f32.*\n {2}hint: convert with cast/],
    [() => t.sum(f, "0" as unknown as number), /sum\(f32\[2,3\], "0", false\): axes "0" are no numbers/],
    [() => t.reshape(f, 6 as unknown as number[]), /reshape\(f32\[2,3\], 6\): 6 is no array of numbers/],
    [() => t.concat(f as unknown as t.Tensor[]), /concat\(f32\[2,3\], 0\): f32\[2,3\] is no array of tensors/],
    [() => t.einsum("ij,jk", f), /einsum\("ij,jk", f32\[2,3\]\): "ij,jk" is of 2 operands, and 1 are given/],
    [() => t.einsum("ij,jk->ik", f, f), /"j" of "ij,jk->ik" has 3 elements, and 2 in f32\[2,3\]/],
    [() => t.einsum("ij->k", f), /"k" of the result/],
    [() => t.conv2d(f, f), /conv2d\(f32\[2,3\], f32\[2,3\]\): needs x \[N, C, S, S\]/],
    [
      () => t.conv1d(t.ones([1, 2, 5]), t.ones([1, 2, 2]), { pading: 1 } as object),
      /"pading" is not known\n.*did you mean "padding"/,
    ],
    [() => t.topk(f, 4), /topk\(f32\[2,3\], 4\): 4 of 3 elements/],
    [() => t.cholesky(f), /cholesky\(f32\[2,3\]\): f32\[2,3\] is no batch of square/],
    [() => t.take(f, f, 0), /take\(f32\[2,3\], f32\[2,3\], 0\): indices are f32, not i32/],
    [() => t.squeeze(f, 0), /axis 0 has 2 elements, not 1/],
    [() => t.dropout(t.key(0), f, 1), /rate 1 does not lie/],
    [() => t.randint(t.key(0), [2], 3, 3), /no i32 lies at or above 3 and below 3/],
    [() => t.arange(0, 1, 0), /no finite number of steps/],
  ];
  for (const [call, message] of misfits) assert.throws(call, message, `${call}`);
});
