/** Links of Markdown files, to files and to headings. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { projectRoot as root } from "../golden/files.js";
import { textOf } from "./programs.js";

/** Folders of the project, without those that are made. */
export const folders = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !/^\.|^(node_modules|dist|runs)$/.test(entry.name))
  .map(({ name }) => name)
  .sort();

/** Every Markdown file, by its path from the root. */
export const markdownFiles = ["", ...folders].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: folder !== "" })
    .map((name) => posix.join(folder, String(name).replaceAll("\\", "/")))
    .filter((path) => path.endsWith(".md") && !/node_modules|\/built\//.test(path)),
);

/** What GitHub and TypeDoc call the places of a file's headings. */
const anchorsOf = (path: string): Set<string> =>
  new Set(
    [...textOf(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );

/** Links of a file that lead nowhere. */
export const lostLinks = (path: string): string[] => {
  const text = textOf(path)
    .replace(/^```[\s\S]*?^```/gm, "")
    .replace(/`[^`\n]*`/g, "");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = ""]) => {
    if (/^(?:https?|mailto):/.test(link)) return [];
    const [file = "", anchor] = link.split("#");
    const target = file === "" ? path : posix.join(posix.dirname(path), file);
    if (link.startsWith("/") || !existsSync(join(root, target))) return [`${path}: ${link}: there is no such file`];
    if (anchor === undefined || statSync(join(root, target)).isDirectory() || anchorsOf(target).has(anchor)) return [];
    return [`${path}: ${link}: there is no such heading`];
  });
};
