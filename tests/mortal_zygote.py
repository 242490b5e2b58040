"""Starts the servers of a fault campaign by fork, with everything imported once: a kill costs no new start.

Each line on standard input is a workspace, a port, a shift and a variant; the answer is a process id. The
servers are processes like any other; only how they begin differs from ``python -m toolkit.mortal_server``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from exchange_world import PASSWORD, without_recovery

from toolkit import mortal_server
from toolkit.workspace import Workspace


def become(folder: str, port: int, shift: float, variant: str) -> None:
    """Be a server until the end."""
    # The workspace's own tests check passwords; a real hash takes longer than a whole session here.
    setattr(  # noqa: B010
        Workspace,
        "verify_password",
        lambda self, user, password: (user, password) == (self.user, PASSWORD),
    )
    if variant == "careless":
        without_recovery(setattr)
    try:
        mortal_server.serve(Path(folder), port, shift)
    finally:
        sys.stdout.flush()
        os._exit(0)


if __name__ == "__main__":
    if len(sys.argv) > 1:  # one server, no fork: for systems that have none
        become(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries the dead
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            sys.stdin.close()
            become(order["folder"], order["port"], order["shift"], order["variant"])
        print(child, flush=True)
