import { DeviceError, type DType, isHalf } from "../../../core/index.js";
import { quadType } from "./accessors.js";
import { calledBy, HELPERS, type HelperName } from "./helpers.js";
import { type Bound, paramsIn, readParam, type Source, textOf } from "./source.js";

/** One dispatch: WGSL text, what to bind, the numbers it reads, how many workgroups. */
export interface Kernel {
  /** Shown in timings and in Dawn's messages. */
  readonly label: string;
  /** The pipeline's cache key: structure only. Sizes, strides, offsets and constants are in `params`. */
  readonly code: string;
  /** Buffers at bindings 1, 2, …: an index into Plan.buffers, `scratch(i)`, or a window of one (windows/). */
  readonly bindings: readonly number[];
  /** One letter a binding: r read, w written (perhaps read too). */
  readonly access: string;
  /** Words of the uniform buffer at binding 0. */
  readonly params: readonly number[];
  readonly workgroups: number;
  /** What the text was made of. */
  readonly source: Source;
}

/** Numbers a View.buffer that is not one of the plan's: working memory shared by all steps of a program. */
export const scratch = (index: number): number => -1 - index;
export const scratchIndex = (buffer: number): number => -1 - buffer;

/** Access to one buffer with one dtype; arguments and results are WGSL text. */
export interface Access {
  readonly load: (address: string) => string;
  readonly store: (address: string, value: string) => string;
  /** atomicAdd; only on a buffer opened as "atomic". */
  readonly add: (address: string, value: string) => string;
}

/** Four neighbours of a buffer at once, from an address that is a multiple of four. */
export interface Quads {
  /** A vector of four; f32 for 16-bit dtypes. */
  readonly load: (address: string) => string;
  /** Writes a vector of four; of a 16-bit dtype, f32 rounded to nearest. */
  readonly store: (address: string, quad: string) => string;
  /** As they lie in memory, the type of that, and the numbers in it: for kernels that load long before they use. */
  readonly raw: (address: string) => string;
  readonly type: string;
  readonly value: (raw: string) => string;
}

const words = new DataView(new ArrayBuffer(4));
/** The bits of an f32. */
export const bitsOf = (value: number): number => {
  words.setFloat32(0, value);
  return words.getUint32(0);
};

/** P[0] of every kernel: the bits of infinity, of NaN and of 0, which no compiler may know. Parameters follow. */
const FIRST_WORDS = [0x7f800000, 0x7fc00000, 0, 0];

type Extension = "f16" | "subgroups" | "subgroup_size_control" | "chromium_experimental_subgroup_matrix";

/** Collects the parts of one kernel's text. Every method returns WGSL text to put into the body. */
export interface Builder {
  /** A number that is data: u32. */
  readonly param: (value: number) => string;
  /** A number that is data: f32. Infinity and NaN may be passed so, though WGSL has no literal for them. */
  readonly floatParam: (value: number) => string;
  /** An f32 value of which compilers cannot tell what it was made of: its bits and 0 from the parameters, xor. */
  readonly hidden: (value: string) => string;
  /**
   * 16-bit dtypes are read only, as f32, from an address in 16-bit elements; whoever makes them writes words, as u32.
   */
  readonly buffer: (buffer: number, dtype: DType, mode: "read" | "write" | "atomic") => Access;
  /** A buffer of which quads are read, or written: then all accesses are in quads, but for reads of single numbers. */
  readonly quads: (buffer: number, dtype: DType, mode?: "read" | "write") => Quads;
  /** A name for a helper function; its text is added once. */
  readonly helper: (name: HelperName) => string;
  /** A language extension that the body needs. */
  readonly enable: (extension: Extension) => void;
  /** A function outside the entry point; its lines may use params. */
  readonly func: (head: string, lines: readonly string[]) => void;
  /** Text outside the entry point. */
  readonly declare: (text: string) => void;
  readonly finish: (entry: Entry) => Kernel;
}

interface Entry {
  readonly workgroupSize: number;
  readonly workgroups: number;
  /** Sees `group` (flat workgroup number) and `lane` (flat invocation number in it). */
  readonly body: string;
  /** Given: the body sees `subgroup`, its number in the workgroup; all subgroups have so many invocations, or as many as they have. */
  readonly subgroup?: number | "any";
}

interface Open extends Bound {
  readonly buffer: number;
  readonly dtypes: Set<DType>;
  written: boolean;
  atomic: boolean;
  quads: boolean;
}

export const builder = (label: string): Builder => {
  const params: number[] = [...FIRST_WORDS];
  const bound: Open[] = [];
  const helpers = new Set<HelperName>();
  const declarations: string[] = [];
  const extensions = new Set<string>();

  const param = (value: number): string => {
    // Offsets may lie before a window's start: addresses are sums mod 2³².
    if (Math.abs(value) >= 2 ** 32) throw new DeviceError(`webgpu: ${label}: ${value} does not fit in 32 bits`);
    params.push(value >>> 0);
    return `P${params.length - 1}`;
  };

  const need = (name: HelperName): string => {
    if (helpers.has(name)) return name;
    helpers.add(name);
    calledBy(name).forEach(need);
    return name;
  };

  const bind = (buffer: number, dtype: DType): [at: number, it: Open] => {
    if (isHalf(dtype)) need(`${dtype}_value`);
    let at = bound.findIndex((b) => b.buffer === buffer);
    if (at < 0) at = bound.push({ buffer, dtypes: new Set(), written: false, atomic: false, quads: false }) - 1;
    bound[at].dtypes.add(dtype);
    return [at, bound[at]];
  };

  return {
    param,
    floatParam: (value) => `bitcast<f32>(${param(bitsOf(value))})`,
    hidden: (value) => `bitcast<f32>(bitcast<u32>(${value}) ^ P2)`,
    buffer: (buffer, dtype, mode) => {
      const [at, it] = bind(buffer, dtype);
      it.written ||= mode !== "read";
      it.atomic ||= mode === "atomic";
      return {
        load: (address) => `load_B${at}_${dtype}(${address})`,
        store: (address, value) => `store_B${at}_${dtype}(${address}, ${value});`,
        add: (address, value) => `add_B${at}_${dtype}(${address}, ${value});`,
      };
    },
    quads: (buffer, dtype, mode = "read") => {
      const [at, it] = bind(buffer, dtype);
      it.quads = true;
      it.written ||= mode === "write";
      if (isHalf(dtype) && mode === "write") need(`${dtype}_code`);
      const raw = (address: string) => `raw_B${at}_${dtype}(${address})`;
      const value = (held: string) => (isHalf(dtype) ? `${need(`${dtype}_quad`)}(${held})` : held);
      return {
        ...{ raw, value, type: quadType(dtype) },
        load: (address) => value(raw(address)),
        store: (address, quad) => `store_B${at}_${dtype}(${address}, ${quad});`,
      };
    },
    helper: need,
    func: (head, lines) => {
      const all = [...paramsIn(lines.join("\n")).map(readParam), ...lines];
      declarations.push([`${head} {`, ...all.map((line) => `  ${line}`), "}"].join("\n"));
    },
    enable: (extension) => void extensions.add(extension),
    declare: (text) => void declarations.push(text),
    finish: ({ workgroupSize, workgroups, body, subgroup }) => {
      if (typeof subgroup === "number") extensions.add("subgroup_size_control");
      const source: Source = {
        extensions: [...extensions],
        words: params.length,
        bound,
        helpers: [...helpers].map((name) => HELPERS[name]),
        declarations,
        ...{ workgroupSize, subgroup },
        // Read once, before any loop: compilers of software adapters move nothing out of loops.
        body: [...paramsIn(body).map((i) => `  ${readParam(i)}`), body].join("\n"),
      };
      return {
        label,
        code: textOf(source),
        bindings: bound.map((b) => b.buffer),
        access: bound.map((b) => (b.written ? "w" : "r")).join(""),
        params,
        workgroups,
        source,
      };
    },
  };
};
