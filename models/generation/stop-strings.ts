import { InputError } from "../../core/errors.js";
import { show } from "../files/json.js";

/** What may be told of a text that comes in pieces. */
export interface StopCut {
  /** What is certain with one more piece; `stopped` where a stop string ended it, after which nothing is told. */
  readonly push: (piece: string) => { readonly text: string; readonly stopped: boolean };
  /** What was held back as the possible beginning of a stop string. */
  readonly held: () => string;
}

/** Errors: InputError for an empty stop string, which would end every text before it begins. */
export const checkStops = (stops: readonly string[]): void => {
  const empty = stops.indexOf("");
  if (empty >= 0)
    throw new InputError(`stop string ${empty + 1} of ${stops.length} is empty; give at least one character`);
};

/**
 * Cuts a text before the stop string that is complete first; of several that are complete at once, the longest.
 * Law: however the text is split into pieces, what is told is the same. Errors: as `checkStops`.
 */
export const stopCut = (stops: readonly string[]): StopCut => {
  checkStops(stops);
  let tail = "";
  /** Where the text is cut that ends first with a stop string. */
  const cutOf = (text: string): number | undefined => {
    const found = stops.flatMap((stop) => {
      const at = text.indexOf(stop);
      return at === -1 ? [] : [{ at, end: at + stop.length }];
    });
    found.sort((a, b) => a.end - b.end || a.at - b.at);
    return found[0]?.at;
  };
  /** Characters at the text's end that a stop string may begin with. */
  const openEnd = (text: string): number => {
    const longest = Math.max(0, ...stops.map((stop) => stop.length - 1));
    for (let length = Math.min(longest, text.length); length > 0; length--)
      if (stops.some((stop) => stop.length > length && text.endsWith(stop.slice(0, length)))) return length;
    return 0;
  };
  return {
    push: (piece) => {
      const text = tail + piece;
      const cut = cutOf(text);
      tail = cut === undefined ? text.slice(text.length - openEnd(text)) : "";
      return { text: text.slice(0, cut ?? text.length - tail.length), stopped: cut !== undefined };
    },
    held: () => tail,
  };
};

/** Stop strings that are tokens of their own, by their ids: special ones are no part of a text. Errors: InputError. */
export const splitStops = (
  stops: readonly string[],
  {
    encode,
    decode,
  }: {
    readonly encode: (text: string, options: { readonly addSpecialTokens: boolean }) => number[];
    readonly decode: (ids: readonly number[], options?: { readonly skipSpecialTokens?: boolean }) => string;
  },
): { readonly texts: readonly string[]; readonly ids: readonly number[] } => {
  checkStops(stops);
  const texts: string[] = [];
  const own: number[] = [];
  for (const stop of stops) {
    const ids = encode(stop, { addSpecialTokens: false });
    const special = ids.filter((id) => decode([id]) !== "" && decode([id], { skipSpecialTokens: true }) === "");
    if (ids.length === 1 && special.length === 1) own.push(ids[0]);
    else if (special.length === 0) texts.push(stop);
    else
      throw new InputError(
        `stop string ${show(stop)} holds the special token ${show(decode(special.slice(0, 1)))}, which is no part of a text; give that alone`,
      );
  }
  return { texts, ids: own };
};
