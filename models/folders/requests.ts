import { InputError } from "../../core/index.js";
import { ATTEMPTS, patientFetch, reason, Unreachable, waitAfter } from "../hub/patient-fetch.js";

/** How files are asked for at an address. */
export interface AddressOptions {
  /** Ends all requests; what waits for them rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Sent with each request: `{ authorization: "Bearer …" }`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Hears in one line of a server that answers with whole files only; one of up to 256 MiB is then held in memory. */
  readonly tell?: (line: string) => void;
}

/** A file at an address whose size is known, and its first bytes. */
export interface Requests {
  readonly size: number;
  readonly first: Uint8Array<ArrayBuffer>;
  /** Fills `target` with the bytes from `at` on. Errors: InputError. */
  readonly fill: (target: Uint8Array, at: number) => Promise<void>;
}

/** Milliseconds before a request that failed is made again. */
const PAUSE = 500;
/** Most bytes of a file that is held whole, since its server knows no parts. */
const WHOLE = 2 ** 28;

const refusal = (url: URL, why: string): InputError => new InputError(`${url.href}: cannot be read: ${why}`);
const sent = (url: URL, got: number, wanted: number, at: number): InputError =>
  new InputError(`${url.href}: sent ${got} bytes of the ${wanted} from ${at} on`);

/** Reads a body piece by piece. */
const pieces = async (response: Response, use: (piece: Uint8Array) => void): Promise<void> => {
  const body = response.body?.getReader();
  for (;;) {
    const { done, value } = (await body?.read()) ?? { done: true };
    if (done) return;
    use(value as Uint8Array);
  }
};

/** Waits before what broke off is asked for again. Errors: what ended it for good. */
const pause = async ({ url, signal }: Asking, attempt: number, error: unknown): Promise<void> => {
  if (error instanceof InputError || signal?.aborted) throw error;
  if (attempt === ATTEMPTS) throw new Unreachable(`${url.host} broke off ${ATTEMPTS} times (${reason(error)})`);
  await waitAfter(attempt, PAUSE);
};

/** What a server said of a file: how long it is, and which version. */
interface Said {
  readonly size: number;
  readonly version: string | null;
}

export interface Asking {
  readonly url: URL;
  readonly tell: (line: string) => void;
  readonly signal: AbortSignal | undefined;
  readonly ask: (from: number, to: number) => Promise<Response>;
  /** By a request for nothing but that, where the page may not see the other header. */
  readonly length: () => Promise<number | undefined>;
}

/** Requests for one file. */
export const requests = (url: URL, { signal, headers = {}, tell = () => {} }: AddressOptions): Asking => {
  const fetching = patientFetch(PAUSE);
  return {
    ...{ url, tell, signal },
    ask: (from, to) => fetching(url, { signal, headers: { ...headers, range: `bytes=${from}-${to - 1}` } }),
    length: async () => {
      const response = await fetching(url, { method: "HEAD", signal, headers });
      const told = response.headers.get("content-length");
      return response.ok && told !== null ? Number(told) : undefined;
    },
  };
};

/** Errors: InputError where a part cannot be told from the whole. */
const saidBy = async ({ url, length }: Asking, response: Response, at: number, before?: Said): Promise<Said> => {
  const [, from, all] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get("content-range") ?? "") ?? [];
  if (from !== undefined && Number(from) !== at) {
    await response.body?.cancel();
    throw refusal(url, `it sent bytes from ${from} on, where those from ${at} on were asked for`);
  }
  const size = all === undefined || all === "*" ? (before?.size ?? (await length())) : Number(all);
  if (size === undefined) {
    await response.body?.cancel();
    throw refusal(
      url,
      "its server says not how long it is (Access-Control-Expose-Headers: Content-Range lets a page see)",
    );
  }
  return { size, version: response.headers.get("etag") ?? response.headers.get("last-modified") };
};

/** All of a body, of at most so many bytes. Errors: InputError if it is longer. */
const wholeBody = async (url: URL, response: Response): Promise<Uint8Array<ArrayBuffer>> => {
  const tooLong = (): InputError =>
    refusal(
      url,
      `it does not answer requests for a part, and has more than ${WHOLE} bytes; fetch it whole and give its bytes`,
    );
  if (Number(response.headers.get("content-length")) > WHOLE) {
    await response.body?.cancel();
    throw tooLong();
  }
  const all: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  await pieces(response, (piece) => {
    size += piece.length;
    if (size > WHOLE) throw tooLong();
    all.push(piece as Uint8Array<ArrayBuffer>);
  });
  return new Uint8Array(await new Blob(all).arrayBuffer());
};

/** The same, asking again where it breaks off. Errors: InputError, also for a server that answers otherwise then. */
const heldWhole = async (asking: Asking, begun: Response, count: number): Promise<Uint8Array<ArrayBuffer>> => {
  const { url, ask } = asking;
  for (let [attempt, response] = [1, begun]; ; attempt++) {
    if (response.status !== 200) {
      await response.body?.cancel();
      throw refusal(url, `it answered 200, and ${response.status} when it was asked again`);
    }
    try {
      return await wholeBody(url, response);
    } catch (error) {
      await pause(asking, attempt, error);
    }
    response = await ask(0, count);
  }
};

/** Asks for the first bytes. Undefined where there is no such file. Errors: InputError for an address that cannot be read. */
export const opened = async (asking: Asking, count: number): Promise<Requests | undefined> => {
  const { url, tell, ask } = asking;
  const response = await ask(0, count);
  const { status, headers } = response;
  const none = { size: 0, first: new Uint8Array(), fill: async () => {} };
  const isMissing = status === 404 || status === 410 || /^text\/html\b/.test(headers.get("content-type") ?? "");
  if (isMissing || (status !== 200 && status !== 206)) {
    await response.body?.cancel();
    if (isMissing) return undefined;
    if (status === 416 && headers.get("content-range")?.endsWith("*/0")) return none;
    throw refusal(url, `it answered ${status}`);
  }
  if (status === 200) {
    const first = await heldWhole(asking, response, count);
    if (first.length > count) tell(`note: ${url.href}: its server knows no parts; all ${first.length} bytes are held`);
    return { ...none, size: first.length, first };
  }
  const said = await saidBy(asking, response, 0);
  const first = new Uint8Array(Math.min(count, said.size));
  const fill = filling(asking, said);
  await fill(first, 0, response);
  return { size: said.size, first, fill };
};

/** Fills memory with a file's bytes, asking again from where a connection breaks. Errors: InputError. */
const filling =
  (asking: Asking, said: Said) =>
  async (target: Uint8Array, at: number, begun?: Response): Promise<void> => {
    const { url, ask } = asking;
    const changed = () => new InputError(`${url.href}: has changed while it was read; load it again`);
    let [done, response] = [0, begun];
    for (let attempt = 1; done < target.length; attempt++) {
      response ??= await ask(at + done, at + target.length);
      if (response.status !== 206) {
        await response.body?.cancel();
        throw response.status === 200 ? changed() : refusal(url, `it answered ${response.status}`);
      }
      const { size, version } = await saidBy(asking, response, at + done, said);
      if (size !== said.size || version !== said.version) {
        await response.body?.cancel();
        throw changed();
      }
      try {
        await pieces(response, (piece) => {
          if (done + piece.length > target.length) throw sent(url, done + piece.length, target.length, at);
          target.set(piece, done);
          done += piece.length;
        });
        if (done < target.length) throw sent(url, done, target.length, at);
      } catch (error) {
        await pause(asking, attempt, error);
      }
      response = undefined;
    }
  };
