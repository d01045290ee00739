/** One work on one engine, in this process: node bench/peers/work.mjs ENGINE WORK; the answer is a line of JSON on stdout. */
import { measured } from "./measure.mjs";

const [engine, name] = process.argv.slice(2);
const { open } = await import(`./${engine}.mjs`);
const works = await open();
console.log(JSON.stringify(await measured(name, await works[name]())));
process.exit(0); // workers keep the process alive
