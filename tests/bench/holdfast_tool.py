"""Holdfast as the benchmarks of whole processes use it: a repository of its own on the network `local`, mounted."""
import contextlib, json, os, pathlib, shutil, subprocess, time

from measure import add, drop_caches, measured, tree_size, wait_mounted

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOLDFAST = os.environ.get("HOLDFAST", str(ROOT / "build/release/holdfast"))
DATABASE = "db"


class Holdfast:
    """`compression` is the database's policy; without `differences` every chunk is stored whole, which no setting does: a file stands where the table of features would be."""
    name = "holdfast"

    @classmethod
    def is_there(cls):
        return True

    def __init__(self, folder, compression=None, differences=True):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.net = folder / "net"
        self.mount = folder / "mnt"
        self.mount.mkdir()
        (folder / "pass").write_text("benchmark\n")
        # A site of its own, so that snapshots can be safe, and waiting for that closes the packs at once.
        (folder / "holdfast.toml").write_text(f'[network.local]\npath = "{self.net}"\nsite = "elsewhere"\n')
        self.env = self.environment("state", "cache")
        self.sheet = json.loads(self.run("init", "--json", "--iterations", "100000"))
        if not differences:
            shutil.rmtree(folder / "state/features")
            (folder / "state/features").touch()
        self.serve()
        self.live = self.mount / "live" / DATABASE
        self.live.mkdir()
        if compression:
            self.run("db", "set", DATABASE, f"compression={compression}")

    def environment(self, state, cache):
        return dict(os.environ, HOLDFAST_STATE=str(self.folder / state), HOLDFAST_CACHE=str(self.folder / cache),
                    HOLDFAST_CONFIG=str(self.folder / "holdfast.toml"), HOLDFAST_PASSPHRASE_FILE=str(self.folder / "pass"))

    def run(self, *arguments):
        return subprocess.run([HOLDFAST, *arguments], env=self.env, check=True, stdout=subprocess.PIPE, text=True).stdout

    def serve(self):
        with open(self.folder / "log", "ab") as log:
            self.server = subprocess.Popen([HOLDFAST, "mount", "-f", str(self.mount)], env=self.env, stdout=log, stderr=log)
        self.pid = self.server.pid
        wait_mounted(self.server, self.mount)

    def end_serving(self, wait="staged"):
        self.run("umount", "-q", "--wait", wait, str(self.mount))
        self.server.wait(60)

    def backup(self, source):
        """Copies the folder's files into the mount and seals."""
        copy = measured(["cp", "-r", f"{source}/.", str(self.live)], self.env, self.pid)
        result = add(copy, measured([HOLDFAST, "snapshot", DATABASE], self.env, self.pid))
        result["copy_wall"] = copy["wall"]
        return result

    def backup_by_command(self, source):
        """The same without the mount's way: `holdfast backup`, which passes over files that look unchanged."""
        return measured([HOLDFAST, "backup", DATABASE, str(source)], self.env, self.pid)

    def settle(self):
        """Until all is on the network: what was left to do after sealing."""
        rest = measured([HOLDFAST, "wait", "--for", "safe"], self.env, self.pid)
        while json.loads(self.run("status", "--json"))["pending"]:
            time.sleep(0.1)
        return rest

    def stored(self):
        return tree_size(self.net)

    def restore(self, target):
        return measured([HOLDFAST, "restore", f"{DATABASE}@latest", "--target", str(target)], self.env, self.pid)

    def restored_root(self, target, source):
        return target

    @contextlib.contextmanager
    def served(self, source):
        """Cold: after a remount, without the cache."""
        self.start_cold()
        self.path = self.mount / "snapshots" / DATABASE / "latest"
        yield self

    def start_cold(self):
        self.end_serving()
        shutil.rmtree(self.env["HOLDFAST_CACHE"])
        self.serve()
        drop_caches()

    def bytes_read(self):
        """From networks, since it serves."""
        for line in (self.mount / ".holdfast/metrics").read_text().splitlines():
            if line.startswith("holdfast_network_read_bytes_total"):
                return int(line.split()[-1])

    def read_cold(self, snapshot, name):
        """A file of a snapshot through the mount: what it took, and what was fetched for it."""
        self.start_cold()
        before = self.bytes_read()
        step = measured(["cat", str(self.mount / "snapshots" / DATABASE / snapshot / name)], self.env, self.pid)
        return step | {"fetched": self.bytes_read() - before}

    def snapshots(self):
        """Their names, oldest first. As text they would not be in order: a second's first snapshot has no fraction in its name."""
        return [row["name"] for row in sorted(json.loads(self.run("list", DATABASE, "--json")), key=lambda row: row["time"])]

    def recover(self):
        """Goes on with a new state folder, made from the network, the sheet and the passphrase alone."""
        self.end_serving("safe")
        (self.folder / "code").write_text(self.sheet["recovery_code"])
        self.env = self.environment("state2", "cache2")
        step = measured([HOLDFAST, "recover", "--network", "local", "--repository", self.sheet["repository"], "--root", self.sheet["root_fingerprint"], "--code-file", str(self.folder / "code")], self.env)
        self.serve()
        return step

    def close(self):
        if self.server.poll() is None:
            self.end_serving()
