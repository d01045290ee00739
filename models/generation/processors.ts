import { exp, log } from "../../core/elementary.js";

/** Scores of one position, in f64; −∞ marks a token that cannot be chosen. Functions below return new arrays. */
export type Scores = Float64Array;

const NEVER = Number.NEGATIVE_INFINITY;

/** Scores of the tokens in `seen`: s/θ if s ≥ 0, else s·θ.  Keskar et al. 2019 (CTRL). */
export const penalizeRepetition = (scores: Scores, seen: Iterable<number>, penalty: number): Scores => {
  const out = scores.slice();
  for (const id of new Set(seen)) out[id] = scores[id] < 0 ? scores[id] * penalty : scores[id] / penalty;
  return out;
};

/** scores / temperature. */
export const applyTemperature = (scores: Scores, temperature: number): Scores => {
  const out = new Float64Array(scores.length);
  for (let id = 0; id < scores.length; id++) out[id] = scores[id] / temperature;
  return out;
};

/** The k-th largest of the values, 1 ≤ k ≤ their number: quickselect, which reorders them.  Hoare 1961. */
const kthLargest = (values: Scores, k: number): number => {
  let [low, high] = [0, values.length - 1];
  const wanted = values.length - k;
  while (low < high) {
    const [a, b, c] = [values[low], values[(low + high) >> 1], values[high]];
    const pivot = Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
    let [i, j] = [low, high];
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i > j) break;
      const value = values[i];
      values[i++] = values[j];
      values[j--] = value;
    }
    if (wanted <= j) high = j;
    else if (wanted >= i) low = i;
    else break;
  }
  return values[wanted];
};

/** Drops what scores below a threshold. Plain loops here and below: this is done for every token, over the vocabulary. */
const keepFrom = (scores: Scores, threshold: number): Scores => {
  const out = new Float64Array(scores.length);
  for (let id = 0; id < scores.length; id++) out[id] = scores[id] < threshold ? NEVER : scores[id];
  return out;
};

/** Drops what scores below the k-th largest.  Fan et al. 2018. */
export const keepTopK = (scores: Scores, k: number): Scores =>
  k === 0 || k >= scores.length ? scores : keepFrom(scores, kthLargest(scores.slice(), k));

/** e^(s − highest) of every score, and their sum. */
const exponentials = (scores: Scores): { readonly e: Scores; readonly total: number; readonly highest: number } => {
  let highest = NEVER;
  for (let id = 0; id < scores.length; id++) if (scores[id] > highest) highest = scores[id];
  const e = new Float64Array(scores.length);
  let total = 0;
  for (let id = 0; id < scores.length; id++) {
    if (scores[id] === NEVER) continue;
    e[id] = exp(scores[id] - highest);
    total += e[id];
  }
  return { e, total, highest };
};

/** Softmax. */
export const probabilities = (scores: Scores): Scores => {
  const { e, total } = exponentials(scores);
  for (let id = 0; id < e.length; id++) e[id] /= total;
  return e;
};

/** Drops the least likely tokens that hold at most 1 − p together; equal ones go from the highest id on.  Holtzman et al. 2020. */
export const keepTopP = (scores: Scores, p: number): Scores => {
  if (p >= 1) return scores;
  const { e, total } = exponentials(scores);
  // What cannot be chosen is likely 0, and goes first.
  const ascending = e.slice().sort();
  let drops = 0;
  for (let mass = 0; drops < ascending.length - 1; drops++) {
    mass += ascending[drops] / total;
    if (mass > 1 - p) break;
  }
  // The least one that stays; of those that score as it does, so many go.
  const least = kthLargest(scores.slice(), scores.length - drops);
  const out = keepFrom(scores, least);
  let equals = drops;
  for (let id = 0; id < out.length; id++) if (scores[id] < least) equals--;
  for (let id = out.length - 1; equals > 0; id--) {
    if (out[id] !== least) continue;
    out[id] = NEVER;
    equals--;
  }
  return out;
};

/** Drops what is less likely than minP times the likeliest.  Nguyen et al. 2024. */
export const keepMinP = (scores: Scores, minP: number): Scores => {
  if (minP === 0) return scores;
  const { e } = exponentials(scores);
  for (let id = 0; id < e.length; id++) e[id] = e[id] < minP ? NEVER : scores[id];
  return e;
};

/**
 * Keeps the tokens whose surprise −ln p is nearest to the expected one, the entropy, as few as hold a mass of p, and those
 * that tie with the last of them.  Meister et al. 2022.
 */
export const keepTypical = (scores: Scores, p: number): Scores => {
  if (p >= 1) return scores;
  const { e, total, highest } = exponentials(scores);
  const surprise = scores.map((s) => log(total) + highest - s);
  let entropy = 0;
  for (let id = 0; id < scores.length; id++) if (e[id] > 0) entropy += (e[id] / total) * surprise[id];
  const distance = surprise.map((x) => Math.abs(x - entropy));
  const near = Array.from(distance.keys()).sort((a, b) => distance[a] - distance[b] || a - b);
  let mass = 0;
  let last = 0;
  for (; last < near.length - 1; last++) {
    mass += e[near[last]] / total;
    if (mass >= p) break;
  }
  const farthest = distance[near[last]];
  return scores.map((s, id) => (distance[id] > farthest ? NEVER : s));
};
