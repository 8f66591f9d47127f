"""Environments of tests that run at the same time leave each other alone."""

import contextlib
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from lib.testing import environments


class Owners(unittest.TestCase):
    def test_an_environment_is_never_seen_without_a_living_owner(self):
        """Whoever sweeps just then would destroy it."""
        dead, ended = [], threading.Event()
        with tempfile.TemporaryDirectory() as name:
            folders = [Path(name) / f"test-{number}" for number in range(300)]

            def look() -> None:
                while not ended.is_set():
                    dead.extend(path for path in folders
                                if (path / "owner").exists() and not environments._owner_lives(path))
            watcher = threading.Thread(target=look)
            watcher.start()
            with contextlib.ExitStack() as stack:
                try:
                    for folder in folders:
                        stack.enter_context(environments._owned(folder))
                finally:
                    ended.set()
                    watcher.join()
            self.assertEqual([], dead)
            self.assertFalse(environments._owner_lives(folders[0]))

    def test_only_what_is_dead_is_swept(self):
        with tempfile.TemporaryDirectory() as name:
            run = Path(name) / ".run"
            for folder in ("test-1", "test-2"):
                (run / folder).mkdir(parents=True)
            (run / "test-1/owner").touch()
            swept = []
            with environments._owned(run / "test-2"), mock.patch.object(environments, "REPOSITORY", Path(name)), \
                    mock.patch.object(environments, "Servers") as servers:
                servers.side_effect = lambda path: mock.Mock(destroy=lambda: swept.append(path.name))
                environments.sweep()
            self.assertEqual(["test-1"], swept)


if __name__ == "__main__":
    unittest.main()
