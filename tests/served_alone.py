"""The application of ``toolkit serve`` in a process of its own, without a socket, for who asks what it loads.

Started with a workspace, it takes a call as a line of JSON, and answers with its result and the names of what
is loaded by then of the modules that were given.
"""

from __future__ import annotations

import json
import sys

from web_connector_calls import ask, document

import toolkit.cli.serve  # noqa: F401 - what a start loads besides
from toolkit.exchange import Exchange
from toolkit.wc_http import Front
from toolkit.wc_server import make_app
from toolkit.wc_support import health_of
from toolkit.workspace import Workspace


def main(folder: str, *watched: str) -> None:
    with Workspace(folder) as ws, ws.reserve(timeout=10):
        app = Front(make_app(Exchange(ws)), health_of(ws))
        for line in sys.stdin:
            call = json.loads(line)
            if call["operation"] == "GET":
                results = [ask(app, "GET", call["inner"]).body.decode()]
            else:
                results = ask(app, body=document(call["operation"], call["inner"])).results
            loaded = [name for name in watched if name in sys.modules]
            print(json.dumps({"results": results, "loaded": loaded}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
