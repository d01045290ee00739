import { type Device, dispose, evaluate, InputError, upload } from "../../core/index.js";
import { folderExists, show } from "../../models/files/json.js";
import { type Generator, generator, loadAdapter, loadModel, type Model, withLora } from "../../models/index.js";
import { withDevice } from "../../run/device.js";
import { locate } from "../../run/located.js";
import type { Values } from "../options.js";
import type { Output } from "../output.js";

type Asked = Pick<Values<"chat">, "model" | "adapter" | "adapter_name_or_path" | "device">;

/** `adapter` names an adapter for the model, as a folder or of the Hub, or else says which GPU. Errors: InputError. */
const adaptersOf = async ({ adapter, adapter_name_or_path: named }: Asked, out: Output) => {
  if (typeof adapter !== "string" || !(/[/\\]/.test(adapter) || folderExists(adapter)))
    return { folder: named, gpu: adapter };
  if (named !== undefined)
    throw new InputError("--adapter and --adapter-name-or-path both name an adapter for the model; give one");
  const folder = await locate(adapter, "adapter", out);
  if (!folderExists(folder)) throw new InputError(`--adapter ${show(adapter)}: no such folder`);
  return { folder, gpu: undefined };
};

/** The model on the device, with the adapter's factors beside its weights. */
const loadAdapted = (folder: string, adapter: string | undefined, device: Device): Pick<Model, "config" | "params"> => {
  const { config, params } = loadModel(folder, device);
  if (adapter === undefined) return { config, params };
  const { options, factors } = loadAdapter(adapter, config);
  const here = upload(factors, device);
  const adapted = Object.entries(withLora(params, here, config, options)).map(([name, t]) => [
    name,
    t === params[name] || t === here[name] ? t : evaluate(t, device),
  ]);
  return { config, params: Object.fromEntries(adapted) };
};

/** Works with the model of a folder and a generator for it, and frees both. */
export const withModel = async <T>(
  values: Asked,
  out: Output,
  work: (model: Pick<Model, "config" | "params">, go: Generator) => Promise<T>,
): Promise<T> => {
  const { folder, gpu } = await adaptersOf(values, out);
  return withDevice({ device: values.device, adapter: gpu }, out, async (device) => {
    const model = loadAdapted(values.model, folder, device);
    const go = generator(model.config, device);
    try {
      return await work(model, go);
    } finally {
      go.free();
      dispose(model.params);
    }
  });
};
