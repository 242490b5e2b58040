"""``toolkit serve`` on a workspace, from its start until the Web Connector's first call is answered.

It is the real command in this process; a thread calls as soon as it listens, and then ends it. Printed are
the answer and what was loaded, as JSON. As little as can be is imported here: what is measured is the start.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import signal
import sys
import threading
import time
from contextlib import redirect_stdout

USER, PASSWORD = "blubilling", "for-the-bench"
WATCHED = ("pandas", "pyarrow", "numpy", "pydantic", "rich")
_CALL = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
    '<authenticate xmlns="http://developer.intuit.com/">'
    f"<strUserName>{USER}</strUserName><strPassword>{PASSWORD}</strPassword></authenticate></s:Body></s:Envelope>"
)


def call_first(said: io.StringIO, told: list[str]) -> None:
    """Call as soon as the server says where it listens, note the answer, and end it."""
    try:
        while not (found := re.search(r"Listening on http://([^:/]+):(\d+)/", said.getvalue())):
            time.sleep(0.002)
        line = http.client.HTTPConnection(found[1], int(found[2]), timeout=30)
        line.request("POST", "/", _CALL, {"Content-Type": "text/xml; charset=utf-8"})
        told += re.findall(r"<\w+:string>([^<]*)<", line.getresponse().read().decode())
        line.close()
    finally:
        os.kill(os.getpid(), signal.SIGTERM)


def main(folder: str) -> None:
    from toolkit.cli import main as toolkit

    said, told = io.StringIO(), list[str]()
    threading.Thread(target=call_first, args=(said, told), daemon=True).start()
    sys.argv = ["toolkit", "-w", folder, "serve", "--port", "0"]
    with redirect_stdout(said):
        try:
            toolkit()
        except SystemExit as end:
            code = end.code
    print(
        json.dumps({"answer": told, "code": code, "loaded": [one for one in WATCHED if one in sys.modules]})
    )


if __name__ == "__main__":
    main(sys.argv[1])
