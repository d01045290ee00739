/** A Slurm of two nodes on this machine, in a folder and on ports of its own, without systemd. */
import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

/** Debian puts the daemons where only root looks. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

const NEEDS = { slurmctld: "slurmctld", slurmd: "slurmd", sbatch: "slurm-client", munged: "munge" };

/** What is not installed, and what installs it; undefined if all is there. */
export const missing = () => {
  const lacking = Object.keys(NEEDS).filter((name) => spawnSync(name, ["--version"], { env, stdio: "ignore" }).error);
  if (lacking.length === 0) return undefined;
  const packages = lacking.map((name) => NEEDS[name]).join(" ");
  return `${lacking.join(", ")} ${lacking.length === 1 ? "is" : "are"} not installed; apt-get install ${packages}`;
};

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

const kill = (pid, signal) => {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
};

const isAlive = (pid) => existsSync(`/proc/${pid}`);

/** Every node has so many CPUs, whatever this machine has: tasks share them. */
const CPUS = 4;
export const NODES = ["n1", "n2"];

const configuration = async (folder) => {
  const host = hostname().split(".")[0];
  const user = userInfo().username;
  const nodes = [];
  for (const node of NODES)
    nodes.push(
      `NodeName=${node} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${await freePort()} CPUs=${CPUS} State=UNKNOWN`,
    );
  return `ClusterName=taugrad
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${await freePort()}
SlurmUser=${user}
SlurmdUser=${user}
AuthType=auth/munge
AuthInfo=socket=${folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool/%n
SlurmctldPidFile=${folder}/slurmctld.pid
SlurmdPidFile=${folder}/%n.pid
SlurmctldLogFile=${folder}/slurmctld.log
SlurmdLogFile=${folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_interval=1
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
SlurmdTimeout=15
KillWait=2
${nodes.join("\n")}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`;
};

/**
 * Starts it. `start` and `kill` take a daemon's name: slurmctld, n1, n2; a kill is one that nobody can catch. `run` runs a client of
 * Slurm's and returns what it says. `env` is what a process needs to be a client.
 */
export const startSlurm = async (folder) => {
  for (const name of ["state", "spool", ...NODES.map((node) => `spool/${node}`)]) mkdirSync(join(folder, name));
  const config = join(folder, "slurm.conf");
  writeFileSync(config, await configuration(folder));
  writeFileSync(join(folder, "munge.key"), randomBytes(128), { mode: 0o400 });
  const own = { ...env, SLURM_CONF: config };
  const run = (program, ...args) =>
    execFileSync(program, args, { env: own, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const pidOf = (name) => Number(readFileSync(join(folder, `${name}.pid`), "utf8"));
  const start = (name) => {
    if (name === "slurmctld") run("slurmctld");
    else run("slurmd", "-N", name);
  };
  const at = (name) => join(folder, name);
  const munge = [
    "--force",
    `--key-file=${at("munge.key")}`,
    `--socket=${at("munge.socket")}`,
    `--pid-file=${at("munge.pid")}`,
  ];
  run("munged", ...munge, `--log-file=${at("munge.log")}`, `--seed-file=${at("munge.seed")}`);
  start("slurmctld");
  for (const node of NODES) start(node);
  /** Ends all daemons, and waits until they write no more. */
  const stop = async () => {
    for (const name of [...NODES, "slurmctld", "munge"]) {
      const pid = existsSync(at(`${name}.pid`)) ? pidOf(name) : 0;
      for (let tries = 0; pid > 0 && isAlive(pid); tries++) {
        kill(pid, tries < 50 ? "SIGTERM" : "SIGKILL");
        await pause(100);
      }
    }
  };
  for (let tries = 0; ; tries++) {
    try {
      if (run("sinfo", "-h", "-t", "idle", "-o", "%D").trim() === String(NODES.length)) break;
    } catch (error) {
      if (tries > 50) throw error;
    }
    if (tries > 100) {
      await stop();
      throw new Error(
        `Slurm's nodes are not idle after 20 s:\n${readFileSync(at("slurmctld.log"), "utf8").slice(-2000)}`,
      );
    }
    await pause(200);
  }
  return { env: own, run, start, kill: (name) => kill(pidOf(name), "SIGKILL"), stop };
};
