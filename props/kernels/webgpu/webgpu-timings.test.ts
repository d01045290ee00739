/** DEBUG=timings is whole: every launch of a long program has its time, though a set of queries holds fewer. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { compile, dispose, matmul, read, type Tensor, tensor, upload } from "../../../core/index.js";
import { describeAdapters, openWebgpu } from "../../../kernels/index.js";
import { presentDevices } from "../../devices.js";

const [before, error] = [process.env.DEBUG, console.error];
after(() => {
  if (before === undefined) delete process.env.DEBUG;
  else process.env.DEBUG = before;
  console.error = error;
});

const LAUNCHES = 2500;

if ((await presentDevices()).includes("webgpu"))
  test(`each of ${LAUNCHES} launches is timed, or the whole run where the adapter has no clock [webgpu]`, async () => {
    const lines: string[] = [];
    const [{ features }] = await describeAdapters();
    for (const mode of ["full", "plain"] as const) {
      const device = await openWebgpu({ mode });
      const x = upload(
        tensor([
          [0, 1],
          [1, 0],
        ]),
        device,
      );
      const turn = (y: Tensor): Tensor => Array.from({ length: LAUNCHES }).reduce((z: Tensor) => matmul(z, x), y);
      const isTimed = mode === "full" && features.includes("timestamp-query");
      lines.length = 0;
      console.error = (line: string) => void lines.push(line);
      process.env.DEBUG = "timings";
      const out = compile(turn, device)(x);
      assert.deepEqual([...(await read(out))], [0, 1, 1, 0]);
      for (let i = 0; i < 100 && lines.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 50));
      delete process.env.DEBUG;
      console.error = error;
      dispose(out, x);
      await device.close();
      assert.match(lines[0], new RegExp(`^webgpu: [\\d.]+ ms in ${LAUNCHES} kernels${isTimed ? "" : " \\(wall\\)"}$`));
      if (isTimed) assert.match(lines[1], new RegExp(`^ +matmul +\\d*[1-9][\\d.]* ms +${LAUNCHES} launches$`));
    }
  });
