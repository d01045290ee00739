import { concat, memoryImport, section, sized, text, unsigned, vector } from "./binary.js";
import type { Bits } from "./bits.js";
import {
  type Code,
  type Expr,
  expr,
  type I32,
  i32Const,
  integerOf,
  numberOf,
  type Statement,
  type ValueType,
  writeCondition,
} from "./expression.js";
import type { Addressing } from "./host.js";
import { unsignedLeb } from "./leb.js";
import { i32 } from "./ops.js";

const TYPE_BYTE = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b } as const satisfies Record<ValueType, number>;
const I64 = 0x7e;
const typeByte = (type: ValueType, isWide: boolean): number => (isWide && type === "i32" ? I64 : TYPE_BYTE[type]);
const EMPTY_BLOCK = 0x40;
const END = 0x0b;

/** A local variable: as an Expr it reads itself. */
export interface Local<T extends ValueType = ValueType> extends Expr<T> {
  readonly index: number;
}

/** A function of the module under construction. */
export interface FunctionRef<R extends ValueType | undefined = ValueType | undefined> {
  readonly index: number;
  readonly result: R;
}

/** Writes one function's body, statement after statement. */
export interface Body {
  readonly module: ModuleBuilder;
  readonly local: <T extends ValueType>(type: T) => Local<T>;
  /** A new local with a value. */
  readonly let: <T extends ValueType>(value: Expr<T>) => Local<T>;
  readonly set: <T extends ValueType>(local: Local<T>, value: Expr<T>) => void;
  /** local += n */
  readonly advance: (local: Local<"i32">, by: I32 | number) => void;
  readonly do: (statement: Statement) => void;
  readonly if: (condition: I32, then: () => void, otherwise?: () => void) => void;
  /** Runs the block, and again while the condition that it returns holds. */
  readonly repeat: (block: () => I32) => void;
  /** Runs the block `count` times; not at all if count ≤ 0. */
  readonly times: (count: I32, block: () => void) => void;
  /** for (i = from; i < to; i += step), signed. */
  readonly range: (from: I32 | number, to: I32, step: number, block: (i: Local<"i32">) => void) => void;
  readonly run: (fn: FunctionRef<undefined>, ...args: readonly Expr[]) => void;
  readonly return: (value: Expr) => void;
}

export interface ModuleBuilder {
  readonly bits: Bits;
  readonly func: <const P extends readonly ValueType[], R extends ValueType | undefined>(
    signature: { readonly export?: string; readonly params: P; readonly result: R },
    write: (body: Body, ...params: { [K in keyof P]: Local<P[K]> }) => void,
  ) => FunctionRef<R>;
  /** The function of that name, written on first use: helpers come along only where they are called. */
  readonly once: <R extends ValueType | undefined>(name: string, make: () => FunctionRef<R>) => FunctionRef<R>;
  readonly bytes: () => Uint8Array<ArrayBuffer>;
}

/** A call as a value. */
export const call = <R extends ValueType>(fn: FunctionRef<R>, ...args: readonly Expr[]): Expr<R> =>
  expr(fn.result, (out) => {
    for (const arg of args) arg.write(out);
    out.push(0x10);
    unsignedLeb(fn.index, out);
  });

const localOf = <T extends ValueType>(index: number, type: T): Local<T> => ({
  index,
  type,
  write: (out) => {
    out.push(0x20);
    unsignedLeb(index, out);
  },
});

const asExpr = (n: I32 | number): I32 => (typeof n === "number" ? i32Const(n) : n);

interface FunctionBody {
  readonly body: Body;
  readonly finish: () => number[];
}

const startBody = (module: ModuleBuilder, params: readonly ValueType[], isWide: boolean): FunctionBody => {
  const locals: ValueType[] = [];
  const out: Code = Object.assign([], { isWide });
  const local = <T extends ValueType>(type: T): Local<T> => localOf(params.length + locals.push(type) - 1, type);
  const set = <T extends ValueType>(to: Local<T>, value: Expr<T>): void => {
    value.write(out);
    out.push(0x21);
    unsignedLeb(to.index, out);
  };
  const body: Body = {
    module,
    local,
    set,
    let: (value) => {
      const made = local(value.type);
      set(made, value);
      return made;
    },
    advance: (to, by) => set(to, i32.add(to, asExpr(by))),
    do: (statement) => statement.write(out),
    if: (condition, then, otherwise) => {
      writeCondition(condition, out);
      out.push(0x04, EMPTY_BLOCK);
      then();
      if (otherwise !== undefined) {
        out.push(0x05);
        otherwise();
      }
      out.push(END);
    },
    repeat: (block) => {
      out.push(0x03, EMPTY_BLOCK);
      writeCondition(block(), out);
      out.push(0x0d, 0, END); // br_if to the loop's start
    },
    times: (count, block) => {
      const left = body.let(count);
      body.if(i32.gt_s(left, i32Const(0)), () =>
        body.repeat(() => {
          block();
          body.advance(left, -1);
          return left;
        }),
      );
    },
    range: (from, to, step, block) => {
      const i = body.let(asExpr(from));
      const end = body.let(to);
      body.if(i32.lt_s(i, end), () =>
        body.repeat(() => {
          block(i);
          body.advance(i, step);
          return i32.lt_s(i, end);
        }),
      );
    },
    run: (fn, ...args) => {
      for (const arg of args) arg.write(out);
      out.push(0x10);
      unsignedLeb(fn.index, out);
    },
    return: (value) => {
      value.write(out);
      out.push(0x0f);
    },
  };
  const finish = (): number[] => {
    const groups: { type: ValueType; count: number }[] = [];
    for (const type of locals) {
      const last = groups.at(-1);
      if (last?.type === type) last.count++;
      else groups.push({ type, count: 1 });
    }
    return concat([vector(groups.map(({ type, count }) => [...unsigned(count), typeByte(type, isWide)])), out, [END]]);
  };
  return { body, finish };
};

/**
 * A module that imports one memory, `env.memory`, and exports functions. Exported functions take and give numbers in wide code
 * as well: an i64 would be a BigInt.
 */
export const moduleBuilder = (addressing: Addressing = {}, bits: Bits = "native"): ModuleBuilder => {
  const { isWide = false } = addressing;
  const types = new Map<string, { index: number; bytes: number[] }>();
  const functions: { type: number; code: number[]; name: string | undefined }[] = [];
  const helpers = new Map<string, FunctionRef>();

  const typeIndex = (params: readonly ValueType[], result: ValueType | undefined): number => {
    const name = `${params.join(",")}→${result}`;
    const known = types.get(name);
    if (known !== undefined) return known.index;
    const results = result === undefined ? [] : [[typeByte(result, isWide)]];
    const bytes = concat([[0x60], vector(params.map((type) => [typeByte(type, isWide)])), vector(results)]);
    types.set(name, { index: types.size, bytes });
    return types.size - 1;
  };
  /** A function's way in from JavaScript, which has no 64-bit integers but numbers. */
  const exportWide = <R extends ValueType | undefined>(
    name: string,
    params: readonly ValueType[],
    fn: FunctionRef<R>,
  ) => {
    const isInteger = fn.result === "i32";
    const outside = params.map((type) => (type === "i32" ? "f64" : type));
    const signature = { params: outside, result: isInteger ? ("f64" as const) : fn.result };
    const entry = builder.func(signature, (body, ...args) => {
      const inside = args.map((arg, i) => (params[i] === "i32" ? integerOf(arg as Local<"f64">) : arg));
      if (fn.result === undefined) body.run(fn as FunctionRef<undefined>, ...inside);
      else {
        const value = call(fn as FunctionRef<ValueType>, ...inside);
        body.return(isInteger ? numberOf(value as I32) : value);
      }
    });
    functions[entry.index].name = name;
  };

  const builder: ModuleBuilder = {
    bits,
    func: (signature, write) => {
      const { params, result } = signature;
      const index = functions.length;
      const entry = {
        type: typeIndex(params, result),
        code: [] as number[],
        name: isWide ? undefined : signature.export,
      };
      functions.push(entry);
      const { body, finish } = startBody(builder, params, isWide);
      const locals = params.map((type, i) => localOf(i, type));
      (write as (body: Body, ...params: Local[]) => void)(body, ...locals);
      entry.code = finish();
      if (isWide && signature.export !== undefined) exportWide(signature.export, params, { index, result });
      return { index, result };
    },
    once: <R extends ValueType | undefined>(name: string, make: () => FunctionRef<R>) => {
      const known = helpers.get(name) as FunctionRef<R> | undefined;
      const fn = known ?? make();
      helpers.set(name, fn);
      return fn;
    },
    bytes: () => {
      const exports = functions.flatMap(({ name }, i) =>
        name === undefined ? [] : [concat([text(name), [0x00], unsigned(i)])],
      );
      return new Uint8Array(
        concat([
          [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
          section(1, vector([...types.values()].map(({ bytes }) => bytes))),
          section(2, vector([memoryImport(addressing)])),
          section(3, vector(functions.map(({ type }) => unsigned(type)))),
          section(7, vector(exports)),
          section(10, vector(functions.map(({ code }) => sized(code)))),
        ]),
      );
    },
  };
  return builder;
};
