import { absent } from "./absent.js";

/** Refuses whatever is asked of it, but for variables, of which there are none. */
const refusing = (name: string) =>
  new Proxy({ env: {} } as Record<string, unknown>, {
    get: (own, key) => own[String(key)] ?? absent("Node", `${name}.${String(key)}`)(),
  });

export const process = refusing("process");
export const Buffer = refusing("Buffer");
