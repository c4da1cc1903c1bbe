"""Use a database, fork, and use it in all three processes: what a preloading server does.

A program (``python -m tests.support.forking URL exit|kill``; the last says how the children
end), because a test runner has threads and open files of its own that must not be forked along.
Prints how many of the acknowledged writes are there at the end, and what the engine finds wrong.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from utils.db import Database, open_database

CHILDREN = 2
WRITES = 20  # per process and phase

_STRANGER = """
import sys
from utils.db import open_database
database = open_database(sys.argv[1], 10, 1)
with database.read() as tx:
    tx.all("SELECT number FROM marks")
database.close()
"""


def main() -> None:
    """The parent."""
    url, ending = sys.argv[1:]
    database = open_database(url, 10, 4)
    with database.write() as tx:
        tx.run("CREATE TABLE marks (who TEXT NOT NULL, number BIGINT NOT NULL)")
    with database.read() as one, database.read() as other:  # two connections in the pool
        one.all("SELECT number FROM marks")
        other.all("SELECT number FROM marks")
    halfway_read, halfway_write = os.pipe()
    go_read, go_write = os.pipe()
    children = []
    for number in range(CHILDREN):
        pid = os.fork()
        if pid == 0:
            os.close(go_write)
            _child(database, f"child{number}", halfway_write, go_read, ending)
        children.append(pid)
    _write(database, "parent")
    for _ in children:
        os.read(halfway_read, 1)
    # The parent leaves, and then a third process comes and goes, as a nightly job does. Whoever
    # closes a SQLite database last tidies up: it must not mistake itself for that.
    database.close()
    subprocess.run([sys.executable, "-c", _STRANGER, url], check=True)
    os.close(go_write)
    exits = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
    with database.read() as tx:
        counted: dict[str, int] = dict(tx.all("SELECT who, count(*) FROM marks GROUP BY who"))
    faults = [str(fault) for fault in database.check()]
    print(json.dumps({"counted": counted, "exits": exits, "faults": faults}))


def _child(database: Database, who: str, halfway: int, go: int, ending: str) -> None:
    """Write, wait until the others have come and gone, and write again. Ends the process."""
    _write(database, who)
    os.write(halfway, b".")
    os.read(go, 1)
    _write(database, who)
    if ending == "kill":
        os.kill(os.getpid(), signal.SIGKILL)  # what was acknowledged needs no tidy end
    sys.exit(0)  # with all the clean-up that the interpreter does, of inherited objects too


def _write(database: Database, who: str) -> None:
    for number in range(WRITES):
        with database.write() as tx:
            tx.run("INSERT INTO marks (who, number) VALUES (?, ?)", who, number)
        with database.read() as tx:
            assert tx.one("SELECT count(*) FROM marks WHERE who = ?", who) is not None


if __name__ == "__main__":
    main()
