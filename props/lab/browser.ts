/** Headless Chromium from the development dependency, driven by its own protocol over a pipe. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { brotliDecompressSync } from "node:zlib";
import { projectRoot } from "../golden/files.js";

/** Unpacks the browser into node_modules/.cache, once a version; beside its graphics, where it is to have a GPU. */
const browserWith = async (gpu: boolean): Promise<string> => {
  if (!gpu) return unpacked();
  const { unpackGraphics, VULKAN } = (await import(pathToFileURL(join(projectRoot, "props", "adapter.mjs")).href)) as {
    readonly unpackGraphics: (kind: string, names: readonly string[]) => string;
    readonly VULKAN: readonly string[];
  };
  const [file, own] = [unpacked(), unpackGraphics("browser-graphics", [...VULKAN, "libEGL.so", "libGLESv2.so"])];
  const beside = join(own, basename(file));
  try {
    linkSync(file, beside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return beside;
};

/** Unpacks the browser into node_modules/.cache, once a version. */
const unpacked = (): string => {
  const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium");
  const name = join("@sparticuz", "chromium");
  const home = entry.slice(0, entry.lastIndexOf(name) + name.length);
  const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8")) as { version: string };
  const file = join(projectRoot, "node_modules", ".cache", "taugrad", `chromium-${version}`);
  if (existsSync(file)) return file;
  mkdirSync(dirname(file), { recursive: true });
  const part = `${file}.${process.pid}`;
  writeFileSync(part, brotliDecompressSync(readFileSync(join(home, "bin", "chromium.br"))));
  chmodSync(part, 0o755);
  renameSync(part, file);
  return file;
};

const ARGS = [
  ...["--headless=shell", "--no-sandbox", "--no-zygote", "--disable-dev-shm-usage", "--mute-audio"],
  ...["--hide-scrollbars", "--no-first-run", "--disable-extensions", "--disable-background-networking"],
  ...["--disable-features=Translate,IsolateOrigins,site-per-process", "--remote-debugging-pipe", "about:blank"],
];

/** Without a GPU; or with SwiftShader in the place of one, for WebGPU as a page has it: what is seen is drawn without. */
const GRAPHICS = {
  none: ["--disable-gpu"],
  swiftshader: [
    ...["--enable-unsafe-webgpu", "--enable-unsafe-swiftshader", "--use-webgpu-adapter=swiftshader"],
    ...["--enable-features=Vulkan", "--use-vulkan=swiftshader", "--use-angle=swiftshader", "--ignore-gpu-blocklist"],
    ...["--disable-gpu-compositing", "--disable-gpu-rasterization"],
  ],
};

/** How a page is opened. */
export interface PageOptions {
  /** Milliseconds that the browser may take to start. Default 60 000. */
  readonly patience?: number;
  /** Default: none. */
  readonly gpu?: keyof typeof GRAPHICS;
  /** More of Chromium's own arguments. */
  readonly args?: readonly string[];
}

/** A page of the browser. */
export interface Page {
  /** Sends a command of the DevTools protocol. */
  readonly send: (method: string, params?: Readonly<Record<string, unknown>>) => Promise<Record<string, unknown>>;
  /** Hears of every event of this name. */
  readonly on: (method: string, hear: (params: Record<string, unknown>) => void) => void;
  /** Resolves at the next event of this name. */
  readonly event: (method: string) => Promise<Record<string, unknown>>;
  readonly close: () => Promise<void>;
}

type Message = {
  id?: number;
  method?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
};

/** The browser's pipe: commands out, answers and events in; messages end with a zero byte. */
const connected = (child: ChildProcess) => {
  const [out, into] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const answers = new Map<number, (message: Message) => void>();
  const listeners = new Map<string, Set<(params: Record<string, unknown>) => void>>();
  const on = (method: string, hear: (params: Record<string, unknown>) => void): void => {
    listeners.set(method, (listeners.get(method) ?? new Set()).add(hear));
  };
  let serial = 0;
  let text = "";
  out.on("error", () => {}); // told by the exit
  into.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (text + chunk).split("\0");
    text = parts.pop() ?? "";
    for (const part of parts) {
      const message = JSON.parse(part) as Message;
      if (message.id !== undefined) answers.get(message.id)?.(message);
      else for (const hear of [...(listeners.get(message.method ?? "") ?? [])]) hear(message.params ?? {});
    }
  });
  return {
    send: (method: string, params: object = {}, sessionId?: string): Promise<Record<string, unknown>> =>
      new Promise((resolve, reject) => {
        const id = ++serial;
        answers.set(id, ({ result = {}, error }) =>
          error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result),
        );
        out.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
      }),
    on,
    event: (method: string): Promise<Record<string, unknown>> =>
      new Promise((resolve) => {
        const once = (params: Record<string, unknown>): void => {
          listeners.get(method)?.delete(once);
          resolve(params);
        };
        on(method, once);
      }),
  };
};

/** Removes a folder into which somebody may write for a moment yet. */
const removed = async (folder: string): Promise<void> => {
  for (let tries = 100; ; tries--)
    try {
      return rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (tries === 0 || (error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
      await new Promise((then) => setTimeout(then, 50));
    }
};

/** Opens a page, or says why there is no browser to be had here. */
export const openPage = async ({
  patience = 60_000,
  gpu = "none",
  args = [],
}: PageOptions = {}): Promise<Page | string> => {
  if (process.platform !== "linux" || process.arch !== "x64") return `no browser is packaged for ${process.platform}`;
  const profile = mkdtempSync(join(tmpdir(), "taugrad-browser-"));
  const child = spawn(
    await browserWith(gpu !== "none"),
    [...GRAPHICS[gpu], ...args, ...ARGS, `--user-data-dir=${profile}`],
    {
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
    },
  );
  const gone = new Promise<never>((_, reject) => {
    child.on("error", reject).on("exit", (code, signal) => reject(new Error(`chromium ended (${signal ?? code})`)));
  });
  gone.catch(() => {});
  const close = async (): Promise<void> => {
    const ended = gone.catch(() => {});
    // Its helpers too: they are of its group, and write into the profile until they end.
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, "SIGKILL");
    await ended;
    await removed(profile);
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`chromium does not answer within ${patience / 1000} s`)), patience);
  });
  try {
    const { send, on, event } = connected(child);
    const start = async (): Promise<string> => {
      const { targetId } = await send("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
      await send("Page.enable", {}, sessionId as string);
      return sessionId as string;
    };
    const session = await Promise.race([start(), gone, late]);
    return { send: (method, params) => Promise.race([send(method, params, session), gone]), on, event, close };
  } catch (error) {
    await close();
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
};
