/** Where pages are visited: { origin, asked, close }; `asked` has the files that were asked for, where that is known. */
import { spawn } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const isFile = (path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** A folder as a static host serves it. */
export const served = async (folder) => {
  const asked = new Set();
  const server = createServer(({ url }, response) => {
    const name = url === "/" ? "index.html" : decodeURIComponent(url.slice(1));
    const file = join(folder, name);
    asked.add(name);
    if (!isFile(file)) return response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": file.endsWith(".html") ? "text/html" : "text/javascript" });
    return response.end(readFileSync(file));
  });
  await new Promise((then) => server.listen(0, "127.0.0.1", then));
  return { origin: `http://127.0.0.1:${server.address().port}/`, asked, close: () => server.close() };
};

/** A port that nobody listens at. */
const freePort = async () => {
  const server = createServer();
  await new Promise((then) => server.listen(0, "127.0.0.1", then));
  const { port } = server.address();
  await new Promise((then) => server.close(then));
  return port;
};

/** A bundler's own server, once it answers, within a minute; `command`: [program, arguments] of a port. Errors: what it said instead. */
export const runServer = async (command, cwd) => {
  const port = await freePort();
  const [file, args] = command(port);
  let said = "";
  // A group of its own: what it starts ends with it.
  const child = spawn(file, args, { cwd, detached: true, env: { ...process.env, NO_COLOR: "1" } });
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text) => {
      said += text;
    });
  const origin = `http://localhost:${port}/`;
  const close = () => {
    try {
      process.kill(-child.pid);
    } catch {} // it has ended
  };
  for (const end = performance.now() + 60_000; performance.now() < end && child.exitCode === null; ) {
    const answer = await fetch(origin).catch(() => undefined);
    if (answer?.ok) return { origin, asked: new Set(), close };
    await new Promise((then) => setTimeout(then, 200));
  }
  close();
  throw new Error(`no answer from ${file} ${args.join(" ")}: ${said}`);
};
