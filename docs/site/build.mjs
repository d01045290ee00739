/**
 * npm run docs: the site, in docs/built. Guides and the reference are TypeDoc's work; then every link and anchor of every page
 * is followed. (That every export has a docstring is a law of the tests.) TypeDoc has a folder and a lock of its own,
 * since it needs an older TypeScript than the project: tests and users do without.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "..", "built");

const run = (command, args, options = {}) => {
  const { status } = spawnSync(command, args, { cwd: here, stdio: "inherit", ...options });
  if (status !== 0) process.exit(status ?? 1);
};
if (!existsSync(join(here, "node_modules", "typedoc")))
  run("npm", ["ci", "--no-audit", "--no-fund"], { shell: process.platform === "win32" });
rmSync(out, { recursive: true, force: true });
run(process.execPath, [join("node_modules", "typedoc", "bin", "typedoc")]);

/** Targets of a page's links that are none: files that are not there, and anchors that they lack. */
const lost = (page) => {
  const text = readFileSync(page, "utf8");
  return [...text.matchAll(/(?:href|src)="([^"]*)"/g)].flatMap(([, link]) => {
    if (/^http:\/\/[\w-]+\.md\b/.test(link))
      return [`${page}: ${link} is a file's name taken for an address: make it a link`];
    if (/^(?:https?|mailto|data):/.test(link)) return [];
    if (link.startsWith("/")) return [`${page}: ${link} is no relative address`];
    const [path, anchor] = link.replaceAll("&amp;", "&").split("#");
    const target = path === "" ? page : resolve(dirname(page), decodeURI(path));
    if (!existsSync(target)) return [`${page}: there is no ${link}`];
    if (anchor === undefined || anchor === "" || !target.endsWith(".html")) return [];
    const ids = readFileSync(target, "utf8");
    return ids.includes(`id="${decodeURIComponent(anchor)}"`) ? [] : [`${page}: ${link} has no such place`];
  });
};
const pages = readdirSync(out, { recursive: true }).filter((path) => path.endsWith(".html"));
const broken = pages.flatMap((path) => lost(join(out, path)));
for (const line of broken) console.error(line);
console.log(`${pages.length} pages in ${out}, ${broken.length} broken links`);
if (broken.length > 0) process.exitCode = 1;
