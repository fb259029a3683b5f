"""What the benchmarks of whole processes share: the tools that are compared, and how a step is measured."""
import json, os, pathlib, shutil, subprocess, sys, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOLDFAST = os.environ.get("HOLDFAST", str(ROOT / "build/release/holdfast"))
TICKS = os.sysconf("SC_CLK_TCK")
BUILT = pathlib.Path(os.environ.get("XDG_CACHE_HOME", str(pathlib.Path.home() / ".cache"))) / "holdfast-bench"


def drop_caches():
    os.sync()
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        pass


def tree_size(*paths):
    total = 0
    for path in paths:
        for folder, _, names in os.walk(path):
            for name in names:
                info = os.lstat(os.path.join(folder, name))
                if info.st_nlink == 1 or folder.startswith(str(paths[0])):
                    total += info.st_size
    return total


def measured(command, env=None, extra_pid=None, cwd=None):
    """Runs a command: wall, CPU (children and, of extra_pid, what it used meanwhile), peak resident kilobytes of the command."""
    before = process_cpu(extra_pid)
    start = time.monotonic()
    child = subprocess.Popen(command, env=env, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    error = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{command} failed: {error.decode(errors='replace')}")
    cpu = usage.ru_utime + usage.ru_stime + process_cpu(extra_pid) - before
    return {"wall": wall, "cpu": cpu, "peak_mb": usage.ru_maxrss / 1024}


def process_cpu(pid):
    if pid is None:
        return 0.0
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def mounted_read(mount_command, mount, path, env, unmount):
    """Cold, sequential, through a mount in the foreground: wall of reading, CPU of reader and mount together. `path(mount)` says where the file is, once it is there. None when the
    mount does not show it in ten seconds."""
    mount.mkdir()
    server = subprocess.Popen(mount_command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                source = path(mount) if os.path.ismount(mount) else None
                if source is not None:
                    break
            except OSError:
                pass
            if server.poll() is not None:
                sys.exit(f"{mount_command} ended: {server.returncode}")
            time.sleep(0.1)
        else:
            return None
        drop_caches()
        return measured(["cat", str(source)], env, server.pid)
    finally:
        subprocess.run(unmount + [str(mount)], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        server.wait(30)
        mount.rmdir()


def add(*steps):
    return {"wall": sum(s["wall"] for s in steps), "cpu": sum(s["cpu"] for s in steps), "peak_mb": max(s["peak_mb"] for s in steps)}


def built_by_go(name, module, version, package):
    """The path of a program built from its Go module, once; None where Go or the module can't be had."""
    program = BUILT / f"{name}-{version}"
    if program.exists():
        return str(program)
    if shutil.which("go") is None:
        return None
    got = subprocess.run(["go", "mod", "download", "-json", f"{module}@{version}"], capture_output=True, text=True)
    if got.returncode != 0:
        print(f"{name} {version} can't be had: {got.stderr.strip()[:200]}", file=sys.stderr)
        return None
    BUILT.mkdir(parents=True, exist_ok=True)
    source = json.loads(got.stdout)["Dir"]
    made = subprocess.run(["go", "build", "-o", str(program), package], cwd=source, env=dict(os.environ, CGO_ENABLED="0", GOFLAGS="-mod=mod"), capture_output=True, text=True)
    if made.returncode != 0:
        print(f"{name} {version} doesn't build: {made.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    return str(program)


class Holdfast:
    name = "holdfast"

    def __init__(self, folder):
        self.net = folder / "net"
        self.mount = folder / "mnt"
        self.mount.mkdir(parents=True)
        (folder / "pass").write_text("benchmark\n")
        (folder / "holdfast.toml").write_text(f'[network.local]\npath = "{self.net}"\n')
        self.env = dict(os.environ, HOLDFAST_STATE=str(folder / "state"), HOLDFAST_CACHE=str(folder / "cache"),
                        HOLDFAST_CONFIG=str(folder / "holdfast.toml"), HOLDFAST_PASSPHRASE_FILE=str(folder / "pass"))
        self.run("init", "--iterations", "100000")
        self.run("mount", str(self.mount))
        (self.mount / "live/db").mkdir()
        out = subprocess.run(["pgrep", "-f", f"{HOLDFAST} mount {self.mount}"], capture_output=True, text=True).stdout.split()
        self.pid = int(out[0])

    def run(self, *arguments):
        subprocess.run([HOLDFAST, *arguments], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def backup(self, source):
        copy = measured(["cp", str(source), str(self.mount / "live/db/dump.sql")], self.env, self.pid)
        seal = measured([HOLDFAST, "snapshot", "db"], self.env, self.pid)
        result = add(copy, seal)
        result["peak_mb"] = self.peak()
        result["copy_wall"] = copy["wall"]
        return result

    def peak(self):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        return 0.0

    def settle(self):
        """Waits until all is on the network."""
        for _ in range(600):
            out = subprocess.run([HOLDFAST, "status", "--json"], env=self.env, check=True, capture_output=True, text=True).stdout
            if not json.loads(out)["pending"]:
                return
            time.sleep(0.5)

    def stored(self):
        self.run("umount", str(self.mount))
        size = tree_size(self.net)
        self.run("mount", str(self.mount))
        self.pid = int(subprocess.run(["pgrep", "-f", f"{HOLDFAST} mount {self.mount}"], capture_output=True, text=True).stdout.split()[0])
        return size

    def restore(self, target):
        return measured([HOLDFAST, "restore", "db@latest", "--target", str(target)], self.env, self.pid)

    def read_mount(self):
        """Cold: after a remount, with an empty cache of its own."""
        self.run("umount", str(self.mount))
        shutil.rmtree(self.env["HOLDFAST_CACHE"], ignore_errors=True)
        drop_caches()
        self.run("mount", str(self.mount))
        self.pid = int(subprocess.run(["pgrep", "-f", f"{HOLDFAST} mount {self.mount}"], capture_output=True, text=True).stdout.split()[0])
        return measured(["cat", str(self.mount / "snapshots/db/latest/dump.sql")], self.env, self.pid)

    def close(self):
        self.run("umount", str(self.mount))


class Passthrough:
    """libfuse's example that hands everything through to a folder, from Debian's libfuse3-dev: what FUSE itself costs. A context that gives the mounted folder."""
    SOURCE = pathlib.Path("/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c")

    def __init__(self, folder):
        self.folder = folder / "passthrough"

    @classmethod
    def is_there(cls):
        return cls.SOURCE.exists() and shutil.which("gcc") is not None

    def __enter__(self):
        program = BUILT / "passthrough_ll"
        if not program.exists():
            BUILT.mkdir(parents=True, exist_ok=True)
            flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], capture_output=True, text=True, check=True).stdout.split()
            subprocess.run(["gcc", "-O2", "-o", str(program), str(self.SOURCE), *flags], check=True)
        for name in ("source", "mnt"):
            (self.folder / name).mkdir(parents=True)
        self.mount = self.folder / "mnt"
        self.server = subprocess.Popen([str(program), "-f", "-o", f"source={self.folder / 'source'}", str(self.mount)], stderr=subprocess.DEVNULL)
        self.pid = self.server.pid
        while not os.path.ismount(self.mount):
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        subprocess.run(["fusermount3", "-u", str(self.mount)], check=True)
        self.server.wait(30)
        shutil.rmtree(self.folder)


class Restic:
    name = "restic"

    def __init__(self, folder):
        self.repo = folder / "repo"
        self.program = built_by_go("restic", "github.com/restic/restic", "v0.18.0", "./cmd/restic") or "restic"
        self.env = dict(os.environ, RESTIC_REPOSITORY=str(self.repo), RESTIC_PASSWORD="benchmark", RESTIC_CACHE_DIR=str(folder / "cache"))
        subprocess.run([self.program, "init"], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def backup(self, source):
        return measured([self.program, "backup", "-q", str(source)], self.env)

    def settle(self):
        pass

    def stored(self):
        return tree_size(self.repo)

    def restore(self, target):
        return measured([self.program, "restore", "-q", "latest", "--target", str(target)], self.env)

    def read_mount(self):
        def path(mount):
            return next((mount / "snapshots/latest").rglob("dump.sql"), None)
        return mounted_read([self.program, "mount", str(self.repo.parent / "mnt")], self.repo.parent / "mnt", path, self.env, ["fusermount3", "-u"])

    def close(self):
        pass


class Kopia:
    name = "kopia"

    def __init__(self, folder):
        self.repo = folder / "repo"
        self.repo.mkdir()
        self.source = None
        self.program = built_by_go("kopia", "github.com/kopia/kopia", "v0.15.0", ".") or "kopia"
        self.env = dict(os.environ, KOPIA_PASSWORD="benchmark", KOPIA_CONFIG_PATH=str(folder / "config"), KOPIA_CACHE_DIRECTORY=str(folder / "cache"), KOPIA_LOG_DIR=str(folder / "log"),
                        KOPIA_CHECK_FOR_UPDATES="false")
        self.run("repository", "create", "filesystem", "--path", str(self.repo))
        self.run("policy", "set", "--global", "--compression", "zstd-fastest")

    def run(self, *arguments):
        subprocess.run([self.program, *arguments], env=self.env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def backup(self, source):
        self.source = source
        return measured([self.program, "snapshot", "create", "--no-progress", str(source)], self.env)

    def settle(self):
        pass

    def stored(self):
        return tree_size(self.repo)

    def restore(self, target):
        listed = subprocess.run([self.program, "snapshot", "list", "--json", str(self.source)], env=self.env, check=True, capture_output=True, text=True).stdout
        target.mkdir()
        return measured([self.program, "snapshot", "restore", json.loads(listed)[-1]["id"], str(target / self.source.name)], self.env)

    def read_mount(self):
        folder = self.repo.parent / "mnt"
        return mounted_read([self.program, "mount", "all", str(folder)], folder, lambda mount: max(mount.rglob("dump.sql*"), default=None), self.env, ["fusermount3", "-u"])

    def close(self):
        pass


class Borg:
    name = "borg"

    def __init__(self, folder):
        self.repo = folder / "repo"
        self.count = 0
        self.env = dict(os.environ, BORG_REPO=str(self.repo), BORG_PASSPHRASE="benchmark", BORG_BASE_DIR=str(folder / "base"))
        subprocess.run(["borg", "init", "-e", "repokey"], env=self.env, check=True, stderr=subprocess.DEVNULL)

    def backup(self, source):
        self.count += 1
        return measured(["borg", "create", "-C", "zstd,1", f"::a{self.count}", str(source)], self.env)

    def settle(self):
        pass

    def stored(self):
        return tree_size(self.repo)

    def restore(self, target):
        target.mkdir()
        return measured(["borg", "extract", f"::a{self.count}"], self.env, cwd=target)

    def read_mount(self):
        folder = self.repo.parent / "mnt"
        return mounted_read(["borg", "mount", "-f", f"::a{self.count}", str(folder)], folder, lambda mount: next(mount.rglob("dump.sql"), None), self.env, ["borg", "umount"])

    def close(self):
        pass


class Database:
    """A PostgreSQL server with the shop of rich_database (four fifths) and pgbench's tables (a fifth)."""

    def __init__(self, folder, megabytes):
        self.folder = folder
        self.shell(f'''chmod 755 {folder}; pg_new {folder}/pg; pg_start {folder}/pg; createdb -h {folder}/pg -U postgres shop
"$PGBIN/pgbench" -h {folder}/pg -U postgres -i -q -s {max(1, megabytes // 50)} shop
"{ROOT}/tests/bench/rich_database" {megabytes * 0.8} | pg_sql {folder}/pg shop''')

    def shell(self, script):
        before = f'set -e\n. "{ROOT}/tests/e2e/lib.sh" > /dev/null\ntrap - EXIT\nT={self.folder}; . "{ROOT}/tests/e2e/postgres.sh"\n'
        subprocess.run(["bash", "-c", before + script], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def dump(self, path):
        self.shell(f"pg_dump -h {self.folder}/pg -U postgres shop > {path}")

    def next_day(self):
        self.shell(f'pg_sql {self.folder}/pg shop -f "{ROOT}/tests/bench/next_day.sql"')

    def close(self):
        self.shell(f"pg_stop {self.folder}/pg immediate")
        shutil.rmtree(self.folder / "pg")
