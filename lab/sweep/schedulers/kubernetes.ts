import { basename } from "node:path";
import { type Errand, nameOf, taskWords } from "./errand.js";

/** What a cluster has to know: an image in which `taugrad` starts, and the claim of a volume that many nodes may write. */
export interface Cluster {
  readonly image: string;
  readonly volumeClaim: string;
}

/** Where pods see the volume. */
export const MOUNT = "/sweep";

const CONTAINER = "taugrad";

/** Evictions count for nothing; how often a pod of one index may fail otherwise, of itself. */
const RETRIES = 3;

/** The label by which a manifest is known as one of these. */
export const MANAGED = { "app.kubernetes.io/managed-by": "taugrad" };

/**
 * The manifest of a sweep for Kubernetes ≥ 1.29: an Indexed Job, which knows no dependencies between pods, so each does what is free
 * until all is done, and waits where nothing is. A pod that is evicted or whose node drains is replaced and counted for nothing;
 * one that ends with code 2, of which the user has to mend something, ends its index.
 */
export const kubernetesJob = (errand: Errand, { image, volumeClaim }: Cluster): object => {
  const { stages, folder, processes, memory } = errand;
  const tasks = Math.max(...stages.map((stage) => stage.tasks));
  const resources = { cpu: String(processes), ...(memory === undefined ? {} : { memory: String(memory) }) };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { generateName: `taugrad-${nameOf(errand)}-`, labels: MANAGED },
    spec: {
      completionMode: "Indexed",
      completions: tasks,
      parallelism: tasks,
      backoffLimitPerIndex: RETRIES,
      podFailurePolicy: {
        rules: [
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
          { action: "FailIndex", onExitCodes: { containerName: CONTAINER, operator: "In", values: [2] } },
        ],
      },
      template: {
        metadata: { labels: MANAGED },
        spec: {
          restartPolicy: "Never",
          containers: [
            {
              name: CONTAINER,
              image,
              command: ["taugrad"],
              args: taskWords(errand, `${MOUNT}/${basename(folder)}`),
              resources: {
                requests: resources,
                ...(memory === undefined ? {} : { limits: { memory: String(memory) } }),
              },
              volumeMounts: [{ name: "sweep", mountPath: MOUNT }],
            },
          ],
          volumes: [{ name: "sweep", persistentVolumeClaim: { claimName: volumeClaim } }],
        },
      },
    },
  };
};
