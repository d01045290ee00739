import { type Features, featuresOf, NO_FEATURES } from "./adapter/features.js";
import { type Limits, limitsWithin } from "./adapter/limits.js";
import type { Mode } from "./adapter/modes.js";
import type { AdapterReport } from "./adapter/report.js";
import type { Layout } from "./kernels/matmul/layouts.js";
import type { Rates } from "./kernels/matmul/rates.js";
import type { Tile } from "./kernels/matmul/tiles.js";
import type { Traits } from "./prepare.js";

/** Invocations of a subgroup by architecture, for browsers that do not tell: Chromium does from version 134 on. */
const SUBGROUPS: Readonly<Record<string, number>> = { swiftshader: 4 };

/** Invocations of a subgroup, where there is but one size. */
const fixedSubgroup = (report: AdapterReport): number | undefined => {
  const { architecture, subgroupMinSize: least = SUBGROUPS[architecture], subgroupMaxSize: most = least } = report;
  return least === most ? least : undefined;
};

/** How programs are to see an adapter, where that is not all that it has. */
export interface Seen {
  /** Kernels for GPUs, or for adapters that run on the CPU. Default: what the adapter is. Tests run both. */
  readonly kernels?: "gpu" | "cpu";
  /** Limits to keep to where they are tighter than the adapter's: laws draw them down. */
  readonly limits?: Partial<Limits>;
  /** Features to do without. */
  readonly without?: readonly (keyof Features)[];
  /** What products for GPUs may choose among. Default: all of `TILES`. */
  readonly tiles?: readonly Tile[];
  /** The same on matrix units. */
  readonly layouts?: readonly Layout[];
  /** How fast they are. Default: what was measured on the adapter, else what they say themselves. */
  readonly rates?: Rates;
  /** Most seconds of planned work in a submit. Default: 0.1. */
  readonly sliceSeconds?: number;
}

/** What programs depend on of an adapter, beside its kernels. Errors: DeviceError if wider limits are wanted than it has. */
export const profileOf = (
  report: AdapterReport,
  mode: Mode = "full",
  { kernels, limits, without = [], tiles, layouts, rates, sliceSeconds }: Seen = {},
): Traits => {
  const features = mode === "plain" ? NO_FEATURES : featuresOf(report);
  const kept = { ...features, ...Object.fromEntries(without.map((name) => [name, NO_FEATURES[name]])) };
  return {
    limits: limitsWithin(report.limits, limits),
    wide: kernels === undefined ? !report.software : kernels === "gpu",
    subgroup: kept.subgroups ? fixedSubgroup(report) : undefined,
    leastSubgroup: kept.subgroups ? report.subgroupMinSize : undefined,
    features: kept,
    tiles,
    layouts,
    rates,
    sliceSeconds,
  };
};
