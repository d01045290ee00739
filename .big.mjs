// props/lab/browser.ts
import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync as existsSync2,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync as readFileSync2,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, dirname as dirname2, join as join2 } from "node:path";
import { pathToFileURL } from "node:url";
import { brotliDecompressSync } from "node:zlib";

// props/golden/files.ts
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
var projectRoot = (() => {
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    if (existsSync(join(at, "package.json")) && existsSync(join(at, "props", "golden"))) return at;
  }
  throw new Error("the project's root was not found above the running test");
})();

// props/lab/browser.ts
var browserWith = async (gpu) => {
  if (!gpu) return unpacked();
  const { unpackGraphics, VULKAN } = await import(pathToFileURL(join2(projectRoot, "props", "adapter.mjs")).href);
  const [file, own] = [unpacked(), unpackGraphics("browser-graphics", [...VULKAN, "libEGL.so", "libGLESv2.so"])];
  const beside = join2(own, basename(file));
  try {
    linkSync(file, beside);
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  return beside;
};
var unpacked = () => {
  const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium");
  const name = join2("@sparticuz", "chromium");
  const home = entry.slice(0, entry.lastIndexOf(name) + name.length);
  const { version } = JSON.parse(readFileSync2(join2(home, "package.json"), "utf8"));
  const file = join2(projectRoot, "node_modules", ".cache", "taugrad", `chromium-${version}`);
  if (existsSync2(file)) return file;
  mkdirSync(dirname2(file), { recursive: true });
  const part = `${file}.${process.pid}`;
  writeFileSync(part, brotliDecompressSync(readFileSync2(join2(home, "bin", "chromium.br"))));
  chmodSync(part, 493);
  renameSync(part, file);
  return file;
};
var ARGS = [
  ...["--headless=shell", "--no-sandbox", "--no-zygote", "--disable-dev-shm-usage", "--mute-audio"],
  ...["--hide-scrollbars", "--no-first-run", "--disable-extensions", "--disable-background-networking"],
  ...["--disable-features=Translate,IsolateOrigins,site-per-process", "--remote-debugging-pipe", "about:blank"]
];
var GRAPHICS = {
  none: ["--disable-gpu"],
  swiftshader: [
    ...["--enable-unsafe-webgpu", "--enable-unsafe-swiftshader", "--use-webgpu-adapter=swiftshader"],
    ...["--enable-features=Vulkan", "--use-vulkan=swiftshader", "--use-angle=swiftshader", "--ignore-gpu-blocklist"]
  ]
};
var connected = (child) => {
  const [out2, into] = [child.stdio[3], child.stdio[4]];
  const answers = /* @__PURE__ */ new Map();
  const listeners = /* @__PURE__ */ new Map();
  const on = (method, hear) => {
    listeners.set(method, (listeners.get(method) ?? /* @__PURE__ */ new Set()).add(hear));
  };
  let serial = 0;
  let text = "";
  out2.on("error", () => {
  });
  into.setEncoding("utf8").on("data", (chunk) => {
    const parts = (text + chunk).split("\0");
    text = parts.pop() ?? "";
    for (const part of parts) {
      const message = JSON.parse(part);
      if (message.id !== void 0) answers.get(message.id)?.(message);
      else for (const hear of [...listeners.get(message.method ?? "") ?? []]) hear(message.params ?? {});
    }
  });
  return {
    send: (method, params = {}, sessionId) => new Promise((resolve, reject) => {
      const id = ++serial;
      answers.set(
        id,
        ({ result = {}, error }) => error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result)
      );
      out2.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    }),
    on,
    event: (method) => new Promise((resolve) => {
      const once = (params) => {
        listeners.get(method)?.delete(once);
        resolve(params);
      };
      on(method, once);
    })
  };
};
var removed = async (folder) => {
  for (let tries = 100; ; tries--)
    try {
      return rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (tries === 0 || error.code !== "ENOTEMPTY") throw error;
      await new Promise((then) => setTimeout(then, 50));
    }
};
var openPage = async ({ patience = 6e4, gpu = "none" } = {}) => {
  if (process.platform !== "linux" || process.arch !== "x64") return `no browser is packaged for ${process.platform}`;
  const profile = mkdtempSync(join2(tmpdir(), "taugrad-browser-"));
  const child = spawn(await browserWith(gpu !== "none"), [...GRAPHICS[gpu], ...ARGS, `--user-data-dir=${profile}`], {
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"]
  });
  const gone = new Promise((_, reject) => {
    child.on("error", reject).on("exit", (code, signal) => reject(new Error(`chromium ended (${signal ?? code})`)));
  });
  gone.catch(() => {
  });
  const close = async () => {
    const ended = gone.catch(() => {
    });
    if (child.pid !== void 0 && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, "SIGKILL");
    await ended;
    await removed(profile);
  };
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`chromium does not answer within ${patience / 1e3} s`)), patience);
  });
  try {
    const { send, on, event } = connected(child);
    const start = async () => {
      const { targetId } = await send("Target.createTarget", { url: "about:blank" });
      const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
      await send("Page.enable", {}, sessionId);
      return sessionId;
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

// ../../tmp/n/h18/big.ts
import { mkdirSync as mkdirSync2, readdirSync, readFileSync as readFileSync3 } from "node:fs";
var { buildPage } = await import("/work/h18page/page/build.mjs");
var { serve } = await import("/work/h18page/page/serve.mjs");
var [model, pairs, mode = "lora", steps = "3", batch = "2", length = "256"] = process.argv.slice(2);
var out = "/tmp/n/h18/page";
mkdirSync2(out, { recursive: true });
process.chdir("/work/h18page");
await buildPage({ outdir: out });
var server = await serve(out, 0);
var page = await openPage({});
if (typeof page === "string") throw new Error(page);
var faults = [];
page.on("Runtime.exceptionThrown", (e) => faults.push(JSON.stringify(e.exceptionDetails)));
page.on("Runtime.consoleAPICalled", (e) => console.log("console", JSON.stringify(e.args).slice(0, 300)));
for (const d of ["Runtime.enable", "Log.enable", "DOM.enable"]) await page.send(d);
await page.send("Page.addScriptToEvaluateOnNewDocument", { source: `globalThis.heard=[];globalThis.Worker=class extends Worker{set onmessage(h){super.onmessage=(e)=>{const {zip,...rest}=e.data;heard.push({...rest,at:performance.now()});h(e)}}}` });
var ask = async (expression) => {
  const r = await page.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  if (r.exceptionDetails) throw new Error(JSON.stringify(r.exceptionDetails));
  return r.result.value;
};
var rss = () => {
  let best = 0;
  for (const p of readdirSync("/proc")) if (/^\d+$/.test(p)) try {
    const cmd = readFileSync3(`/proc/${p}/cmdline`, "utf8");
    if (cmd.includes("--type=renderer")) {
      const s = readFileSync3(`/proc/${p}/status`, "utf8");
      best = Math.max(best, +/VmHWM:\s+(\d+)/.exec(s)[1]);
    }
  } catch {
  }
  return Math.round(best / 1024);
};
var status = "document.querySelector('#model-status').textContent";
var note = "document.querySelector('#model-note').textContent";
var until = async (e, patience = 600) => {
  const t = performance.now();
  while (!await ask(e)) {
    if (performance.now() - t > patience * 1e3) throw new Error("timeout: " + await ask(status));
    await new Promise((r) => setTimeout(r, 100));
  }
  return performance.now() - t;
};
var free = "!document.querySelector('#say').disabled && !document.querySelector('#clear').disabled";
var loaded = page.event("Page.loadEventFired");
await page.send("Page.navigate", { url: `http://127.0.0.1:${server.port}/#model` });
await loaded;
await until(`${status}.includes('computed by')`);
console.log(await ask(status));
var choose = async (sel, files) => {
  const { result } = await page.send("Runtime.evaluate", { expression: `document.querySelector("${sel}")` });
  await page.send("DOM.setFileInputFiles", { files, objectId: result.objectId });
};
await choose("#choose-files", [model]);
var t0 = await until(`${free} || document.querySelector('#model-status').classList.contains('problem')`);
console.log(`load ${t0.toFixed(0)} ms`, await ask(status), await ask(note), `peak ${rss()} MB`);
await ask(`document.querySelector("#text").value = "Tell me a story about a small house."; document.querySelector("#say").click()`);
await until(free);
var pieces = await ask("heard.filter(x=>x.kind==='piece').map(x=>x.at)");
console.log(`chat: ${pieces.length} tokens, ${((pieces.length - 1) / ((pieces.at(-1) - pieces[0]) / 1e3)).toFixed(1)} tok/s, peak ${rss()} MB`);
await choose("#pairs", [pairs]);
await ask(`for (const [id,v] of [["steps",${steps}],["batch",${batch}],["length",${length}]]) document.querySelector("#"+id).value=v; document.querySelector("#lora").checked=${mode === "lora"}; document.querySelector("#align-go").click()`);
var t1 = await until(`${free} || document.querySelector('#model-status').classList.contains('problem')`, 580);
console.log(`align ${t1.toFixed(0)} ms`, await ask(status), await ask(note), `peak ${rss()} MB`);
console.log(JSON.stringify(await ask("heard.filter(x=>x.kind==='step')")));
if (process.env.SAVE) {
  await ask("document.querySelector('#save-zip').click()");
  const t2 = await until(`${free} || document.querySelector('#model-status').classList.contains('problem')`);
  console.log(`save ${t2.toFixed(0)} ms`, await ask(status), `peak ${rss()} MB`);
}
if (process.env.AGAIN) {
  const l = page.event("Page.loadEventFired");
  await page.send("Page.navigate", { url: `http://127.0.0.1:${server.port}/?2#model` });
  await l;
  const t3 = await until(`${free}`);
  console.log(`again ${t3.toFixed(0)} ms`, await ask(status), await ask(note), `peak ${rss()} MB`);
  console.log(JSON.stringify(await ask("heard.filter(x=>x.kind==='step').length")));
}
console.log("faults", faults);
server.close();
await page.close();
