/**
 * Import to first gradient: in a fresh process, from before the first import to the numbers of a gradient in hand;
 * milliseconds, the median of seven processes. Node's own start is not in it.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { median, report } from "./report.js";

const [, self, device = "cpu", mode] = process.argv;

/** The child: least squares, a gradient as a user's first program has it. */
const once = async (): Promise<void> => {
  const before = performance.now();
  const [{ compile, grad, matmul, mean, read, square, sub, tensor }, { open }] = await Promise.all([
    import("../core/index.js"),
    import("../kernels/index.js"),
  ]);
  const opened = await open(device === "webgpu" ? "webgpu" : "cpu");
  const [x, y] = [
    tensor([
      [0, 1],
      [1, 0],
      [1, 1],
      [2, 1],
    ]),
    tensor([[2], [1], [3], [4]]),
  ];
  const step = compile(
    grad((w: ReturnType<typeof tensor>) => mean(square(sub(matmul(x, w), y)))),
    opened,
  );
  const gradient = [...(await read(step(tensor([[0], [0]]))))];
  const milliseconds = performance.now() - before;
  console.log(JSON.stringify({ milliseconds, gradient }));
  await opened.close();
};

if (mode === "child") await once();
else {
  const times = Array.from({ length: 7 }, () => {
    const line = execFileSync(process.execPath, [fileURLToPath(import.meta.url), device, "child"], {
      encoding: "utf8",
    });
    const { milliseconds, gradient } = JSON.parse(line) as { milliseconds: number; gradient: number[] };
    // −2/4 · xᵀy = −½ (1·1 + 1·3 + 2·4, 1·2 + 1·3 + 1·4)
    assert.deepEqual(gradient, [-6, -4.5], self);
    return milliseconds;
  });
  report(device === "webgpu" ? "webgpu" : "cpu", "first_gradient_ms", median(times));
}
