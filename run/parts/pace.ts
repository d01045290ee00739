import type { Voice } from "../voice.js";

/** Before this nobody wonders whether anything happens. */
const [FIRST_WORD, THEN_EVERY] = [2000, 10_000];

/** For work of unknown length: hears its share done, and says every few seconds how far it is. */
export const paced = ({ wait }: Pick<Voice, "wait">, say: (percent: number) => string): ((share: number) => void) => {
  const start = Date.now();
  let next = start + FIRST_WORD;
  return (share) => {
    const now = Date.now();
    if (now < next || share >= 1) return;
    next = now + THEN_EVERY;
    const left = Math.ceil(((now - start) * (1 - share)) / share / 1000);
    wait(`${say(Math.floor(100 * share))}, about ${left} s left`);
  };
};
