/** The doctor's report, and the name of the adapter that the other parts run on. */
import { describe } from "../../cli/commands/doctor.js";
import { doctor } from "../../kernels/index.js";
import { chosenOf } from "../../kernels/webgpu/adapter/find.js";
import { nameOf } from "../../kernels/webgpu/adapter/report.js";
import { part } from "./part.js";

await part(async ({ device, adapter }) => {
  const report = await doctor();
  const text = describe(report);
  console.log(text);
  const { name, ...own } = report.adapters[adapter === undefined ? 0 : chosenOf(report.adapters, adapter)];
  process.send?.({ adapter: name ?? nameOf(own), description: device.description });
});
