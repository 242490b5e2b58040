"""A bare spyne service with the operations of the Web Connector, answering constants: as little as SOAP is.

Nothing but spyne, and cheroot as it comes. Started with a file, whose text it answers to sendRequestXML; it
prints its port, and ends when its standard input does.
"""
# ruff: noqa: I001, N802, N803, N805

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import toolkit.wc_server  # noqa: F401 - mends the imports of spyne

from cheroot import wsgi
from spyne import Application, ComplexModel, Integer32, Service, Unicode, rpc
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication

NAMESPACE = "http://developer.intuit.com/"
THREADS = 12


class ArrayOfString(ComplexModel):
    __namespace__ = NAMESPACE
    string = Unicode(max_occurs="unbounded")


def service(text: str) -> type[Any]:
    """Return the service; ``text`` is what it hands out."""

    class QBWebConnectorSvc(Service):  # type: ignore[misc]
        @rpc(Unicode, _returns=Unicode)
        def serverVersion(ctx: Any, strVersion: str) -> str:
            return "1"

        @rpc(Unicode, _returns=Unicode)
        def clientVersion(ctx: Any, strVersion: str) -> str:
            return ""

        @rpc(Unicode, Unicode, _returns=ArrayOfString)
        def authenticate(ctx: Any, strUserName: str, strPassword: str) -> ArrayOfString:
            return ArrayOfString(string=["ticket", ""])

        @rpc(Unicode, Unicode, Unicode, Unicode, Integer32, Integer32, _returns=Unicode)
        def sendRequestXML(
            ctx: Any,
            ticket: str,
            strHCPResponse: str,
            strCompanyFileName: str,
            qbXMLCountry: str,
            qbXMLMajorVers: int,
            qbXMLMinorVers: int,
        ) -> str:
            return text

        @rpc(Unicode, Unicode, Unicode, Unicode, _returns=Integer32)
        def receiveResponseXML(ctx: Any, ticket: str, response: str, hresult: str, message: str) -> int:
            return 50

        @rpc(Unicode, Unicode, Unicode, _returns=Unicode)
        def connectionError(ctx: Any, ticket: str, hresult: str, message: str) -> str:
            return "done"

        @rpc(Unicode, _returns=Unicode)
        def getLastError(ctx: Any, ticket: str) -> str:
            return "nothing"

        @rpc(Unicode, _returns=Unicode)
        def closeConnection(ctx: Any, ticket: str) -> str:
            return "OK"

    return QBWebConnectorSvc


def main(path: str) -> None:
    made = service(Path(path).read_text(encoding="ascii"))
    application = Application([made], NAMESPACE, in_protocol=Soap11(), out_protocol=Soap11())
    server = wsgi.Server(("127.0.0.1", 0), WsgiApplication(application), numthreads=THREADS)
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    print(server.bind_addr[1], flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main(sys.argv[1])
