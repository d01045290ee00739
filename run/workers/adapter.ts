import { InputError } from "../../core/errors.js";
import type { DeviceName } from "../../kernels/index.js";
import type { Voice } from "../voice.js";
import type { Team } from "./team.js";

/**
 * Which adapter a rank takes, where several of them share a host and none is named: one each. Errors: InputError where the host's GPUs
 * cannot be told apart, so that all ranks would take the same one.
 */
export const adapterOf = async (
  { device, adapter }: { readonly device: DeviceName; readonly adapter?: number | string | undefined },
  { local: { rank, size } }: Pick<Team, "local">,
  out: Pick<Voice, "note">,
): Promise<number | string | undefined> => {
  if (adapter !== undefined || size === 1 || device === "cpu" || device === "reference") return adapter;
  const { doctor } = await import("../../kernels/index.js");
  const { adapters } = await doctor();
  const hardware = adapters.flatMap(({ software, alike = 1 }, at) => (software ? [] : [{ at, alike }]));
  if (hardware.length >= size) return hardware[rank].at;
  const gpus = hardware.reduce((n, { alike }) => n + alike, 0);
  if (gpus > 1)
    throw new InputError(
      `${size} ranks share this host, and ${gpus} of its GPUs cannot be told apart by name: give each rank one of its own (srun --gpus-per-task=1, or a container a rank; docs/cluster.md)`,
    );
  if (gpus === 1)
    out.note(`note: ${size} ranks share this host, and each sees one GPU; unless that is its own, they share it`);
  return undefined;
};
