"""A disk that can be filled: a folder of a stack on a small file system of its own."""

import contextlib
import os
import shutil
import subprocess

import pytest

from .postgres import FAST

MEBIBYTE = 1 << 20


def _run(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False)


class Disk(contextlib.AbstractContextManager):
    """Moves the folder to a file system of so many mebibytes until the block ends. No process may
    use the folder at the begin and at the end. Skips the test where mounting is not permitted."""

    def __init__(self, folder, mebibytes):
        self.folder = folder
        self.aside = folder.with_name(folder.name + ".aside")
        self.ballast = folder / "ballast"
        owner = folder.stat()
        self.options = f"size={mebibytes}m,mode={owner.st_mode & 0o7777:o}," \
                       f"uid={owner.st_uid},gid={owner.st_gid}"

    def __enter__(self):
        self.folder.rename(self.aside)
        self.folder.mkdir()
        done = _run("mount", "-t", "tmpfs", "-o", self.options, "tmpfs", str(self.folder))
        if done.returncode != 0:
            self.folder.rmdir()
            self.aside.rename(self.folder)
            pytest.skip(f"not here: no file system can be mounted here: {done.stderr.strip()}")
        self._copy(self.aside, self.folder)
        return self

    def __exit__(self, *_):
        self.free()
        shutil.rmtree(self.aside)
        self.aside.mkdir()
        self._copy(self.folder, self.aside)
        done = _run("umount", str(self.folder))
        assert done.returncode == 0, done.stderr
        self.folder.rmdir()
        self.aside.rename(self.folder)

    @staticmethod
    def _copy(source, target):
        done = _run("cp", "-a", "--", f"{source}/.", str(target))
        assert done.returncode == 0, done.stderr

    def fill(self, but=0):
        """Fills the disk up to so many bytes."""
        with open(self.ballast, "ab", buffering=0) as file:
            with contextlib.suppress(OSError):
                while file.write(bytes(MEBIBYTE)) == MEBIBYTE:
                    pass
            size = os.fstat(file.fileno()).st_size
            file.truncate(max(0, size - but))

    def free(self):
        """Makes room again."""
        self.ballast.unlink(missing_ok=True)


class PostgresDisk(Disk):
    """A folder of PostgreSQL, which is stopped while the folder moves and runs after the block."""

    def __init__(self, postgres, folder, mebibytes):
        super().__init__(postgres.data / folder, mebibytes)
        self.postgres = postgres

    def __enter__(self):
        self.postgres.end(FAST)
        try:
            super().__enter__()
        finally:
            self.postgres.start()
        return self

    def __exit__(self, *more):
        self.free()
        if self.postgres.is_running():
            self.postgres.end(FAST)
        super().__exit__(*more)
        self.postgres.start()
