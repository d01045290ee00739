/** The same files in every kind of place that models are read from, and a server of files whose habits are chosen by the path. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after } from "node:test";
import { type Folder, folderAt, folderIn, folderOf } from "../../models/index.js";
import { diskFolder } from "../../models/platform/node/disk.js";
import { memoryHandle } from "./handles.js";

/** How a server answers: with parts, with whole files only, without words on the size, or badly. */
type Good = "parts" | "whole" | "hidden";
export type Habit = Good | "short" | "torn" | "torn whole" | "other" | "other unsized" | "changing" | "dated" | "page";

/** Requests that were made: what for, and for which bytes. */
export const asked: { readonly path: string; readonly range: string | undefined }[] = [];
/** What was broken off once. */
const torn = new Set<string>();
let root = "";

const serve: RequestListener = ({ url = "", method, headers: { range } }, response) => {
  const [, habit, ...path] = decodeURIComponent(url).split("/");
  asked.push({ path: path.join("/"), range });
  const file = join(root, ...path);
  const date = new Date(Date.UTC(2026, 0, asked.length)).toUTCString();
  const tag = habit === "dated" ? { "last-modified": date } : { etag: `"${habit === "changing" ? asked.length : 1}"` };
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    response.writeHead(habit === "page" ? 200 : 404, { "content-type": "text/html" }).end("<p>no such page</p>");
    return;
  }
  const content = readFileSync(file);
  if (method === "HEAD" || habit === "whole") {
    response.writeHead(200, { "content-length": content.length }).end(method === "HEAD" ? undefined : content);
    return;
  }
  if (habit === "torn whole") {
    response.writeHead(200, { "content-length": content.length });
    if (torn.has(url)) response.end(content);
    else response.write(content.subarray(0, 99), () => response.destroy());
    torn.add(url);
    return;
  }
  const [, from, to] = (/^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? []).map(Number);
  if (from >= content.length) {
    response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
    return;
  }
  const at = habit.startsWith("other") ? from + 1 : from;
  const all = habit === "other unsized" ? "*" : content.length;
  const part = content.subarray(at, to + 1);
  const told = habit === "hidden" ? {} : { "content-range": `bytes ${at}-${at + part.length - 1}/${all}` };
  if (habit === "torn" && part.length > 99 && !torn.has(url)) {
    torn.add(url);
    response.writeHead(206, { ...told, ...tag, "content-length": part.length }).write(part.subarray(0, 99));
    setTimeout(() => response.destroy(), 20);
    return;
  }
  response.writeHead(206, { ...told, ...tag }).end(habit === "short" ? part.subarray(0, 3) : part);
};

const server = createServer(serve);
await new Promise<void>((started) => server.listen(0, "127.0.0.1", () => started()));
after(() => {
  server.closeAllConnections();
  server.close();
});

/** The address of a folder of the disk at a server of that habit. */
export const served = (folder: string, habit: Habit = "parts"): URL => {
  root = folder;
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${habit}/`);
};

const filesOf = (folder: string): [string, Uint8Array<ArrayBuffer>][] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(folder, name)).isFile())
    .map((name) => [name.replaceAll("\\", "/"), new Uint8Array(readFileSync(join(folder, name)))]);

/** A folder that can be written, behind a handle. */
export const written = async (files: readonly (readonly [string, Uint8Array])[]): Promise<Folder> => {
  const folder = folderIn(memoryHandle("handle"));
  for (const [name, bytes] of files) {
    const [last, ...before] = name.split("/").reverse();
    const file = await before
      .reverse()
      .reduce((at, part) => at.within(part), folder)
      .begin(last);
    await file.put(bytes);
    await file.finish();
    await file.appear();
  }
  return folder;
};

/** Kinds of place, and what puts a folder of the disk there. */
export const PLACES: Readonly<Record<string, (folder: string) => Folder | Promise<Folder>>> = {
  disk: diskFolder,
  "bytes in memory": (folder) => folderOf(Object.fromEntries(filesOf(folder))),
  "chosen files": (folder) =>
    folderOf(
      filesOf(folder).map(([name, bytes]) =>
        Object.assign(new Blob([bytes]), { name: "x", webkitRelativePath: `chosen/${name}` }),
      ),
    ),
  "a handle": (folder) => written(filesOf(folder)),
  "an address": (folder) => folderAt(served(folder)),
  "an address without parts": (folder) => folderAt(served(folder, "whole")),
  "an address that hides sizes": (folder) => folderAt(served(folder, "hidden")),
};
