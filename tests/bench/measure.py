"""How the benchmarks of whole processes measure a step: wall and CPU seconds and peak memory, of a command and of the mount that serves it."""
import os, pathlib, subprocess, sys, time

TICKS = os.sysconf("SC_CLK_TCK")
TELL_EVERY = 0.05  # seconds between looks at what is waited for


def drop_caches():
    os.sync()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        pass


def tree_size(*paths):
    """Bytes of the files below; those with several names count where they are first met."""
    total = 0
    seen = set()
    for path in paths:
        for folder, _, names in os.walk(path):
            for name in names:
                info = os.lstat(os.path.join(folder, name))
                if info.st_nlink == 1 or (info.st_dev, info.st_ino) not in seen:
                    total += info.st_size
                seen.add((info.st_dev, info.st_ino))
    return total


def measured(command, env=None, extra_pid=None, cwd=None, out=None):
    """Runs a command: wall, CPU (children and, of extra_pid, what it used meanwhile), peak resident megabytes of the larger of both. Its output goes to the file `out`."""
    before = process_cpu(extra_pid)
    forget_peak(extra_pid)
    start = time.monotonic()
    with open(out or os.devnull, "wb") as stdout:
        child = subprocess.Popen(command, env=env, cwd=cwd, stdout=stdout, stderr=subprocess.PIPE)
    try:
        error = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
    except BaseException:  # the benchmark is ended: nothing may keep a mount busy
        child.kill()
        child.wait()
        raise
    wall = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{command} failed: {error.decode(errors='replace')}")
    cpu = usage.ru_utime + usage.ru_stime + process_cpu(extra_pid) - before
    return {"wall": wall, "cpu": cpu, "peak_mb": max(usage.ru_maxrss / 1024, process_peak(extra_pid))}


def process_cpu(pid):
    if pid is None:
        return 0.0
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def forget_peak(pid):
    if pid is not None:
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def process_peak(pid):
    """Resident megabytes since forget_peak()."""
    if pid is None:
        return 0.0
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def add(*steps):
    return {"wall": sum(s["wall"] for s in steps), "cpu": sum(s["cpu"] for s in steps), "peak_mb": max(s["peak_mb"] for s in steps)}


def wait_mounted(server, mount, seconds=30):
    """Until something is mounted there; ends the benchmark where the mount's process ends or hangs."""
    for _ in range(int(seconds / TELL_EVERY)):
        if os.path.ismount(mount):
            return
        if server.poll() is not None:
            sys.exit(f"{server.args} ended: {server.returncode}")
        time.sleep(TELL_EVERY)
    sys.exit(f"{server.args}: nothing is mounted")


class Served:
    """A mount in the foreground, with cold caches: a context that gives the path of what is read there, or None where the mount does not show it in ten seconds. `path(mount)` says where it is."""

    def __init__(self, command, mount, path, env, unmount):
        self.command, self.mount, self.path, self.env, self.unmount = command, mount, path, env, unmount

    def __enter__(self):
        self.mount.mkdir()
        self.server = subprocess.Popen(self.command, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.pid = self.server.pid
        wait_mounted(self.server, self.mount)
        self.path = self.shown(self.path)
        if self.path is None:
            print(f"{self.command} does not show what was stored", file=sys.stderr)
        drop_caches()
        return self

    def shown(self, path):
        for _ in range(int(10 / TELL_EVERY)):
            try:
                source = path(self.mount)
                if source is not None and source.exists():
                    return source
            except OSError:
                pass
            time.sleep(TELL_EVERY)
        return None

    def __exit__(self, *_):
        subprocess.run(self.unmount + [str(self.mount)], env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.server.wait(30)
        self.mount.rmdir()
