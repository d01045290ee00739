/** What props/golden/stored.ts is, in a page. */
import { folderAt } from "../../../models/index.js";
import { addressOf } from "./golden-files.mjs";

export const goldenFolder = (...parts) => folderAt(addressOf("golden", ...parts));

/** Tensors of numbers in 32 bits, read without the project's own reader. */
export const goldenTensors = async (...parts) => {
  const bytes = await (await fetch(addressOf("golden", ...parts))).arrayBuffer();
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const { __metadata__: _, ...header } = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  const of = (dtype, List) => (name) => {
    const { dtype: own, shape, data_offsets: at } = header[name];
    if (own !== dtype) throw new Error(`${name} is ${own}, not ${dtype}`);
    return { shape, data: new List(bytes.slice(8 + length + at[0], 8 + length + at[1])) };
  };
  return {
    tensors: new Map(Object.entries(header)),
    read: of("F32", Float32Array),
    readIntegers: of("I32", Int32Array),
  };
};
