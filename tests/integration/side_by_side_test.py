"""Environments may begin while others run."""

import os
import tempfile
import unittest
from pathlib import Path

from lib.run_directory import account
from lib.servers import Servers


class SideBySideTest(unittest.TestCase):
    def test_a_new_mariadb_leaves_temporary_tables_of_others_alone(self):
        """A server that begins removes what it finds in its folder for them, which is /tmp unless it is told."""
        table = Path("/tmp") / f"#sql-temptable-cartwright-{os.getpid()}.MAI"
        self.addCleanup(table.unlink, missing_ok=True)
        table.touch()
        account("mysql").give(table)
        with tempfile.TemporaryDirectory(prefix="cartwright-side-", dir="/var/tmp") as name:
            Path(name).chmod(0o755)
            servers = Servers(Path(name) / "run")
            try:
                servers.start()
            finally:
                servers.destroy()
        self.assertTrue(table.exists())

if __name__ == "__main__":
    unittest.main()
