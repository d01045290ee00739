/**
 * Finds a WebGPU adapter for the tests, the benchmarks and anyone without a GPU.
 *
 * An adapter of the machine (a GPU, or an installed lavapipe) is taken as it is. Without one, on Linux x64, SwiftShader is
 * unpacked from the development dependency @sparticuz/chromium. The Vulkan loader reads its environment when a process
 * starts, so the variables given here must be set on a child process; they do nothing for the process that is running.
 */
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliDecompressSync } from "node:zlib";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const require = createRequire(import.meta.url);

const probeSource = `
  const { create } = await import("webgpu");
  const adapter = await create([]).requestAdapter();
  if (adapter !== null) {
    const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
    console.log(JSON.stringify({ vendor, architecture, device, description, isFallbackAdapter }));
  }
  process.exit(0);
`;

/** Asks a child process, with `env` added to this one's, which adapter it gets. Resolves to its info, or undefined. */
const probe = (env) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", probeSource], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 60_000,
    });
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
    });
    child.on("error", () => resolve(undefined));
    child.on("close", () => {
      const line = text.split("\n").find((candidate) => candidate.startsWith("{"));
      resolve(line === undefined ? undefined : JSON.parse(line));
    });
  });

/** The regular files of a ustar archive: [name, bytes] pairs. */
const untar = function* (archive) {
  const field = (at, length) => archive.toString("latin1", at, at + length).replace(/\0.*$/s, "");
  for (let at = 0; at + 512 <= archive.length && archive[at] !== 0; ) {
    const size = Number.parseInt(field(at + 124, 12), 8);
    const type = field(at + 156, 1);
    if (!Number.isSafeInteger(size) || at + 512 + size > archive.length)
      throw new Error(`tar: bad entry at byte ${at}`);
    if (type === "0" || type === "") yield [field(at, 100), archive.subarray(at + 512, at + 512 + size)];
    at += 512 + 512 * Math.ceil(size / 512);
  }
};

/** Unpacks files of the browser's graphics into node_modules/.cache, once a version. Returns the folder. */
export const unpackGraphics = (kind, names) => {
  const entry = require.resolve("@sparticuz/chromium");
  const home = entry.slice(
    0,
    entry.lastIndexOf(join("@sparticuz", "chromium")) + join("@sparticuz", "chromium").length,
  );
  const { version } = JSON.parse(readFileSync(join(home, "package.json"), "utf8"));
  const folder = join(root, "node_modules", ".cache", "taugrad", `${kind}-${version}`);
  if (existsSync(folder)) return folder;
  const wanted = new Set(names);
  mkdirSync(dirname(folder), { recursive: true });
  // Unpacked beside its place and then renamed: an interrupted or a second process leaves nothing half-written.
  const parts = mkdtempSync(`${folder}-`);
  for (const [name, bytes] of untar(brotliDecompressSync(readFileSync(join(home, "bin", "swiftshader.tar.br"))))) {
    const file = join(parts, basename(name));
    if (!wanted.delete(basename(name))) continue;
    writeFileSync(file, bytes);
    chmodSync(file, 0o755);
  }
  if (wanted.size > 0) throw new Error(`@sparticuz/chromium ${version} has no ${[...wanted].join(", ")}`);
  try {
    renameSync(parts, folder);
  } catch (error) {
    rmSync(parts, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
};

/** lavapipe and the loader want a runtime directory; containers often have none. */
const runtimeDirectory = () => {
  if (process.platform !== "linux" || process.env.XDG_RUNTIME_DIR !== undefined) return {};
  return { XDG_RUNTIME_DIR: tmpdir() };
};

/** SwiftShader and a Vulkan loader. */
export const VULKAN = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"];

const describe = (info) => {
  const name = [info.description, info.device, info.architecture, info.vendor].find((text) => text) ?? "unnamed";
  const detail = [info.vendor, info.architecture].filter((text) => text && text !== name).join(" ");
  const software = info.isFallbackAdapter || /swiftshader|llvmpipe|lavapipe/i.test(Object.values(info).join(" "));
  return `${name}${detail === "" ? "" : ` (${detail})`}, ${software ? "software" : "hardware"}`;
};

/**
 * The environment in which a child process gets a WebGPU adapter, and one line that names the adapter.
 * `env` is undefined where there is none to be had; `adapter` then says why.
 */
export const findAdapter = async () => {
  const plain = runtimeDirectory();
  const own = await probe(plain);
  if (own !== undefined) return { env: plain, adapter: describe(own) };
  if (process.platform !== "linux" || process.arch !== "x64") {
    return {
      env: undefined,
      adapter: `none: no GPU driver found, and no software one is packaged for ${process.platform} ${process.arch}`,
    };
  }
  const folder = unpackGraphics("swiftshader", VULKAN);
  const env = {
    ...plain,
    VK_ICD_FILENAMES: join(folder, "vk_swiftshader_icd.json"),
    LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH].filter((text) => text).join(delimiter),
    // SwiftShader compiles in small allocations: glibc would give them back to the system and ask for them again all the time.
    MALLOC_TRIM_THRESHOLD_: "1000000000",
    MALLOC_TOP_PAD_: "16777216",
  };
  const software = await probe(env);
  if (software !== undefined) return { env, adapter: describe(software) };
  return { env: undefined, adapter: "none: no GPU driver found, and SwiftShader does not start here" };
};
