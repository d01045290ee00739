import type { Memory } from "../../cpu/wasm/host.js";

interface WorkerLike {
  onmessage: (() => void) | null;
  onerror: ((event: { preventDefault: () => void }) => void) | null;
  readonly postMessage: (message: { memory: Memory; log: SharedArrayBuffer; thread: number }) => void;
  readonly terminate: () => void;
}

/** What a page, or a worker of it, has, and TypeScript knows with the DOM library alone; any of it may be missing. */
export const page = globalThis as unknown as {
  readonly navigator?: {
    readonly gpu?: GPU;
    readonly hardwareConcurrency?: number;
    /** GiB, rounded; Chromium alone tells. */
    readonly deviceMemory?: number;
    readonly userAgent?: string;
  };
  /** Is memory shared with workers? It is where the page is served with COOP and COEP. */
  readonly crossOriginIsolated?: boolean;
  readonly Worker?: new (url: string) => WorkerLike;
  readonly localStorage?: {
    readonly getItem: (key: string) => string | null;
    readonly setItem: (key: string, text: string) => void;
  };
};
