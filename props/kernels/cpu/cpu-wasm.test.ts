import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openCpu } from "../../../kernels/cpu/device.js";
import { PANEL_BYTES, TALL, TILE, tileProduct } from "../../../kernels/cpu/kernels/tiles.js";
import { f32x4Const } from "../../../kernels/cpu/wasm/expression.js";
import { compileModule, createMemory, link } from "../../../kernels/cpu/wasm/host.js";
import { signedLeb, unsignedLeb } from "../../../kernels/cpu/wasm/leb.js";
import { call, type ModuleBuilder, moduleBuilder } from "../../../kernels/cpu/wasm/module.js";
import { f32, f32x4, i32, v128 } from "../../../kernels/cpu/wasm/ops.js";
import { doctor } from "../../../kernels/index.js";

const always = <T>(arbitrary: fc.Arbitrary<T>, holds: (value: T) => void) =>
  fc.assert(fc.property(arbitrary, holds), { numRuns: 400 });

const u32 = () =>
  fc.oneof(
    fc.nat({ max: 2 ** 32 - 1 }),
    fc.nat({ max: 300 }),
    fc.constantFrom(2 ** 32 - 1, 2 ** 31, 127, 128, 16383, 16384),
  );
const s32 = () =>
  fc.oneof(
    fc.integer(),
    fc.integer({ min: -300, max: 300 }),
    fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 63, 64, -64, -65, 8191, 8192, -8192, -8193),
  );

const decode = (bytes: readonly number[], isSigned: boolean): number => {
  let value = 0n;
  bytes.forEach((byte, i) => {
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
  });
  const isNegative = isSigned && ((bytes.at(-1) as number) & 0x40) !== 0;
  return Number(isNegative ? value - (1n << BigInt(7 * bytes.length)) : value);
};

for (const [name, write, numbers, isSigned] of [
  ["unsigned", unsignedLeb, u32(), false],
  ["signed", signedLeb, s32(), true],
] as const)
  test(`${name} LEB128 decodes to its number, marks its end, and is as short as can be`, () =>
    always(numbers, (n) => {
      const bytes: number[] = [];
      write(n, bytes);
      assert.equal(decode(bytes, isSigned), n);
      bytes.forEach((byte, i) => {
        assert.equal(byte >= 0x80, i < bytes.length - 1);
      });
      if (bytes.length > 1)
        assert.notEqual(decode([...bytes.slice(0, -2), bytes.at(-2) as number & 0x7f], isSigned), n);
    }));

const exportsOf = (define: (module: ModuleBuilder) => void) => {
  const memory = createMemory(1, { pages: 2 });
  const module = moduleBuilder();
  define(module);
  return { memory, exports: link(compileModule(module.bytes()), memory) };
};

test("an i32 constant is itself, whatever its size", () =>
  always(s32(), (n) => {
    const { exports } = exportsOf((module) =>
      module.func({ export: "get", params: [], result: "i32" }, (body) => body.return(i32.const(n))),
    );
    assert.equal(exports.get(), n);
  }));

test("loops run as often as they say", () => {
  const { exports } = exportsOf((module) => {
    module.func({ export: "times", params: ["i32"], result: "i32" }, (body, n) => {
      const count = body.let(i32.const(0));
      body.times(n, () => body.advance(count, 1));
      body.return(count);
    });
    module.func({ export: "range", params: ["i32", "i32"], result: "i32" }, (body, from, to) => {
      const sum = body.let(i32.const(0));
      body.range(from, to, 3, (i) => body.advance(sum, i));
      body.return(sum);
    });
  });
  always(fc.tuple(fc.integer({ min: -9, max: 60 }), fc.integer({ min: -9, max: 60 })), ([from, to]) => {
    let sum = 0;
    for (let i = from; i < to; i += 3) sum += i;
    assert.equal(exports.range(from, to), sum);
    assert.equal(exports.times(to), Math.max(to, 0));
  });
});

test("a helper is written once, and called from where it is needed", () => {
  let written = 0;
  const { exports } = exportsOf((module) => {
    const twice = () =>
      module.once("twice", () =>
        module.func({ params: ["i32"], result: "i32" }, (body, x) => {
          written++;
          body.return(i32.add(x, x));
        }),
      );
    for (const name of ["a", "b"])
      module.func({ export: name, params: ["i32"], result: "i32" }, (body, x) =>
        body.return(call(twice(), call(twice(), x))),
      );
  });
  assert.equal(written, 1);
  assert.equal(exports.a(5), 20);
  assert.equal(exports.b(-3), -12);
});

test("both branches of an if, and vectors through memory", () => {
  const { memory, exports } = exportsOf((module) => {
    module.func({ export: "pick", params: ["i32"], result: undefined }, (body, which) => {
      const x = body.let(f32x4Const(1, 2, 3, 4));
      body.if(
        which,
        () => body.set(x, f32x4.add(x, x)),
        () => body.set(x, f32x4.neg(x)),
      );
      body.do(v128.store(i32.const(16), x));
      body.do(f32.store(i32.const(32), f32x4.extract_lane(x, 2)));
    });
  });
  const floats = new Float32Array(memory.buffer);
  exports.pick(1);
  assert.deepEqual([...floats.slice(4, 9)], [2, 4, 6, 8, 6]);
  exports.pick(0);
  assert.deepEqual([...floats.slice(4, 9)], [-1, -2, -3, -4, -3]);
});

const heights = [TILE.rows, TALL].map((height) =>
  exportsOf((module) => {
    const tiles = tileProduct(module, "rows", "f32", height);
    const params = Array.from({ length: 11 }, () => "i32" as const);
    module.func({ export: "product", params, result: undefined }, (body, ...args) => body.run(tiles, ...args));
  }),
);

test("tiles of either height make the product of whole numbers, and touch nothing beside it", () => {
  const size = fc.integer({ min: 1, max: 33 });
  always(fc.record({ m: size, n: size, k: fc.nat({ max: 9 }), adds: fc.boolean() }), ({ m, n, k, adds }) => {
    const width = Math.ceil(n / TILE.columns) * TILE.columns;
    const [a, b, c] = [1024, 1024 + m * k, 1024 + m * k + width * k];
    const number = (i: number) => ((i * 2654435761) >>> 28) - 8;
    const want = (i: number, j: number): number => {
      let sum = adds ? number(c + i * (n + 1) + j) : 0;
      for (let l = 0; l < k; l++)
        sum += number(a + l * m + i) * number(b + (j - (j % TILE.columns)) * k + l * TILE.columns + (j % TILE.columns));
      return sum;
    };
    for (const { memory, exports } of heights) {
      const floats = new Float32Array(memory.buffer).map((_, i) => number(i));
      new Float32Array(memory.buffer).set(floats);
      const strides = { a: 4 * m, b: PANEL_BYTES, next: k * PANEL_BYTES, c: 4 * (n + 1) };
      exports.product(4 * a, strides.a, 4 * b, strides.b, strides.next, 4 * c, strides.c, m, n, k, Number(adds));
      for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) floats[c + i * (n + 1) + j] = want(i, j);
      assert.deepEqual(new Float32Array(memory.buffer), floats);
    }
  });
});

/** What comes of an act while `there[name]` is something else, or is not there. */
const during = async <T>(there: object, name: string, other: PropertyDescriptor, act: () => Promise<T>): Promise<T> => {
  const own = Object.getOwnPropertyDescriptor(there, name) as PropertyDescriptor;
  Reflect.deleteProperty(there, name);
  if ("value" in other) Object.defineProperty(there, name, { ...own, ...other });
  return act().finally(() => Object.defineProperty(there, name, own));
};

test("where nothing may be compiled, by a page's policy or an engine's flag, the device is refused in words that tell", async () => {
  const blocked = class {
    constructor() {
      throw new Error("blocked by CSP");
    }
  };
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: object };
  const opened = async (): Promise<void> => (await openCpu()).close();
  await assert.rejects(during(WebAssembly, "Module", { value: blocked }, opened), {
    name: "DeviceError",
    message: /^cpu: WebAssembly may not be compiled here: blocked by CSP\n.*'wasm-unsafe-eval'/,
  });
  await assert.rejects(during(globalThis, "WebAssembly", {}, opened), {
    name: "DeviceError",
    message: /^cpu: there is no WebAssembly here\n.*--jitless/,
  });
  const { bits } = await during(globalThis, "WebAssembly", {}, doctor);
  assert.match(bits, /^(none: cpu: there is no WebAssembly here$|portable: )/);
});
