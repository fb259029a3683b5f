"""The other programs that the benchmarks of whole processes compare: restic and kopia, built from their Go modules where Go is, Debian's borg, and libfuse's passthrough."""
import contextlib, json, os, pathlib, resource, shutil, subprocess, sys

from measure import Served, drop_caches, measured, tree_size, wait_mounted

BUILT = pathlib.Path(os.environ.get("XDG_CACHE_HOME", str(pathlib.Path.home() / ".cache"))) / "holdfast-bench"


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


class Peer:
    """A program whose backup ends when all is in its repository, a folder. Each takes folders, since not every mount shows a single file."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.repo = folder / "repo"
        self.cache = folder / "cache"

    @classmethod
    def is_there(cls):
        return True

    def settle(self):
        return None

    def stored(self):
        return tree_size(self.repo)

    def restored_root(self, target, source):
        return target / source.relative_to("/")

    def cold_mount(self, command, path, unmount=("fusermount3", "-u")):
        shutil.rmtree(self.cache, ignore_errors=True)
        return Served(command, self.folder / "mnt", path, self.env, list(unmount))

    def close(self):
        pass


class Restic(Peer):
    name = "restic"

    def __init__(self, folder):
        super().__init__(folder)
        self.program = built_by_go("restic", "github.com/restic/restic", "v0.18.0", "./cmd/restic") or "restic"
        self.env = dict(os.environ, RESTIC_REPOSITORY=str(self.repo), RESTIC_PASSWORD="benchmark", RESTIC_CACHE_DIR=str(self.cache))
        subprocess.run([self.program, "init"], env=self.env, check=True, stdout=subprocess.DEVNULL)

    def backup(self, source):
        return measured([self.program, "backup", "-q", str(source)], self.env)

    def restore(self, target):
        return measured([self.program, "restore", "-q", "latest", "--target", str(target)], self.env)

    def served(self, source):
        return self.cold_mount([self.program, "mount", str(self.folder / "mnt")], lambda mount: mount / "snapshots/latest" / source.relative_to("/"))


class Kopia(Peer):
    name = "kopia"

    def __init__(self, folder):
        super().__init__(folder)
        self.repo.mkdir()
        self.program = built_by_go("kopia", "github.com/kopia/kopia", "v0.15.0", ".") or "kopia"
        self.env = dict(os.environ, KOPIA_PASSWORD="benchmark", KOPIA_CONFIG_PATH=str(folder / "config"), KOPIA_CACHE_DIRECTORY=str(self.cache), KOPIA_LOG_DIR=str(folder / "log"),
                        KOPIA_CHECK_FOR_UPDATES="false")
        self.run("repository", "create", "filesystem", "--path", str(self.repo))
        self.run("policy", "set", "--global", "--compression", "zstd-fastest")

    @classmethod
    def is_there(cls):
        return (BUILT / "kopia-v0.15.0").exists() or shutil.which("go") is not None or shutil.which("kopia") is not None

    def run(self, *arguments):
        return subprocess.run([self.program, *arguments], env=self.env, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout

    def backup(self, source):
        return measured([self.program, "snapshot", "create", "--no-progress", str(source)], self.env)

    def newest(self):
        return json.loads(self.run("snapshot", "list", "--all", "--json"))[-1]

    def restore(self, target):
        return measured([self.program, "snapshot", "restore", self.newest()["id"], str(target)], self.env)

    def restored_root(self, target, source):
        return target

    def served(self, source):
        return self.cold_mount([self.program, "mount", self.newest()["rootEntry"]["obj"], str(self.folder / "mnt")], lambda mount: mount)


class Borg(Peer):
    name = "borg"

    def __init__(self, folder):
        super().__init__(folder)
        self.count = 0
        self.env = dict(os.environ, BORG_REPO=str(self.repo), BORG_PASSPHRASE="benchmark", BORG_BASE_DIR=str(folder / "base"), BORG_CACHE_DIR=str(self.cache))
        subprocess.run(["borg", "init", "-e", "repokey"], env=self.env, check=True, stderr=subprocess.DEVNULL)

    def backup(self, source):
        self.count += 1
        return measured(["borg", "create", "-C", "zstd,1", f"::a{self.count}", str(source)], self.env)

    def restore(self, target):
        target.mkdir()
        return measured(["borg", "extract", f"::a{self.count}"], self.env, cwd=target)

    def served(self, source):
        return self.cold_mount(["borg", "mount", "-f", f"::a{self.count}", str(self.folder / "mnt")], lambda mount: mount / source.relative_to("/"), ["borg", "umount"])


def many_files():
    """passthrough_ll keeps a descriptor for each file that the kernel knows. Only root may raise the limit; with the usual one it fails on some thousands of files."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 20, 1 << 20))
    except (ValueError, OSError):
        pass


class Passthrough:
    """libfuse's example that hands everything through to a folder, from Debian's libfuse3-dev: what FUSE itself costs. It keeps one copy and is no backup."""
    name = "passthrough"
    SOURCE = pathlib.Path("/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c")

    def __init__(self, folder):
        program = BUILT / "passthrough_ll"
        if not program.exists():
            BUILT.mkdir(parents=True, exist_ok=True)
            flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], capture_output=True, text=True, check=True).stdout.split()
            subprocess.run(["gcc", "-O2", "-o", str(program), str(self.SOURCE), *flags], check=True)
        self.folder = folder
        for name in ("source", "mnt"):
            (folder / name).mkdir(parents=True)
        self.path = self.live = self.mount = folder / "mnt"
        self.env = None
        self.server = subprocess.Popen([str(program), "-f", "-o", f"source={folder / 'source'}", str(self.mount)], stderr=subprocess.DEVNULL, preexec_fn=many_files)
        self.pid = self.server.pid
        wait_mounted(self.server, self.mount)

    @classmethod
    def is_there(cls):
        return cls.SOURCE.exists() and shutil.which("gcc") is not None

    def backup(self, source):
        step = measured(["cp", "-r", f"{source}/.", str(self.mount)], None, self.pid)
        return dict(step, copy_wall=step["wall"])

    def settle(self):
        return None

    @contextlib.contextmanager
    def served(self, source):
        drop_caches()
        yield self

    def close(self):
        subprocess.run(["fusermount3", "-u", str(self.mount)], check=True)
        self.server.wait(30)
