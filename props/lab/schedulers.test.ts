/** What is written for schedulers: scripts that a shell runs as meant, manifests of the published form, and nothing over others' files. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { idOf } from "../../lab/jobs/job.js";
import { jobsOf, planRuns } from "../../lab/plan.js";
import { SIZES } from "../../lab/sizes.js";
import { openClaims } from "../../lab/sweep/claims.js";
import { claimsIn } from "../../lab/sweep/run.js";
import { type Errand, nameOf } from "../../lab/sweep/schedulers/errand.js";
import { kubernetesJob } from "../../lab/sweep/schedulers/kubernetes.js";
import { slurmScript } from "../../lab/sweep/schedulers/slurm.js";
import { scratch } from "../cli/cli.js";
import { inside } from "../cli/inside.js";
import { goldenJson } from "../golden/files.js";
import { tries } from "../reach.js";

const posix = { skip: process.platform === "win32" ? "Slurm's scripts are bash's" : false };

const names = fc.string({ unit: fc.constantFrom(..."aB7 -_.%$`'ä(&;*#~!"), minLength: 1, maxLength: 12 });
const errands = fc.record({
  what: fc.constant("lab quick: 3 of 4 jobs"),
  stages: fc
    .uniqueArray(fc.record({ depth: fc.nat(9), tasks: fc.integer({ min: 1, max: 12 }) }), {
      selector: ({ depth }) => depth,
      minLength: 1,
      maxLength: 4,
    })
    .map((stages) => stages.sort((a, b) => a.depth - b.depth)),
  words: fc.array(names, { minLength: 1, maxLength: 3 }),
  program: fc.constant(["printf", String.raw`%s\n`]),
  folder: names.map((name) => `/data/${name}`),
  processes: fc.integer({ min: 1, max: 64 }),
  memory: fc.option(fc.integer({ min: 1, max: 2 ** 40 }), { nil: undefined }),
});

const taskOf = ({ words, folder, processes }: Errand): string[] => [
  ...words,
  ...["--output-dir", folder, "--processes", String(processes)],
];

test(
  "Slurm's script: submits stages one after the other, each when the tasks of the last have ended; a task runs the very words",
  posix,
  () => {
    const bin = scratch();
    writeFileSync(join(bin, "sbatch"), '#!/bin/sh\necho "$@" >> "$TOLD"\nwc -l < "$TOLD" | tr -d " "\n');
    chmodSync(join(bin, "sbatch"), 0o755);
    let at = 0;
    fc.assert(
      fc.property(errands, (errand) => {
        const [script, told] = [join(bin, "slurm.sh"), join(bin, `told-${at++}`)];
        const text = slurmScript(errand, ["--partition=long", "-A me"]);
        writeFileSync(script, text);
        const env = { PATH: `${bin}:${process.env.PATH}`, TOLD: told };
        const run = (...args: string[]) => spawnSync("bash", [script, ...args], { env, encoding: "utf8" });
        const { status, stderr } = run();
        assert.equal(status, 0, stderr);
        const expected = errand.stages.map(
          ({ depth, tasks }, i) =>
            `--parsable --array=0-${tasks - 1} ${i === 0 ? "" : `--dependency=afterany:${i} `}${script} ${depth}`,
        );
        assert.deepEqual(readFileSync(told, "utf8").trim().split("\n"), expected);
        assert.deepEqual(run("3").stdout.split("\n"), [...taskOf(errand), "--stage", "3", ""]);
        const settings = text.split("\n").filter((line) => line.startsWith("#SBATCH "));
        const isSet = (setting: string) => settings.includes(`#SBATCH ${setting}`);
        assert.ok(isSet(`--cpus-per-task=${errand.processes}`) && isSet("--partition=long") && isSet("-A me"));
        assert.ok(
          isSet(`--output="${join(errand.folder.replaceAll("%", "%%"), "logs", "%A_%a.log")}"`),
          settings.join("\n"),
        );
        assert.equal(settings.length, errand.memory === undefined ? 7 : 8);
      }),
      { numRuns: tries(4) },
    );
  },
);

const { types } = goldenJson<{
  readonly types: Readonly<Record<string, Readonly<Record<string, string>>>>;
}>("kubernetes-job.json");

/** What is wrong with a value by the published types, in a line each. */
const faults = (value: unknown, type: string, at: string): string[] => {
  if (type.endsWith("[]"))
    return Array.isArray(value)
      ? value.flatMap((one, i) => faults(one, type.slice(0, -2), `${at}[${i}]`))
      : [`${at} is no list`];
  const fields = types[type];
  if (fields === undefined) {
    if (type.startsWith("= "))
      return type.slice(2).split(" | ").includes(String(value)) ? [] : [`${at} is none of ${type.slice(2)}`];
    if (type !== "map" && type !== "object") return typeof value === type ? [] : [`${at} is no ${type}`];
    const isMap = Object.values(Object(value)).every((one) => type === "object" || typeof one === "string");
    return isMap ? [] : [`${at} is no map of texts`];
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${at} is no ${type}`];
  return [
    ...Object.entries(fields).flatMap(([key, kind]) =>
      kind.startsWith("!") && !(key in value) ? [`${at}.${key} is missing`] : [],
    ),
    ...Object.entries(value).flatMap(([key, part]) =>
      fields[key] === undefined
        ? [`${at}.${key} is unknown`]
        : faults(part, fields[key].replace("!", ""), `${at}.${key}`),
    ),
  ];
};

interface Job {
  readonly metadata: { readonly generateName: string };
  readonly spec: {
    readonly completions: number;
    readonly parallelism: number;
    readonly completionMode: string;
    readonly template: {
      readonly spec: {
        readonly restartPolicy: string;
        readonly containers: readonly { readonly args: readonly string[] }[];
      };
    };
  };
}

test("Kubernetes' manifest has the published form, a name that is one, and as many indices as tasks work at a time", () => {
  fc.assert(
    fc.property(errands, (errand) => {
      const job = kubernetesJob(errand, { image: "registry/taugrad:1", volumeClaim: "sweeps" }) as Job;
      assert.deepEqual(faults(job, "Job", "job"), []);
      const { metadata, spec } = job;
      assert.match(`${metadata.generateName}abcde-255`, /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/);
      assert.match(nameOf(errand), /^[a-z0-9]/);
      const tasks = Math.max(...errand.stages.map((stage) => stage.tasks));
      assert.deepEqual([spec.completions, spec.parallelism, spec.completionMode], [tasks, tasks, "Indexed"]);
      // What a policy on failures asks of a job.
      assert.equal(spec.template.spec.restartPolicy, "Never");
      const [{ args }] = spec.template.spec.containers;
      assert.deepEqual(args, taskOf({ ...errand, folder: `/sweep/${errand.folder.split("/").at(-1)}` }));
    }),
    { numRuns: 50 },
  );
  const job = kubernetesJob(fc.sample(errands, 1)[0], { image: "i", volumeClaim: "v" }) as { spec: object };
  const wrong = { ...job, spec: { ...job.spec, completion: 3, parallelism: "4", template: undefined } };
  assert.equal(faults(wrong, "Job", "job").length, 3, "the law sees faults");
});

test("lab --scheduler: what does not go together, and what is no option of sbatch, is refused in one line", async () => {
  const folder = join(scratch(), "lab");
  const slurm = ["--scheduler", "slurm"];
  const kubernetes = ["--scheduler", "kubernetes"];
  for (const [args, said] of [
    [["--scheduler", "pbs"], /--scheduler is "pbs"; it must be one of local, slurm, kubernetes/],
    [["--submit"], /--submit goes with --scheduler slurm or kubernetes; this is local/],
    [["--array", "3"], /--array goes with/],
    [["--array", "0", ...slurm], /--array is "?0"?; it must be an integer in \[1, 1000\]/],
    [["--memory", "2GiB"], /--memory goes with/],
    [["--sbatch=--partition=x"], /--sbatch goes with --scheduler slurm; this is local/],
    [["--image", "x", ...slurm], /--image goes with --scheduler kubernetes; this is slurm/],
    [["--stage", "1", ...slurm], /--stage goes with --scheduler local; this is slurm/],
    [kubernetes, /needs --image: an image/],
    [["--image", "x", ...kubernetes], /needs --volume-claim: the claim/],
    [["--sbatch=--array=3", ...slurm], /--sbatch --array=3: the script sets that itself/],
    [["--sbatch=-d singleton", ...slurm], /-d singleton: the script sets that itself/],
    [["--sbatch=--wait", "--dry-run", ...slurm], /--sbatch --wait: the script sets that itself/],
    [["--sbatch=partition", ...slurm], /is no option of sbatch/],
    [["--sbatch=--x=1\nrm -rf /", ...slurm], /is no option of sbatch/],
    [["--status", "--retry"], /--status only tells .*; leave out --retry/],
    [["--status", "--dry-run"], /leave out --dry-run/],
    [["--status", ...slurm], /leave out --scheduler/],
    [["--dry-run", "--submit", ...slurm], /--dry-run writes nothing; leave out --submit/],
  ] as const) {
    const { code, stdout, stderr } = await inside(["lab", "--smoke", "--output-dir", folder, ...args]);
    assert.deepEqual([code, stdout, stderr.split("\n").length], [2, "", 2], `${args.join(" ")}: ${stderr}`);
    assert.match(stderr, said);
    assert.ok(!existsSync(folder), args.join(" "));
  }
});

test("lab --scheduler writes what is left, over its own alone; --status tells, --submit says what is missing", async () => {
  const folder = join(scratch(), "lab");
  const lab = (...args: string[]) => inside(["lab", "--smoke", "--output-dir", folder, ...args]);
  const dry = await lab("--scheduler", "slurm", "--dry-run");
  assert.deepEqual([dry.code, dry.stdout], [0, "lab smoke: 5 of 5 jobs, 2 s of one core, in 1 + 1 + 2 + 1 tasks\n"]);
  assert.ok(!existsSync(folder));
  const path = process.env.PATH;
  try {
    process.env.PATH = scratch();
    const { code, stderr } = await lab("--scheduler", "slurm", "--submit", "--processes", "3");
    assert.deepEqual(
      [code, stderr],
      [2, `taugrad: --submit: sbatch is not installed here; where it is, run: bash ${folder}/slurm.sh\n`],
    );
  } finally {
    process.env.PATH = path;
  }
  const script = readFileSync(join(folder, "slurm.sh"), "utf8");
  assert.match(script, /for stage in 0:1 1:1 2:2 3:1; do/);
  assert.match(script, /lab --smoke --output-dir \S+ --processes 3 --stage "\$1"\n$/);
  for (const [scheduler, file] of [
    ["slurm", "slurm.sh"],
    ["kubernetes", "kubernetes.json"],
  ]) {
    const more = scheduler === "slurm" ? [] : ["--image", "i", "--volume-claim", "v"];
    for (const _ of [1, 2]) assert.equal((await lab("--scheduler", scheduler, "--json", ...more)).code, 0);
    for (const foreign of ["", "#!/bin/bash\nmine\n", "{}", "[[]]"]) {
      writeFileSync(join(folder, file), foreign);
      const { code, stderr } = await lab("--scheduler", scheduler, ...more);
      assert.deepEqual(
        [code, stderr],
        [2, `taugrad: ${join(folder, file)}: is of no sweep, and would be overwritten; put it elsewhere\n`],
      );
      assert.equal(readFileSync(join(folder, file), "utf8"), foreign);
    }
  }
});

test("lab --status tells what runs and where, what failed and why, and what builds on it; --retry forgets that it did", async () => {
  const folder = scratch();
  const lab = (...args: string[]) => inside(["lab", "--smoke", "--output-dir", folder, ...args]);
  const [base, sft] = jobsOf(planRuns(SIZES.smoke)).map(idOf);
  const claims = openClaims(claimsIn(folder), "lab");
  claims.take(sft, undefined);
  const running = (await lab("--status")).stdout;
  assert.match(running, /^lab smoke: 0 of 5 jobs done, 1 running, 4 to come\nleft: about 2 s of one core, 2 s on 1\n/);
  assert.match(
    running,
    /\nrunning: sft seed 0; taugrad lab \(process \d+ on \S+, since \S+\), last sign of life \d s ago\n$/,
  );
  claims.close();
  claims.take(base, undefined)?.end({ end: "failed", reason: "a shape\nand more", stack: "" });
  const failed = (await lab("--status")).stdout;
  assert.match(failed, /^lab smoke: 0 of 5 jobs done, 0 running, 0 to come, 1 failed, 4 build on them\n/);
  assert.match(failed, /\nfailed: base seed 0; 1 attempt: a shape\n--retry tries again what failed\n$/);
  const { code, stderr } = await lab();
  assert.equal(code, 2);
  assert.match(
    stderr,
    /taugrad: base seed 0 failed: a shape; and more \(4 build on what failed\); all else is done; --status tells each/,
  );
  assert.match((await lab("--retry", "--scheduler", "slurm")).stderr, /^lab smoke: 1 failed jobs are tried again$/m);
  assert.match((await lab("--status")).stdout, /^lab smoke: 0 of 5 jobs done, 0 running, 5 to come\n/);
});
