/**
 * Programs that a model might write and nobody should run: each must end within its time, without success, and leave nothing.
 * One that gets what it wants ends as it should, which counts as an escape. In capitals: what the campaign lays out for them,
 * PARENT (its process), SECRET (a file of its), PORT, SOCKET and ABSTRACT (servers of its).
 */
import type { LanguageName } from "../../../lab/evaluate/code/languages.js";

export interface HostileProgram {
  readonly name: string;
  readonly language: LanguageName;
  readonly program: string;
}

const bombs = {
  "fork bomb": "import os\nwhile True: os.fork()",
  "fork bomb that hears no error": "import os\nwhile True:\n  try: os.fork()\n  except BaseException: pass",
  "thread bomb": "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(99,)).start()",
  "process bomb": "import subprocess, sys\nwhile True: subprocess.Popen([sys.executable, '-c', 'while True: pass'])",
  "one block of memory": "x = bytearray(1 << 40)\nx[::4096] = b'x' * (1 << 28)",
  "memory, piece by piece": "a = []\nwhile True:\n  try: a.append(b'x' * (1 << 20))\n  except MemoryError: pass",
  "memory of children":
    "import os, time\nfor _ in range(60):\n  if os.fork() == 0:\n    x = bytearray(b'x') * (200 << 20)\n    time.sleep(99)\ntime.sleep(99)",
  "shared memory":
    "import mmap\na = []\nwhile True:\n  m = mmap.mmap(-1, 1 << 26); m.write(b'x' * (1 << 26)); a.append(m)",
  "files in memory":
    "import os\na = []\nwhile True:\n  f = os.memfd_create('x'); os.write(f, b'x' * (1 << 24)); a.append(f)",
  "System V memory":
    "import ctypes\nc = ctypes.CDLL(None)\nfor _ in range(64):\n  i = c.shmget(0, 1 << 28, 0o1600)\n  assert i >= 0\n  c.shmat.restype = ctypes.c_void_p\n  ctypes.memset(c.shmat(i, None, 0), 1, 1 << 28)",
  "one large file": "f = open('x', 'wb')\nwhile True: f.write(b'x' * (1 << 20))",
  "many files": "i = 0\nwhile True:\n  open(str(i), 'wb').write(b'x' * (1 << 20)); i += 1",
  "files without content": "i = 0\nwhile True: open(str(i), 'w').close(); i += 1",
  "folder in folder": "import os\nwhile True: os.mkdir('x'); os.chdir('x')",
  "open files": "a = []\nwhile True: a.append(open('/dev/null'))",
  "pipes full of bytes":
    "import os, fcntl\na = []\nwhile True:\n  r, w = os.pipe(); fcntl.fcntl(w, 1031, 1 << 20); os.set_blocking(w, False); os.write(w, b'x' * (1 << 20)); a.append((r, w))",
  "output without end": "import os\nwhile True: os.write(1, b'x' * 65536)",
  "errors without end": "import os\nwhile True: os.write(2, b'x' * 65536)",
  "a compiled bomb": "eval('9**9**9**9')",
  "a deep recursion": "import sys\nsys.setrecursionlimit(10**9)\nf = lambda: f()\nf()",
  "an expression without end": "import re\nre.match('(a+)+$', 'a' * 60 + 'b')",
};

const loops = {
  "a loop": "while True: pass",
  "a loop deaf to errors": "while True:\n  try:\n    while True: pass\n  except BaseException: pass",
  "a sleeper deaf to signals":
    "import signal, time\nfor s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(s, signal.SIG_IGN)\nsignal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: time.sleep(99)",
  "one that stops itself": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
  "a daemon":
    "import os, time\nif os.fork(): time.sleep(99)\nos.setsid()\nif os.fork(): os._exit(0)\nwhile True: time.sleep(1)",
  "a daemon that outlives its parent":
    "import os, time\nif os.fork() == 0:\n  os.setsid()\n  if os.fork() == 0:\n    while True: time.sleep(1)\n  os._exit(0)\nos._exit(0)",
  "one that leaves before its tests": "import os\nos._exit(0)",
  "one that exits well": "import sys\nsys.exit(0)",
};

const reads = {
  "users of the machine": "open('/etc/passwd').read()",
  "a file of the parent's": "open('SECRET').read()",
  "the root user's home": "import os\nassert os.listdir('/root') or os.listdir('/home')\nopen('/root/.bashrc').read()",
  "the parent's environment": "open('/proc/PARENT/environ').read()",
  "its own view of processes": "open('/proc/self/status').read()",
  "a file of the parent's by its root": "open('/proc/1/root/etc/passwd').read()",
  "what was pivoted away": "import os\nassert os.listdir('/old') or os.listdir('/proc')",
  "a link out of its folder": "import os\nos.symlink('/etc/passwd', 'x')\nopen('x').read()",
  "the machine's disk": "open('/dev/vda', 'rb').read(1) or open('/dev/sda', 'rb').read(1)",
  "the kernel's log":
    "import ctypes\nb = ctypes.create_string_buffer(99)\nassert ctypes.CDLL(None).klogctl(3, b, 99) > 0",
  "an inherited descriptor":
    "import os\nown = 0\nfor f in range(4, 256):\n  try: os.fstat(f); own += 1\n  except OSError: pass\nassert own > 0",
  "an environment with secrets":
    "import os\nassert set(os.environ) - {'PATH','HOME','LANG','LC_CTYPE','PYTHONHASHSEED','OMP_NUM_THREADS','OPENBLAS_NUM_THREADS','MPLBACKEND','PWD','OLDPWD','SHLVL','_'}",
};

const writes = {
  "a file beside its folder": "open('/usr/lib/x', 'w')",
  "a file of the parent's, written": "open('SECRET', 'w').write('x')",
  "its own root, written": "open('/x', 'w').write('x')",
  "a signal to the parent": "import os\nos.kill(PARENT, 15)",
  "a signal to everybody":
    "import os, signal\nsignal.signal(15, signal.SIG_IGN)\nos.kill(-1, 15)\nos.kill(os.getppid(), 9)\nimport time\ntime.sleep(99)",
  "a trace of the parent": "import ctypes\nassert ctypes.CDLL(None).ptrace(16, PARENT, 0, 0) == 0",
  "the parent's descriptors": "import os\nos.write(os.open('/proc/PARENT/fd/1', 1), b'escaped')",
  "its parent's descriptors": "import os\nos.write(os.open('/proc/%d/fd/1' % os.getppid(), 1), b'escaped')",
  "another mount": "import ctypes\nassert ctypes.CDLL(None).mount(b'none', b'/work', b'tmpfs', 0, None) == 0",
  "another user": "import os\nos.setuid(12345)",
  "its own namespaces": "import ctypes\nassert ctypes.CDLL(None).unshare(0x10000000) == 0",
  "higher limits": "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (9999, 9999))",
  "keys of the session": "import ctypes\nassert ctypes.CDLL(None).syscall(250, 0, -3, 0) > 0",
  "the terminal": "import fcntl, termios\nfcntl.ioctl(open('/dev/tty'), termios.TIOCSTI, b'x')",
  "its own code, native":
    "import os\nopen('x', 'w').write('#!/bin/sh\\ntrue')\nos.chmod('x', 0o755)\nos.execv('/work/x', ['x'])",
};

const sockets = {
  "a server of the machine's": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)",
  "an address outside": "import socket\nsocket.create_connection(('1.1.1.1', 53), 1)",
  "a name outside": "import socket\nsocket.getaddrinfo('example.com', 80)",
  "a socket by its path": "import socket\nsocket.socket(socket.AF_UNIX).connect('SOCKET')",
  "a socket without a path": "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0ABSTRACT')",
  "raw packets": "import socket\nsocket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
};

const nodes = {
  "node: fork bomb": "for (;;) require('child_process').spawn(process.execPath, ['-e', 'for(;;);'])",
  "node: memory": "const a = []; for (;;) a.push(new Uint8Array(1 << 24).fill(1))",
  "node: a loop": "for (;;);",
  "node: an endless wait": "setInterval(() => {}, 1000)",
  "node: one large file":
    "const fs = require('fs'), f = fs.openSync('x', 'w'); for (;;) fs.writeSync(f, Buffer.alloc(1 << 20))",
  "node: output": "for (;;) require('fs').writeSync(1, 'x'.repeat(65536))",
  "node: a server of the machine's": "require('net').connect(PORT, '127.0.0.1').on('connect', () => process.exit(0))",
  "node: a socket without a path": "require('net').connect('\\0ABSTRACT').on('connect', () => process.exit(0))",
  "node: users of the machine": "require('fs').readFileSync('/etc/passwd')",
  "node: a signal to the parent": "process.kill(PARENT, 'SIGTERM')",
  "node: a shell": "require('child_process').execFileSync('/bin/sh', ['-c', 'true'])",
  "node: a daemon":
    "require('child_process').spawn(process.execPath, ['-e', 'setInterval(()=>{},9)'], { detached: true, stdio: 'ignore' }).unref(); throw 1",
};

/** C++ that prints "out" where it gets what it wants. */
const native = (body: string): string =>
  JSON.stringify({
    source: `#include <sys/mman.h>\n#include <sys/socket.h>\n#include <signal.h>\n#include <unistd.h>\n#include <cstring>\n#include <fstream>\n#include <iostream>\nint main() { ${body} }`,
    ...{ tests: [{ input: "", output: "out" }], seconds: 1 },
  });
const compiled = {
  "C++: fork bomb": native("for (;;) fork();"),
  "C++: memory": native("for (;;) memset(new char[1 << 24], 1, 1 << 24);"),
  "C++: files in memory": native('if (memfd_create("x", 0) >= 0) std::cout << "out";'),
  "C++: users of the machine": native('if (std::ifstream("/etc/passwd").good()) std::cout << "out";'),
  "C++: a socket": native('if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0) std::cout << "out";'),
  "C++: a signal to the parent": native('if (kill(PARENT, 15) == 0) std::cout << "out";'),
  "C++: a loop that compiles": native(
    "constexpr auto f = [](auto g, auto x) -> auto { return g(g, x + 1); }; f(f, 0);",
  ),
};

const all = (language: LanguageName, programs: Readonly<Record<string, string>>): HostileProgram[] =>
  Object.entries(programs).map(([name, program]) => ({ name, language, program }));

/** All of them. */
export const hostilePrograms: readonly HostileProgram[] = [
  ...all("python", { ...bombs, ...loops, ...reads, ...writes, ...sockets }),
  ...all("node", nodes),
  ...all("cpp", compiled),
];
