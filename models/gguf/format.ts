import { InputError } from "../../core/errors.js";
import { Buffer } from "../platform/node/globals.js";

/** How a tensor's numbers are stored, with the number that GGUF has for it. */
export const TYPES = { f32: 0, f16: 1, q8_0: 8, bf16: 30 } as const;

/** How weights are stored in a GGUF file. */
export type GgufType = keyof typeof TYPES;

/** Kinds of values in a header, with the numbers that GGUF has for them. */
const KINDS = { u32: 4, i32: 5, f32: 6, bool: 7, text: 8, array: 9, u64: 10 } as const;

type Plain =
  | { readonly kind: "u32" | "i32" | "f32" | "u64"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "text"; readonly value: string };

/** A value of a header: a number, a flag, a text, or a list of values of one kind. */
export type GgufValue =
  | Plain
  | { readonly kind: "array"; readonly of: "u32" | "i32" | "f32"; readonly value: readonly number[] }
  | { readonly kind: "array"; readonly of: "text"; readonly value: readonly string[] }
  | { readonly kind: "array"; readonly of: "bool"; readonly value: readonly boolean[] };

export const u32 = (value: number): GgufValue => ({ kind: "u32", value });
export const f32 = (value: number): GgufValue => ({ kind: "f32", value });
export const bool = (value: boolean): GgufValue => ({ kind: "bool", value });
export const text = (value: string): GgufValue => ({ kind: "text", value });
export const texts = (value: readonly string[]): GgufValue => ({ kind: "array", of: "text", value });
export const integers = (value: readonly number[]): GgufValue => ({ kind: "array", of: "i32", value });
export const floats = (value: readonly number[]): GgufValue => ({ kind: "array", of: "f32", value });

/** A tensor to be written, row-major: the last size of `shape` lies closest together. */
export interface GgufTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: GgufType;
}

/** Data begin, and each tensor begins, at a multiple of so many bytes. */
const ALIGNMENT = 32;
const VERSION = 3;

/** Numbers of a block of `q8_0`: 32 bytes behind a scale. */
export const BLOCK = 32;
const bytesOf = { f32: 4, f16: 2, bf16: 2, q8_0: (BLOCK + 2) / BLOCK } as const satisfies Record<GgufType, number>;

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Bytes of a tensor, without what fills it up. */
export const tensorBytes = ({ shape, type }: Pick<GgufTensor, "shape" | "type">): number =>
  sizeOf(shape) * bytesOf[type];

/** Bytes after a length that fill it up to the alignment. */
export const padding = (length: number): number => (ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT;

const encoder = new TextEncoder();

/** Little-endian pieces, one after the other. */
const pieces = () => {
  const all: Uint8Array[] = [];
  const number = (bytes: number, put: (view: DataView) => void): void => {
    const view = new DataView(new ArrayBuffer(bytes));
    put(view);
    all.push(new Uint8Array(view.buffer));
  };
  const u32 = (value: number): void => number(4, (view) => view.setUint32(0, value, true));
  const u64 = (value: number): void => number(8, (view) => view.setBigUint64(0, BigInt(value), true));
  const put = {
    u32,
    u64,
    i32: (value: number): void => number(4, (view) => view.setInt32(0, value, true)),
    f32: (value: number): void => number(4, (view) => view.setFloat32(0, value, true)),
    bool: (value: boolean): void => number(1, (view) => view.setUint8(0, value ? 1 : 0)),
    text: (value: string): void => {
      const bytes = encoder.encode(value);
      u64(bytes.length);
      all.push(bytes);
    },
  };
  return { put, bytes: (): Uint8Array => Buffer.concat(all) };
};

/**
 * The header of a GGUF file: its values and the tensors that follow, in this order, filled up to where the first begins.
 * Errors: InputError for a name used twice.
 * Source: docs/gguf.md of ggml-org/ggml, version 3.
 */
export const ggufHeader = (values: ReadonlyMap<string, GgufValue>, tensors: readonly GgufTensor[]): Uint8Array => {
  const { put, bytes } = pieces();
  put.u32(0x46554747); // "GGUF"
  put.u32(VERSION);
  put.u64(tensors.length);
  put.u64(values.size);
  for (const [key, { kind, ...rest }] of values) {
    put.text(key);
    put.u32(KINDS[kind]);
    const { value } = rest;
    if (!("of" in rest)) {
      (put[kind as Plain["kind"]] as (value: unknown) => void)(value);
      continue;
    }
    const list = value as readonly unknown[];
    put.u32(KINDS[rest.of]);
    put.u64(list.length);
    for (const item of list) (put[rest.of] as (value: unknown) => void)(item);
  }
  let offset = 0;
  const seen = new Set<string>();
  for (const tensor of tensors) {
    const { name, shape, type } = tensor;
    if (seen.has(name)) throw new InputError(`gguf: two tensors are named "${name}"`);
    seen.add(name);
    put.text(name);
    put.u32(shape.length);
    for (const size of [...shape].reverse()) put.u64(size); // GGUF names the size that lies closest together first
    put.u32(TYPES[type]);
    put.u64(offset);
    const length = tensorBytes(tensor);
    offset += length + padding(length);
  }
  const header = bytes();
  return Buffer.concat([header, new Uint8Array(padding(header.length))]);
};
