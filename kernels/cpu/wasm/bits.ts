import { InputError } from "../../../core/index.js";
import { engine } from "../../platform/node/engine.js";

const BITS = ["native", "portable"] as const;
/**
 * How a·b + c rounds where sums of products are computed: `native`, once or twice as the engine's own instruction does, which is
 * fast; or `portable`, twice on every engine and processor, so that results are the same bytes everywhere.
 */
export type Bits = (typeof BITS)[number];

/** Bits as told, else as TAUGRAD_BITS says, else native. Errors: InputError for another word. */
export const wantedBits = (told?: Bits): Bits => {
  const [what, bits] = told === undefined ? ["TAUGRAD_BITS=", engine.env.TAUGRAD_BITS || "native"] : ["bits ", told];
  if (!BITS.includes(bits as Bits)) throw new InputError(`${what}${String(bits)}: use ${BITS.join(" or ")}`);
  return bits as Bits;
};
