/** Serves a folder to this machine, as any static host does. */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};
/** With these two a browser shares memory, and the page computes on all cores. */
const ISOLATED = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** Resolves to the port, of which 0 takes a free one, and what ends it. `heard` is told of every request: its path, and the status of the answer. */
export const serve = (folder, port, { headers = ISOLATED, heard = () => {} } = {}) =>
  new Promise((resolve, reject) => {
    const server = createServer(async ({ url }, response) => {
      const path = decodeURIComponent(new URL(url, "http://localhost").pathname);
      const file = join(folder, normalize(path.endsWith("/") ? `${path}index.html` : path));
      try {
        const bytes = await readFile(file);
        const type = TYPES[extname(file)] ?? "application/octet-stream";
        heard(path, 200);
        response.writeHead(200, { "Content-Type": type, ...headers });
        response.end(bytes);
      } catch {
        heard(path, 404);
        response.writeHead(404).end();
      }
    });
    server.on("error", reject);
    server.listen(port, "127.0.0.1", () => resolve({ port: server.address().port, close: () => server.close() }));
  });
