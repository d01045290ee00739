#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { main } from "./main.js";
import { guardProcess } from "./process.js";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};
guardProcess(process.argv[2]);
process.exitCode = await main(process.argv.slice(2), version);
