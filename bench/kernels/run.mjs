/**
 * Every kernel of a training step: npm run kernels [-- --model DIR | --shapes a,b,c] [--length N] [--pairs N] [--optim NAME] [--precision f16]
 *   [--card h100|h200|a100|rtx4090|rtx3090|rx7900] [--adapter nvidia|lavapipe|swiftshader|this|FILE] [--top N]
 * Launches, FLOPs, bytes and the time at a card's peak come from the planner alone, on any machine. Under a driver that tells what its
 * compiler did (RADV with RADV_DEBUG=shaderstats) every pipeline is compiled too, and registers, spills and waves are beside them; with
 * RADV_DEBUG=shaderstats,shaders also the share of multiply-adds among the vector instructions of their main loops.
 */
import { spawn } from "node:child_process";
import { bundle } from "../../props/bundle.mjs";

const [main, compile] = await bundle(["bench/kernels/main.ts", "bench/kernels/compile.ts"], ".bench-kernels");
spawn(process.execPath, [main, `--compile=${compile}`, ...process.argv.slice(2)], { stdio: "inherit" }).on(
  "close",
  (code) => {
    process.exitCode = code ?? 1;
  },
);
