import type { DType, HostData, PointwiseName, ProgramMemory, ReduceName, Tensor } from "../../core/index.js";

/** A tensor inside a buffer: element at index i lies at offset + Σ i·strides, in elements of its dtype. */
export interface View {
  /** Index into Plan.buffers. */
  readonly buffer: number;
  readonly shape: readonly number[];
  /** Zero where an axis is broadcast. Never negative. */
  readonly strides: readonly number[];
  readonly offset: number;
}

/**
 * One operation of a pointwise expression. An expression is a list; `args` are positions of earlier entries.
 * `load` reads input `input` of the step at the current index, as it is stored: values of bf16 and f16 are f32 that these
 * can hold; `constant` is a literal; `iota` is Σ i·strides over the
 * step's index, like the offset of a view; every other name is a pointwise op.
 */
export type Instruction =
  | { readonly op: "load"; readonly input: number; readonly dtype: DType }
  | { readonly op: "constant"; readonly value: number; readonly dtype: DType }
  | { readonly op: "iota"; readonly strides: readonly number[]; readonly dtype: DType }
  | {
      readonly op: Exclude<PointwiseName, "iota">;
      readonly args: readonly number[];
      readonly dtype: DType;
      /** dtype of the first operand: what comparisons, casts and arithmetic select their instruction by. */
      readonly from: DType;
      /** randomBits: the domain. */
      readonly domain?: number;
    };

/**
 * Evaluates one expression for each index of `shape`; writes one or several of its values. In place: an output may lie in
 * the memory of inputs, if all of these are the very same view of it. So an index may write only once it has read, and
 * touches nothing but its own elements.
 */
export interface MapStep<V = View> {
  readonly kind: "map";
  readonly shape: readonly number[];
  /** Views of exactly `shape`. */
  readonly inputs: readonly V[];
  readonly body: readonly Instruction[];
  /** Where values of the body go: views of exactly `shape`, never overlapping; those of 16-bit dtypes are whole buffers. */
  readonly outputs: readonly { readonly value: number; readonly view: V; readonly dtype: DType }[];
}

/** Evaluates an expression over [...kept, ...reduced] and reduces its last value over the last axes. */
export interface ReduceStep<V = View> {
  readonly kind: "reduce";
  readonly reduce: ReduceName;
  readonly dtype: DType;
  readonly kept: readonly number[];
  readonly reduced: readonly number[];
  /** Views of exactly [...kept, ...reduced]. `reduced` may hold a 0 for sums (result 0). */
  readonly inputs: readonly V[];
  readonly body: readonly Instruction[];
  /** The body's value that is reduced. */
  readonly value: number;
  /** Contiguous, shape `kept`. */
  readonly output: V;
}

/** out[...batch, M, N] = a[...batch, M, K] × b[...batch, K, N], f32 sums. Any strides; `out` is contiguous. */
export interface MatmulStep<V = View> {
  readonly kind: "matmul";
  readonly a: V;
  readonly b: V;
  /** How a and b are stored: f32, or a 16-bit dtype that is widened as it is read. */
  readonly dtypes: readonly [DType, DType];
  /** Only for devices that can: what both are rounded to before they are multiplied. Default: f32, which is not at all. */
  readonly operands?: "f16";
  readonly output: V;
  /** Only for devices that can: what becomes of each element of the product before it is written. */
  readonly epilogue?: Epilogue<V>;
}

/**
 * An expression over the elements of a product, in their order. Input 0 of its body is the product, the others are
 * `inputs`, from 1 on; its last value is f32, and is written. In place as a map: the output may lie in the memory of inputs, if
 * all of these are the very same elements in the same order; never in that of a or b.
 */
export interface Epilogue<V = View> {
  /** As many elements as the product has. */
  readonly shape: readonly number[];
  /** Views of exactly `shape`. */
  readonly inputs: readonly V[];
  readonly body: readonly Instruction[];
  readonly value: number;
}

/** Everything else: gather, scatterAdd, topkMask, and fused ops the device has kernels for. All views contiguous. */
export interface CallStep<V = View> {
  readonly kind: "call";
  /** Op name, such as "gather" or "attention.vjp"; inputs, attrs and result are those of the op's record in core. */
  readonly name: string;
  readonly inputs: readonly V[];
  /** How the inputs are stored; 16-bit ones are read as f32. */
  readonly dtypes: readonly DType[];
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly output: V;
}

/** Alike steps, independent of one another: in any order, or all at once. */
export interface BatchStep<V = View> {
  readonly kind: "batch";
  readonly steps: readonly SingleStep<V>[];
}

/** What may be part of a batch. */
export type SingleStep<V = View> = MapStep<V> | ReduceStep<V> | MatmulStep<V> | CallStep<V>;

/** A step over views; over `View` once tensors have buffers, before that over views of tensors. */
export type Step<V = View> = SingleStep<V> | BatchStep<V>;

export interface PlanBuffer {
  /**
   * input i of the program; output i: the memory of a donated input (its place in the program's inputs), or allocated fresh
   * at each run; constant with its numbers; temporary, so many bytes into a slot; guest: a temporary, so many bytes into another
   * buffer while that holds nothing: a donated input once it was read, or an output until it is written.
   */
  readonly role:
    | { readonly kind: "input"; readonly index: number }
    | { readonly kind: "output"; readonly index: number; readonly donor?: number }
    | { readonly kind: "constant"; readonly data: HostData }
    | { readonly kind: "temporary"; readonly slot: number; readonly offset: number }
    | { readonly kind: "guest"; readonly host: number; readonly offset: number };
  readonly bytes: number;
  readonly dtype: DType;
  /** The tensor that it holds, as errors show it. */
  readonly of: string;
}

/** What a device runs: steps in order over buffers. Pure data; a function of the graph's structure. */
export interface Plan {
  readonly buffers: readonly PlanBuffer[];
  /**
   * Bytes of each slot. Temporaries share bytes of one if none is written before the one before it was read for the last time;
   * offsets are multiples of 256. Beside in place, no step reads a slot, or a host, that it writes.
   */
  readonly slots: readonly number[];
  readonly steps: readonly Step[];
  /** Buffer index of each program output, in order; all distinct. */
  readonly outputs: readonly number[];
}

/** What a device tells the planner about itself. */
export interface Abilities {
  /** Names of fused ops ("softmax", "attention.vjp", …) that the device has kernels for; others are expanded. */
  readonly fused: ReadonlySet<string>;
  /** Can it read inputs of such a call that are stored in 16 bits? Else they are widened before. Default: no. */
  readonly reads16?: (call: string) => boolean;
  /** Most distinct buffers (inputs and outputs together) that one map or reduce step may touch. */
  readonly maxBuffers: number;
  /** May a map, or an epilogue, write an output over an input that it reads for the last time? */
  readonly inPlace: boolean;
  /** Does a batch of alike small steps cost it less than the steps one by one? */
  readonly batches: boolean;
  /** And one of alike large steps, products among them? Default: no. */
  readonly largeBatches?: boolean;
  /** May a product pass through an expression before it is written? Default: no. */
  readonly epilogue?: boolean;
  /** Can it round operands of this product, or attention, to f16 as it reads them? Else a map does. Default: no. */
  readonly f16Operands?: (product: Tensor) => boolean;
  /** Most bytes of a slot that is shared. Default: any. */
  readonly slotBytes?: number;
  /** Bytes past its end that a step may write along with a value; slots, inputs and outputs are as much longer. Default: none. */
  readonly padding?: number;
  /** Brings a number to the precision programs compute in. Default: f32. */
  readonly round?: (x: number) => number;
  /** Told of each plan. Default: nobody is. */
  readonly tell?: PlanTeller;
}

/** Hears of a plan, and of the memory that it takes. */
export type PlanTeller = (plan: Plan, memory: ProgramMemory) => void;
