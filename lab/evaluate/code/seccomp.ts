/**
 * A seccomp filter, as classic BPF: system calls by number that a generated program has no use for fail with EPERM, and another
 * calling convention ends it. What the namespaces already make harmless is refused here once more; memory that belongs to no
 * process (memfd, System V, io_uring) is refused only here.
 */
import { endianness } from "node:os";

/** Numbers on x64 and arm64, from the kernel's tables (arch/x86/entry/syscalls/syscall_64.tbl, asm-generic/unistd.h). */
export const REFUSED: Readonly<Record<string, readonly [x64: number, arm64: number]>> = {
  socket: [41, 198],
  shmget: [29, 194],
  shmat: [30, 196],
  semget: [64, 190],
  msgget: [68, 186],
  mq_open: [240, 180],
  memfd_create: [319, 279],
  memfd_secret: [447, 447],
  io_uring_setup: [425, 425],
  ptrace: [101, 117],
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  pidfd_open: [434, 434],
  pidfd_getfd: [438, 438],
  kcmp: [312, 272],
  unshare: [272, 97],
  setns: [308, 268],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsmount: [432, 432],
  mount_setattr: [442, 442],
  open_by_handle_at: [304, 265],
  keyctl: [250, 219],
  add_key: [248, 217],
  request_key: [249, 218],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  fanotify_init: [300, 262],
  quotactl: [179, 60],
  swapon: [167, 224],
  reboot: [169, 142],
  kexec_load: [246, 104],
  init_module: [175, 105],
  finit_module: [313, 273],
  syslog: [103, 116],
  acct: [163, 89],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  personality: [135, 92],
  vmsplice: [278, 75],
};
const CLONE = [56, 220] as const;
const CLONE3 = 435;
/** CLONE_NEW*: time, mount, cgroup, uts, ipc, user, pid, net. */
const NAMESPACES = 0x7e020080;

const ARCHITECTURES: Readonly<Record<string, { readonly audit: number; readonly column: 0 | 1 }>> = {
  x64: { audit: 0xc000003e, column: 0 },
  arm64: { audit: 0xc00000b7, column: 1 },
};

const [LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN] = [0x20, 0x15, 0x35, 0x45, 0x06];
const [ALLOW, KILL, FAIL] = [0x7fff0000, 0x80000000, 0x00050000];
const [EPERM, ENOSYS] = [1, 38];
/** Offsets in struct seccomp_data. */
const [NUMBER, ARCHITECTURE, FIRST_ARGUMENT] = [0, 4, 16];

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

/** The filter's bytes (struct sock_filter, 8 each), or undefined on a processor whose numbers are not here. */
export const seccompFilter = (arch: string = process.arch): Uint8Array | undefined => {
  if (!Object.hasOwn(ARCHITECTURES, arch) || endianness() !== "LE") return undefined;
  const { audit, column } = ARCHITECTURES[arch];
  const refuse = (number: number, how: number): Instruction[] => [
    [EQUAL, 0, 1, number],
    [RETURN, 0, 0, how],
  ];
  const program: Instruction[] = [
    [LOAD, 0, 0, ARCHITECTURE],
    [EQUAL, 1, 0, audit],
    [RETURN, 0, 0, KILL],
    [LOAD, 0, 0, NUMBER],
    [AT_LEAST, 0, 1, 0x40000000], // x32's numbers
    [RETURN, 0, 0, KILL],
    ...Object.values(REFUSED).flatMap((numbers) => refuse(numbers[column], FAIL + EPERM)),
    ...refuse(CLONE3, FAIL + ENOSYS), // its flags are out of sight; libc falls back to clone
    [EQUAL, 0, 3, CLONE[column]],
    [LOAD, 0, 0, FIRST_ARGUMENT],
    [ANY_BIT, 0, 1, NAMESPACES],
    [RETURN, 0, 0, FAIL + EPERM],
    [RETURN, 0, 0, ALLOW],
  ];
  const bytes = new DataView(new ArrayBuffer(8 * program.length));
  for (const [i, [code, ifTrue, ifFalse, value]] of program.entries()) {
    bytes.setUint16(8 * i, code, true);
    bytes.setUint8(8 * i + 2, ifTrue);
    bytes.setUint8(8 * i + 3, ifFalse);
    bytes.setUint32(8 * i + 4, value, true);
  }
  return new Uint8Array(bytes.buffer);
};
