import type { DType } from "../../../core/index.js";
import type { Kernel } from "./module.js";
import { elementOf, type Source, textOf } from "./source.js";

/** Most letters of a launch of several: longer texts are compiled so slowly that launches are cheaper. */
const MOST_TEXT = 2 ** 16;
/** Most words of the uniform buffer that every device can bind. */
const MOST_WORDS = 2 ** 12;

/** A buffer of a launch of several, and how its kernels see it. */
interface Shared {
  readonly buffer: number;
  readonly dtypes: ReadonlySet<DType>;
  readonly atomic: boolean;
  readonly quads: boolean;
  readonly element: string;
  written: boolean;
}

/** Kernels of one launch while they are collected. */
interface Launch {
  readonly members: { readonly kernel: Kernel; readonly places: readonly number[] }[];
  bound: Shared[];
  words: number;
  letters: number;
}

const quadsOf = (words: number): number => Math.ceil(words / 4);

/** Where the kernel's buffers are bound beside those that are bound already; undefined if one of them cannot be bound twice. */
const placesIn = (
  bound: readonly Shared[],
  { bindings, source }: Kernel,
  memoryOf: (binding: number) => number,
): [Shared[], number[]] | undefined => {
  const all = bound.map((one) => ({ ...one }));
  const places: number[] = [];
  for (const [i, buffer] of bindings.entries()) {
    const { dtypes, written, atomic, quads } = source.bound[i];
    const element = elementOf(source.bound[i]);
    const same = (one: Shared): boolean =>
      one.buffer === buffer &&
      one.element === element &&
      one.dtypes.size === dtypes.size &&
      [...dtypes].every((dtype) => one.dtypes.has(dtype));
    let at = all.findIndex(same);
    const others = all.filter((one, place) => memoryOf(one.buffer) === memoryOf(buffer) && place !== at);
    if (others.some((one) => one.written || written)) return undefined;
    if (at < 0) at = all.push({ buffer, dtypes, atomic, quads, element, written }) - 1;
    all[at].written ||= written;
    places.push(at);
  }
  return [all, places];
};

const BUFFER = /(?<![A-Za-z0-9])B(\d+)(?![A-Za-z0-9])/g;
const PARAMS = /\bP\[(\d+)\]/g;
const NAMED = /^(?:struct|fn|var(?:<[^>]*>)?|const)\s+(\w+)/gm;

/** A member's texts: with buffers and parameters where the launch has them; names of its own for what it does not share. */
const memberText = (
  { declarations, body, subgroup }: Source,
  places: readonly number[],
  firstQuad: number,
  number: number,
): { readonly declarations: readonly string[]; readonly call: string } => {
  const moved = (text: string): string =>
    text
      .replace(BUFFER, (_, at) => `B${places[Number(at)]}`)
      .replace(PARAMS, (_, quad) => `P[${Number(quad) + firstQuad}]`);
  // What depends on buffers or parameters is the member's own, and so is what uses that.
  const texts = declarations.map(moved);
  const own = new Set<string>();
  const uses = (text: string): boolean => [...text.matchAll(/\w+/g)].some(([word]) => own.has(word));
  for (let before = -1; before !== own.size; ) {
    before = own.size;
    for (const [i, text] of texts.entries())
      if (declarations[i].search(BUFFER) >= 0 || declarations[i].search(PARAMS) >= 0 || uses(text))
        for (const [, name] of text.matchAll(NAMED)) own.add(name);
  }
  const renamed = (text: string): string =>
    text.replace(/\w+/g, (word) => (own.has(word) ? `${word}_${number}` : word));
  const [head, call] =
    subgroup === undefined
      ? [`fn member_${number}(group: u32, lane: u32)`, "lane"]
      : [`fn member_${number}(group: u32, lane: u32, subgroup: u32)`, "lane, subgroup"];
  return {
    declarations: [...texts.map(renamed), `${head} {\n${renamed(moved(body))}\n}`],
    call,
  };
};

const linked = ({ members, bound, words }: Launch): Kernel => {
  if (members.length === 1) return members[0].kernel;
  const [{ kernel: first }] = members;
  const declarations = new Set<string>();
  const params: number[] = [];
  const calls: string[] = [];
  const ends = words;
  let workgroups = 0;
  members.forEach(({ kernel, places }, number) => {
    const text = memberText(kernel.source, places, params.length / 4, number);
    for (const declaration of text.declarations) declarations.add(declaration);
    params.push(...kernel.params, ...new Array(4 * quadsOf(kernel.params.length) - kernel.params.length).fill(0));
    const from = workgroups === 0 ? "group" : `group - ${endAt(ends + number - 1)}`;
    workgroups += kernel.workgroups;
    calls.push(`  if (group < ${endAt(ends + number)}) { member_${number}(${from}, ${text.call}); return; }`);
  });
  let end = 0;
  for (const { kernel } of members) {
    end += kernel.workgroups;
    params.push(end);
  }
  const source: Source = {
    ...first.source,
    ...{ words: params.length, bound, declarations: [...declarations], body: calls.join("\n") },
  };
  return {
    label: first.label,
    code: textOf(source),
    bindings: bound.map(({ buffer }) => buffer),
    access: bound.map(({ written }) => (written ? "w" : "r")).join(""),
    ...{ params, workgroups, source },
  };
};

const endAt = (word: number): string => `P[${word >> 2}].${"xyzw"[word & 3]}`;

/**
 * Kernels that do not wait for one another in as few launches as bindings allow: kernels of one text, whatever their sizes, are
 * members of one, each with workgroups of its own. Each computes what it computes alone, by the same text: the same bits. `memoryOf` names the buffer that a binding is a window of.
 */
export const link = (
  kernels: readonly Kernel[],
  mostBindings: number,
  memoryOf: (binding: number) => number,
): Kernel[] => {
  const launches: Launch[] = [];
  const open = new Map<string, Launch>();
  for (const kernel of kernels) {
    const { length } = kernel.code;
    const words = 4 * quadsOf(kernel.params.length);
    const last = open.get(kernel.code);
    const placed = last && placesIn(last.bound, kernel, memoryOf);
    const fits =
      last !== undefined &&
      placed !== undefined &&
      placed[0].length <= mostBindings &&
      last.letters + length <= MOST_TEXT &&
      last.words + words + last.members.length + 1 <= MOST_WORDS;
    if (last !== undefined && placed !== undefined && fits) {
      last.bound = placed[0];
      last.members.push({ kernel, places: placed[1] });
      last.words += words;
      last.letters += length;
      continue;
    }
    const [bound, places] = placesIn([], kernel, memoryOf) ?? [[], []];
    const launch: Launch = { members: [{ kernel, places }], bound, words, letters: length };
    // One that writes two windows of a buffer stays alone.
    if (places.length === kernel.bindings.length) open.set(kernel.code, launch);
    launches.push(launch);
  }
  return launches.map(linked);
};
