import { webgpu } from "../../platform/node/webgpu.js";
import { askFor, reportOf } from "./dawn.js";
import { type Features, featuresOf } from "./features.js";
import { type Mode, TOGGLES } from "./modes.js";
import type { AdapterReport } from "./report.js";

/** What a toggle of Dawn gives on an adapter: features that are not there without it. */
export interface Unlocked {
  readonly toggle: string;
  readonly gives: readonly string[];
}

/** A feature that is not there, and why. */
export interface Missing {
  readonly feature: string;
  readonly why: string;
}

/** An adapter with what its features are owed to. */
export interface Explained extends AdapterReport {
  readonly unlocked: readonly Unlocked[];
  readonly missing: readonly Missing[];
}

/** Features as words: f16, subgroups, timestamps, and matrix shapes such as "f16→f32 16×16×16". */
export const wordsOf = ({ matrices, ...flags }: Features): string[] => [
  ...Object.entries(flags).flatMap(([name, isThere]) => (isThere ? [name] : [])),
  ...matrices.map(({ m, n, k, componentType, resultType }) => `${componentType}→${resultType} ${m}×${n}×${k}`),
];

/** What each toggle gives: what there is with all of them, and not without that one. */
export const unlockedBy = (all: Features, without: ReadonlyMap<string, Features>): Unlocked[] =>
  [...without].map(([toggle, less]) => {
    const left = new Set(wordsOf(less));
    return { toggle, gives: wordsOf(all).filter((word) => !left.has(word)) };
  });

/** What is not there, and why: mode, driver, or another feature that is not there. `hasUnits`: do products run on its matrices? */
export const missingOf = (report: AdapterReport, mode: Mode, hasUnits: boolean): Missing[] => {
  const { f16, subgroups, matrices, timestamps } = featuresOf(report);
  const isPlain = mode === "plain";
  const plain = "TAUGRAD_WEBGPU=plain uses nothing beyond what every device has";
  const driver = `the driver does not offer it (${report.description || report.device})`;
  const hasHalves = matrices.some(({ componentType }) => componentType === "f16");
  const whyNoMatrices = (): string => {
    if (isPlain) return plain;
    if (hasHalves)
      return `no kernel is made of their shapes in ${report.limits.maxComputeWorkgroupStorageSize} bytes of workgroup memory`;
    if (matrices.length > 0)
      return `the driver lists shapes of ${[...new Set(matrices.map((m) => m.componentType))].join(", ")} alone`;
    if (!f16) return "they need f16";
    return /llvmpipe/i.test(report.device) ? "Mesa's software driver has them from version 26 on" : driver;
  };
  const rows: readonly [feature: string, isThere: boolean, why: () => string][] = [
    ["f16", f16, () => driver],
    ["subgroups", subgroups, () => driver],
    ["subgroup matrices of f16", hasUnits, whyNoMatrices],
    ["timestamps", timestamps, () => driver],
  ];
  return rows
    .filter(([, isThere]) => isPlain || !isThere)
    .map(([feature, , why]) => ({ feature, why: isPlain ? plain : why() }));
};

/** Asks for the adapter again, without one toggle after another. */
export const explain = async (report: AdapterReport, mode: Mode, hasUnits: boolean): Promise<Explained> => {
  const dawn = await webgpu.loadDawn();
  const toggles = TOGGLES[mode];
  const without = new Map<string, Features>();
  for (const toggle of [...toggles.on, ...toggles.off]) {
    const others = (list: readonly string[]) => list.filter((one) => one !== toggle);
    const less = await askFor(dawn, { on: others(toggles.on), off: others(toggles.off) }, report.name);
    if (less !== undefined) without.set(toggle, featuresOf(reportOf(less.adapter)));
  }
  return { ...report, unlocked: unlockedBy(featuresOf(report), without), missing: missingOf(report, mode, hasUnits) };
};
