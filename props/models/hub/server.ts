/** A server that speaks as much of the Hub's protocol as downloads and uploads take, and fails where it is told to. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A repository: its files, by path. Files of at least `LARGE` bytes are stored apart, by their sha256. */
export interface Repo {
  readonly type: "model" | "dataset";
  readonly commit: string;
  readonly files: Map<string, Buffer>;
  readonly token?: string;
}

/** What goes wrong with a request, if anything does: another status, or a body that is cut or changed. */
export type Fault =
  | { readonly status: number; readonly retryAfter?: string }
  | { readonly cutAfter: number }
  | { readonly wrong: true };

export interface HubServer {
  readonly url: string;
  readonly repos: Map<string, Repo>;
  /** Requests so far: "GET /api/…", each with whether it brought a token. */
  readonly log: { readonly line: string; readonly authorized: boolean; readonly range: string | undefined }[];
  /** Asked at every request. */
  fault: (line: string) => Fault | undefined;
  readonly close: () => Promise<void>;
}

/** The environment of somebody who has set nothing. */
export const noSettings = {
  HF_TOKEN: "",
  HF_HUB_CACHE: "",
  HUGGINGFACE_HUB_CACHE: "",
  HF_HUB_OFFLINE: "",
  TRANSFORMERS_OFFLINE: "",
};

export const LARGE = 2000;
export const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
export const gitHash = (bytes: Buffer): string =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
};

const json = (response: ServerResponse, value: unknown, status = 200, headers: Record<string, string> = {}): void => {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
};

/** Bytes, or the range of them that was asked for; cut or changed by a fault. */
const bytes = (
  request: IncomingMessage,
  response: ServerResponse,
  content: Buffer,
  etag: string,
  fault?: Fault,
): void => {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const start = Number(from ?? 0);
  const end = to ? Math.min(Number(to) + 1, content.length) : content.length;
  const piece = Buffer.from(content.subarray(start, end));
  if (fault !== undefined && "wrong" in fault && piece.length > 1) piece[piece.length >> 1] ^= 1;
  const headers: Record<string, string | number> = { etag: `"${etag}"`, "content-length": piece.length };
  if (from !== undefined) headers["content-range"] = `bytes ${start}-${Math.max(0, end - 1)}/${content.length}`;
  response.writeHead(from === undefined ? 200 : 206, headers);
  if (fault !== undefined && "cutAfter" in fault && piece.length > fault.cutAfter) {
    response.write(piece.subarray(0, fault.cutAfter), () => setTimeout(() => response.destroy(), 20));
    return;
  }
  response.end(piece);
};

/** Starts a server on a free port. */
export const hubServer = async (): Promise<HubServer> => {
  const repos = new Map<string, Repo>();
  const stored = new Map<string, Buffer>();
  const log: HubServer["log"] = [];
  const port = (): number => (server.address() as AddressInfo).port;
  const hub: HubServer = {
    get url() {
      return `http://127.0.0.1:${port()}`;
    },
    ...{ repos, log, fault: () => undefined },
    close: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  };

  const info = (repo: Repo, id: string, revision: string, response: ServerResponse): void => {
    const known = ["main", repo.commit].includes(revision);
    const found = { _id: "1", id, sha: repo.commit, private: false, lastModified: "2026-01-01T00:00:00.000Z" };
    if (known) json(response, found);
    else json(response, { error: `Invalid rev id: ${revision}` }, 404, { "x-error-code": "RevisionNotFound" });
  };

  /** Three entries a page. */
  const tree = (repo: Repo, url: URL, response: ServerResponse): void => {
    const recursive = url.searchParams.get("recursive") === "true";
    const shown = [...repo.files].filter(([path]) => recursive || !path.includes("/"));
    const first = Number(url.searchParams.get("cursor") ?? 0);
    const page = shown.slice(first, first + 3).map(([path, content]) => ({
      ...{ type: "file", path, size: content.length, oid: gitHash(content) },
      ...(content.length >= LARGE && { lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } }),
    }));
    url.searchParams.set("cursor", String(first + 3));
    json(response, page, 200, first + 3 < shown.length ? { link: `<${url.href}>; rel="next"` } : {});
  };

  const resolve = (
    repo: Repo,
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    fault?: Fault,
  ): void => {
    const content = repo.files.get(path);
    if (content === undefined) json(response, { error: "Entry not found" }, 404, { "x-error-code": "EntryNotFound" });
    else if (content.length < LARGE) bytes(request, response, content, gitHash(content), fault);
    else {
      const hash = sha256(content);
      stored.set(hash, content);
      // Another host, which must not see the token.
      const location = `http://localhost:${port()}/store/${hash}`;
      response.writeHead(302, { location, "x-linked-size": content.length, "x-linked-etag": `"${hash}"` }).end();
    }
  };

  const commit = async (repo: Repo, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    for (const line of (await bodyOf(request)).toString().split("\n")) {
      const { key, value } = JSON.parse(line) as { key: string; value: Record<string, string> };
      if (key === "file") repo.files.set(value.path, Buffer.from(value.content, "base64"));
      if (key === "lfsFile") repo.files.set(value.path, stored.get(value.oid) as Buffer);
    }
    json(response, { commitOid: COMMIT, commitUrl: "there" });
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url as string, hub.url);
    const line = `${request.method} ${url.pathname}`;
    const { authorization, range } = request.headers;
    log.push({ line, authorized: authorization !== undefined, range });
    const fault = hub.fault(line);
    if (fault !== undefined && "status" in fault)
      return json(
        response,
        { error: `answer ${fault.status}` },
        fault.status,
        fault.retryAfter ? { "retry-after": fault.retryAfter } : {},
      );
    const [, hash] = /^\/store\/(\w+)$/.exec(url.pathname) ?? [];
    if (hash !== undefined && request.method === "PUT") {
      const content = await bodyOf(request);
      stored.set(sha256(content), content);
      response.writeHead(200).end();
      return;
    }
    if (hash !== undefined) return bytes(request, response, stored.get(hash) as Buffer, hash, fault);
    if (line === "GET /api/whoami-v2") {
      if (authorization !== "Bearer hf_writer") return json(response, { error: "Invalid credentials" }, 401);
      return json(response, { type: "user", name: "writer", auth: { type: "access_token" } });
    }
    if (line === "POST /api/repos/create") {
      const { name, organization } = JSON.parse((await bodyOf(request)).toString()) as Record<string, string>;
      repos.set(`${organization}/${name}`, { type: "model", commit: COMMIT, files: new Map() });
      return json(response, { url: `${hub.url}/${organization}/${name}`, id: name });
    }
    const plain = url.pathname.replace(/^\/(api\/)?(models|datasets)\//, "/").replace(/\.git\/info\/lfs/, "/lfs");
    const [, id, verb, revision, path] = /^\/([^/]+\/[^/]+)(?:\/([\w-]+)(?:\/([^/]+)(?:\/(.+))?)?)?$/.exec(plain) ?? [];
    const repo = repos.get(id ?? "");
    if (repo === undefined || (repo.token !== undefined && authorization !== `Bearer ${repo.token}`))
      return json(response, { error: "Repository not found" }, authorization === undefined ? 401 : 404);
    if (verb === undefined) return json(response, { id });
    if (verb === "revision") return info(repo, id, decodeURIComponent(revision), response);
    if (verb === "tree") return tree(repo, url, response);
    if (verb === "resolve") return resolve(repo, path, request, response, fault);
    if (verb === "commit") return commit(repo, request, response);
    const content = JSON.parse((await bodyOf(request)).toString()) as {
      files?: { path: string; size: number }[];
      objects?: { oid: string; size: number }[];
    };
    if (verb === "preupload")
      return json(response, {
        files: content.files?.map(({ path, size }) => ({ path, uploadMode: size >= LARGE ? "lfs" : "regular" })),
      });
    const upload = (oid: string) => ({ upload: { href: `${hub.url}/store/${oid}` } });
    json(response, {
      transfer: "basic",
      objects: content.objects?.map(({ oid, size }) => ({ oid, size, actions: upload(oid) })),
    });
  };

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((started) => server.listen(0, () => started()));
  return hub;
};
