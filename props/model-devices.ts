import { after } from "node:test";
import type { Device } from "../core/index.js";
import { openReference } from "../kernels/reference/index.js";

// Same face as devices.ts, for as long as whole models run on the reference device only.
const opened = openReference();
after(async () => (await opened).close());

export const presentDevices = async (): Promise<Device["name"][]> => ["reference"];
export const device = (_name: Device["name"]): Promise<Device> => opened;
