/** The machine's own Firefox, headless, driven by Marionette: no package of the registry's brings one. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findAdapter } from "../../adapter.mjs";

const NAMES = ["firefox", "firefox-esr"];
/** A port of its own, no script that is stopped for taking long, nothing that asks another host. */
const PREFERENCES = {
  "marionette.port": 0,
  "app.update.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "dom.max_script_run_time": 0,
};
/** WebGPU, where Linux has it behind a flag still, and on adapters of software too. */
const GPU = { "dom.webgpu.enabled": true, "gfx.webgpu.ignore-blocklist": true };

/** Messages over the socket: their length in bytes, a colon, JSON. */
const connected = (port) =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    const answers = new Map();
    let [bytes, serial] = [Buffer.alloc(0), 0];
    const send = (name, params = {}) =>
      new Promise((then, not) => {
        const text = JSON.stringify([0, ++serial, name, params]);
        answers.set(serial, ([, , error, result]) =>
          error === null ? then(result) : not(new Error(`${name}: ${error.message}`)),
        );
        socket.write(`${Buffer.byteLength(text)}:${text}`);
      });
    socket.on("error", reject).on("data", (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (let at = bytes.indexOf(58); at > 0; at = bytes.indexOf(58)) {
        const end = at + 1 + Number(bytes.toString("utf8", 0, at));
        if (bytes.length < end) return;
        const message = JSON.parse(bytes.toString("utf8", at + 1, end));
        bytes = bytes.subarray(end);
        if (Array.isArray(message)) answers.get(message[1])?.(message);
        else resolve({ send, end: () => socket.destroy() }); // its greeting
      }
    });
  });

/** Runs in Marionette's sandbox, which sees a page's document and not its globals: a script of the page's own answers by an event. */
const ASK = `const [expression, then] = arguments;
addEventListener("told", ({ detail }) => then(detail), { once: true });
const script = document.createElement("script");
script.textContent = "(async () => (" + expression + "))().then((value) => ({ value }), (error) => ({ error: String(error?.message ?? error) + '\\\\n' + error?.stack }))"
  + ".then((told) => dispatchEvent(new CustomEvent('told', { detail: JSON.stringify(told) })))";
document.head.append(script);`;

/** As openTab (tabs.mjs). */
export const openFirefox = async ({ gpu = "none" } = {}) => {
  const file = NAMES.find((name) => spawnSync(name, ["--version"]).status === 0);
  if (file === undefined) return `this machine has no ${NAMES.join(" or ")}`;
  const profile = mkdtempSync(join(tmpdir(), "taugrad-firefox-"));
  const preferences = { ...PREFERENCES, ...(gpu !== "none" && GPU) };
  const lines = Object.entries(preferences).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`);
  writeFileSync(join(profile, "user.js"), lines.join(""));
  const args = ["--headless", "--marionette", "--no-remote", "--profile", profile];
  const { env } = gpu === "none" ? {} : await findAdapter();
  const child = spawn(file, args, { stdio: "ignore", detached: true, env: { ...process.env, ...env } });
  const ended = new Promise((then) => child.on("exit", then).on("error", then));
  const close = async () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  };
  try {
    const told = join(profile, "MarionetteActivePort");
    for (let tries = 600; !existsSync(told) || readFileSync(told, "utf8") === ""; tries--) {
      if (tries === 0 || child.exitCode !== null) throw new Error(`${file} does not come up`);
      await new Promise((then) => setTimeout(then, 100));
    }
    const { send, end } = await connected(Number(readFileSync(told, "utf8")));
    const { capabilities } = await send("WebDriver:NewSession", { capabilities: { alwaysMatch: {} } });
    await send("WebDriver:SetTimeouts", { script: 3_600_000 });
    return {
      visit: (url) => send("WebDriver:Navigate", { url }),
      evaluate: async (expression) => {
        const { value } = await send("WebDriver:ExecuteAsyncScript", { script: ASK, args: [expression] });
        const { value: found, error } = JSON.parse(value);
        if (error !== undefined) throw new Error(error);
        return found;
      },
      version: async () => `${capabilities.browserName} ${capabilities.browserVersion}`,
      close: async () => {
        end();
        await close();
      },
    };
  } catch (error) {
    await close();
    return error.message;
  }
};
