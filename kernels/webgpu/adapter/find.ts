import { DeviceError } from "../../../core/index.js";
import { drivers } from "../../platform/node/drivers.js";
import { webgpu } from "../../platform/node/webgpu.js";
import type { Dawn } from "../../platform/platform.js";
import { askFor, listNames, reached, reportOf } from "./dawn.js";
import { type Mode, modeOf, TOGGLES, type Toggles } from "./modes.js";
import { type AdapterReport, nameOf } from "./report.js";

/** An adapter, and the Dawn instance that must outlive its devices. */
export interface Found {
  readonly gpu: GPU;
  readonly adapter: GPUAdapter;
  readonly report: AdapterReport;
}

/** Dawn's `device` is the driver's name with everything but letters and digits made into hyphens. */
const isNamed = (name: string, { device }: AdapterReport): boolean =>
  name.toLowerCase().replace(/[^a-z0-9]+/g, "-") === device.replace(/-+/g, "-");

const find = async (dawn: Dawn, toggles: Toggles, names: readonly string[], name?: string): Promise<Found[]> => {
  const asked = await askFor(dawn, toggles, name);
  if (asked === undefined) return [];
  const told = reportOf(asked.adapter);
  const own = name ?? names.find((one) => isNamed(one, told));
  const alike = names.filter((one) => one === own).length;
  return [{ ...asked, report: own === undefined ? told : { name: own, alike, ...told } }];
};

/** Why no driver is asked; where Dawn is not there, that is what must be told. */
const driverProblem = (): string | undefined => (webgpu.isInstalled() ? drivers.problem() : undefined);

/**
 * The adapters that Dawn gives: hardware before software, and first among those the one it prefers itself; of several with one
 * name the first. Errors: DeviceError if the native module does not load.
 */
export const findAll = async (mode: Mode = modeOf()): Promise<Found[]> => {
  if (driverProblem() !== undefined) return [];
  const dawn = await webgpu.loadDawn();
  const names = await listNames(dawn, TOGGLES[mode]);
  const found = await find(dawn, TOGGLES[mode], names);
  for (const [i, name] of names.entries())
    if (reached(names, i) === i && !found.some(({ report }) => report.name === name))
      found.push(...(await find(dawn, TOGGLES[mode], names, name)));
  return found.sort((a, b) => Number(a.report.software) - Number(b.report.software));
};

/** Adapters with their numbers, for errors. */
const listOf = (reports: readonly AdapterReport[]): string =>
  reports.map((report, i) => `${i}: ${nameOf(report)}`).join("; ");

/** How to run on each of several GPUs of one name. */
export const ALIKE_HINT =
  "Dawn opens the first of equal GPUs; start a process a GPU where it sees but one: a container (docker run --gpus device=1), or Slurm's device isolation";

/**
 * The place of the adapter that was asked for by its number in the list, or by a part of its name. Errors: DeviceError, with the
 * list, if there is none such, or several; with a hint, if it is one of several with the same name.
 */
export const chosenOf = (reports: readonly AdapterReport[], wanted: number | string): number => {
  const there = `there is none; there are ${listOf(reports)}`;
  if (typeof wanted === "number") {
    if (wanted in reports) return wanted;
    const all = reports.reduce((n, { alike = 1 }) => n + alike, 0);
    throw new DeviceError(`webgpu: adapter ${wanted}: ${there}`, 0 <= wanted && wanted < all ? ALIKE_HINT : undefined);
  }
  const exact = reports.findIndex(({ name }) => name === wanted);
  if (exact >= 0) return exact;
  const fits = ({ name = "", device, description }: AdapterReport): boolean =>
    [name, device, description].some((text) => text.toLowerCase().includes(wanted.toLowerCase()));
  const fitting = reports.flatMap((report, i) => (fits(report) ? [i] : []));
  if (fitting.length === 1) return fitting[0];
  if (fitting.length === 0) throw new DeviceError(`webgpu: adapter "${wanted}": ${there}`);
  const several = fitting.map((i) => `${i}: ${nameOf(reports[i])}`).join("; ");
  throw new DeviceError(`webgpu: adapter "${wanted}": several are called so: ${several}`);
};

/** The adapter that was asked for, else the best. Errors: DeviceError if there is none; see `chosenOf`. */
export const findAdapter = async (mode: Mode, wanted?: number | string): Promise<Found> => {
  if (wanted === undefined && driverProblem() === undefined) {
    const dawn = await webgpu.loadDawn();
    const [preferred] = await find(dawn, TOGGLES[mode], await listNames(dawn, TOGGLES[mode]));
    if (preferred?.report.software === false) return preferred; // and no other is asked for
  }
  const all = await findAll(mode);
  if (all.length === 0) throw new DeviceError(`webgpu: no adapter: ${drivers.whyNoAdapter()}`, webgpu.noAdapterHint);
  return all[
    wanted === undefined
      ? 0
      : chosenOf(
          all.map(({ report }) => report),
          wanted,
        )
  ];
};
