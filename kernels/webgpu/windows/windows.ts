import { bytesOf, DeviceError, type DType } from "../../../core/index.js";
import type { View } from "../../plan/steps.js";
import { reachOf } from "./box.js";

/** What a kernel touches of a view's buffer: elements `first` … `first + count`. */
export interface Touched {
  readonly view: View;
  readonly first: number;
  readonly count: number;
  /** Bytes of an element. */
  readonly bytes: number;
  readonly isWritten: boolean;
}

export const reads = (view: View, dtype: DType = "f32"): Touched => ({
  ...{ view, first: view.offset, count: reachOf(view) },
  ...{ bytes: bytesOf(dtype), isWritten: false },
});
export const writes = (view: View, dtype: DType = "f32"): Touched => ({ ...reads(view, dtype), isWritten: true });

/** What one kernel may bind. */
export interface Bounds {
  /** Most bytes of a binding: whole quads. */
  readonly binding: number;
  /** What the offset of a binding is a multiple of, in bytes. */
  readonly alignment: number;
  /** Most bindings. */
  readonly bindings: number;
}

/** A range of a buffer, in bytes. */
export interface Window {
  readonly buffer: number;
  readonly offset: number;
  readonly bytes: number;
}

/** Sizes of windows are multiples of this: whole quads. */
const QUAD = 16;
const quads = (bytes: number): number => Math.ceil(bytes / QUAD) * QUAD;
const endOf = ({ offset, bytes }: Window): number => offset + bytes;

/**
 * A window for each view, undefined where a binding from the buffer's start will do; undefined if no windows do. One
 * window a buffer if that is enough, else as few as possible. A buffer that is written has windows that do not overlap,
 * all of them written.
 */
export const arrange = (touched: readonly Touched[], bounds: Bounds): (Window | undefined)[] | undefined => {
  const most = bounds.binding;
  const placed = new Map<Touched, Window | undefined>();
  let bindings = 0;
  for (const buffer of new Set(touched.map(({ view }) => view.buffer))) {
    const own = touched.filter(({ view, count }) => view.buffer === buffer && count > 0);
    if (own.every(({ first, count, bytes }) => (first + count) * bytes <= most)) {
      bindings++;
      continue;
    }
    const windows: { window: Window; of: Touched[] }[] = [];
    for (const one of own.sort((a, b) => a.first * a.bytes - b.first * b.bytes)) {
      const [start, end] = [one.first * one.bytes, (one.first + one.count) * one.bytes];
      const last = windows.at(-1);
      const offset = last?.window.offset ?? 0;
      const bytes = quads(Math.max(end - offset, last?.window.bytes ?? 0));
      if (last !== undefined && bytes <= most) {
        last.window = { buffer, offset, bytes };
        last.of.push(one);
      } else {
        const from = start - (start % bounds.alignment);
        if (quads(end - from) > most) return undefined;
        windows.push({ window: { buffer, offset: from, bytes: quads(end - from) }, of: [one] });
      }
    }
    const isWritten = own.some((one) => one.isWritten);
    if (isWritten)
      for (const [i, { window, of }] of windows.entries()) {
        if (i > 0 && endOf(windows[i - 1].window) > window.offset) return undefined;
        if (windows.length > 1 && !of.some((one) => one.isWritten)) return undefined;
      }
    for (const { window, of } of windows) for (const one of of) placed.set(one, window);
    bindings += windows.length;
  }
  if (bindings > bounds.bindings) return undefined;
  return touched.map((one) => placed.get(one));
};

/** The windows of a program: kernels bind them by number, like buffers. */
export interface Windows {
  readonly fits: (touched: readonly Touched[]) => boolean;
  /** Would they fit whatever the offsets of the first ones were, beside others that stay? */
  readonly fitsAnywhere: (moving: readonly Touched[], others: readonly Touched[]) => boolean;
  /** The views as kernels see them: of windows where need be, with offsets from their start (mod 2³²: perhaps negative). */
  readonly place: (touched: readonly Touched[]) => View[];
  /** Views that are too long for a binding on their own; all of them if none is. */
  readonly tooLong: (touched: readonly Touched[]) => readonly Touched[];
  /** Throws: what cannot be cut any further. */
  readonly refuse: (what: string, touched: readonly Touched[]) => never;
  /** Windows of some of the buffers, which are numbered from 0 on there. */
  readonly over: (buffers: readonly number[]) => Windows;
  /** What kernels bind a window by. */
  readonly number: (window: Window) => number;
  /** The range that a number in Kernel.bindings means; undefined if it is a buffer's own. */
  readonly at: (binding: number) => Window | undefined;
}

/** `buffers` of a plan, with the tensors they hold, as errors name them. */
export const createWindows = (buffers: readonly { readonly of: string }[], bounds: Bounds): Windows => {
  const windows: Window[] = [];
  const known = new Map<string, number>();
  const number = (window: Window): number => {
    const key = `${window.buffer} ${window.offset} ${window.bytes}`;
    const own = known.get(key) ?? buffers.length + windows.push(window) - 1;
    known.set(key, own);
    return own;
  };
  const tooLong = (touched: readonly Touched[]) => {
    const long = touched.filter((one) => arrange([one], bounds) === undefined);
    return long.length === 0 ? touched : long;
  };
  return {
    fits: (touched) => arrange(touched, bounds) !== undefined,
    fitsAnywhere: (moving, others) => {
      const most = bounds.binding - bounds.alignment - QUAD;
      const bindings = bounds.bindings - moving.length;
      return (
        moving.every(({ count, bytes }) => count * bytes <= most) &&
        arrange(others, { ...bounds, bindings }) !== undefined
      );
    },
    place: (touched) => {
      const placed = arrange(touched, bounds);
      if (placed === undefined) throw new DeviceError("webgpu: a part of a step was not cut to fit its bindings");
      return touched.map(({ view, bytes }, i) => {
        const window = placed[i];
        if (window === undefined) return view;
        return { ...view, buffer: number(window), offset: view.offset - window.offset / bytes };
      });
    },
    tooLong,
    refuse: (what, touched) => {
      const [longest] = [...tooLong(touched)].sort((a, b) => b.count * b.bytes - a.count * a.bytes);
      const of = buffers[longest.view.buffer]?.of ?? "what it works in";
      throw new DeviceError(
        `webgpu: ${what} cannot be cut to fit this adapter: a part of it needs ${longest.count * longest.bytes} bytes of ${of} at once; ` +
          `a binding holds ${bounds.binding} bytes, a kernel ${bounds.bindings} bindings`,
        "use a smaller batch or shorter rows, another adapter, or --device cpu",
      );
    },
    over: (some) =>
      createWindows(
        some.map((buffer) => buffers[buffer]),
        bounds,
      ),
    number,
    at: (binding) => windows[binding - buffers.length],
  };
};
