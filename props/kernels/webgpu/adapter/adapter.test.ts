/** The adapter that the laws run on is there, compiles WGSL and computes. Raw WebGPU, none of our code. */
import assert from "node:assert/strict";
import test from "node:test";
import { create, globals } from "webgpu";

const shader = `
  @group(0) @binding(0) var<storage, read_write> data: array<f32>;
  @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) at: vec3u) {
    data[at.x] = 2 * data[at.x] + 1;
  }`;

test("the adapter computes 2x + 1", async (context) => {
  Object.assign(globalThis, globals);
  const gpu = create([]);
  const adapter = await gpu.requestAdapter();
  if (adapter === null) {
    assert.doesNotMatch(
      process.env.TAUGRAD_WEBGPU ?? "",
      /required/,
      "WebGPU is required here, and there is no adapter",
    );
    context.skip("no adapter");
    return;
  }
  context.diagnostic([adapter.info.vendor, adapter.info.architecture, adapter.info.description].join(", "));
  const device = await adapter.requestDevice();
  const x = Float32Array.from({ length: 256 }, (_, index) => index / 8);
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const data = device.createBuffer({ size: x.byteLength, usage });
  const out = device.createBuffer({ size: x.byteLength, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  device.queue.writeBuffer(data, 0, x);
  const module = device.createShaderModule({ code: shader });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const bindings = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer: data } }],
  });
  const commands = device.createCommandEncoder();
  const pass = commands.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindings);
  pass.dispatchWorkgroups(x.length / 64);
  pass.end();
  commands.copyBufferToBuffer(data, 0, out, 0, x.byteLength);
  device.queue.submit([commands.finish()]);
  await out.mapAsync(GPUMapMode.READ);
  assert.deepEqual(
    new Float32Array(out.getMappedRange().slice(0)),
    x.map((value) => 2 * value + 1),
  );
  device.destroy();
});
