/** Run by an engine in a project that has the package: node ask.mjs '{"device": …, "bits": …, "titles": […]}' */
import { numbersOf } from "../kernels/browser/program.mjs";

const { device, titles, ...options } = JSON.parse(process.argv[2]);
const answer = await numbersOf(device, titles, options).catch((error) => ({
  error: String(error).split("\n")[0],
}));
console.log(JSON.stringify(answer));
process.exit(0); // Dawn's instance would keep it
