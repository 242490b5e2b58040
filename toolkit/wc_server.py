"""The SOAP service that the Web Connector calls: spyne around an exchange, and nothing else.

``make_app`` gives a WSGI application that expects a ``POST`` with a whole body; :mod:`toolkit.wc_http` sees
to that, and to everything else that is HTTP. The names below are Intuit's own, letter for letter, because
the Web Connector knows them by no other.
"""
# ruff: noqa: N802, N803

from __future__ import annotations

import importlib
import logging
import operator
import secrets
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import six
from lxml import etree

from toolkit import __version__
from toolkit.errors import ProtocolError
from toolkit.wc_envelope import legal_text, parse_call, take_text

__all__ = ["NAMESPACE", "Conversation", "incident", "make_app"]

# spyne 2.14 carries a copy of six whose lazy modules Python 3.12 and later cannot import: the real six takes
# its place, on every Python alike. It imports cgi, too, which warns on 3.11 and 3.12 and is the package
# legacy-cgi on 3.13; and one of its patterns warns when it is compiled.
_six = types.ModuleType("spyne.util.six")
vars(_six).update(vars(six), get_function_name=operator.attrgetter("__name__"))
sys.modules.setdefault("spyne.util.six", _six)
for _name in (
    "",
    ".collections_abc",
    ".http_cookies",
    ".urllib",
    ".urllib.error",
    ".urllib.parse",
    ".urllib.request",
):
    sys.modules.setdefault(f"spyne.util.six.moves{_name}", importlib.import_module(f"six.moves{_name}"))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from spyne import Application, ComplexModel, Fault, Integer32, Service, Unicode, rpc
    from spyne.protocol.soap import Soap11
    from spyne.server.wsgi import WsgiApplication
    from spyne.util.appreg import unregister_application

NAMESPACE = "http://developer.intuit.com/"
INTERACTIVE = ("getInteractiveURL", "interactiveRejected", "interactiveDone", "isInteractiveDone")
"""Answered, because the guide has them; not described, because Intuit's own WSDL does not."""
_DESCRIBED = (
    "authenticate",
    "serverVersion",
    "clientVersion",
    "sendRequestXML",
    "receiveResponseXML",
    "connectionError",
    "getLastError",
    "closeConnection",
)

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_PORT = "QBWebConnectorSvcSoap"
_ANSWER = "response"
_log = logging.getLogger(__name__)


class Conversation(Protocol):
    """What the service needs of an exchange: see :class:`toolkit.exchange.Exchange`.

    Its methods are called from several threads.
    """

    def authenticate(self, user: str, password: str) -> tuple[str, ...]: ...  # noqa: D102
    def next_request(  # noqa: D102
        self, ticket: str, hcp: str, company_file: str, country: str, major: int, minor: int
    ) -> str: ...
    def take_answer(  # noqa: D102 - text, or as it came: in UTF-8
        self, ticket: str, response: str | bytes, hresult: str, message: str
    ) -> int: ...
    def last_error(self, ticket: str) -> str: ...  # noqa: D102
    def connection_error(self, ticket: str, hresult: str, message: str) -> str: ...  # noqa: D102
    def close(self, ticket: str) -> str: ...  # noqa: D102


def incident(where: str, error: BaseException) -> str:
    """Log a bug of ours and return its id, the only thing that a client is told.

    The log line has the classes of the errors and the places in the code, never their messages: those
    quote what was being worked on, and that may be a customer's record or a password.
    """
    number = secrets.token_hex(4)
    chain: list[str] = []
    link: BaseException | None = error
    while link is not None and len(chain) < 5:
        frames = traceback.extract_tb(link.__traceback__)
        path = " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames[-8:])
        chain.append(f"{type(link).__name__} at {path}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    _log.error("incident %s in %s: %s", number, where, "; after ".join(chain))
    return number


# --- the operations -----------------------------------------------------------------------------------------

_Text = Unicode(min_occurs=0, nillable=False)
_Number = Integer32(min_occurs=1, nillable=False)


class ArrayOfString(ComplexModel):
    """What ``authenticate`` returns."""

    __namespace__ = NAMESPACE

    string = Unicode(min_occurs=0, max_occurs="unbounded", nillable=True)


class QBWebConnectorSvc(Service):
    """The operations, in the order of Intuit's WSDL. Parameters arrive as text or number, never as None.

    Source: Web Connector guide, chapter 10; the WSDL; Intuit's samples for the interactive calls.
    """

    __service_name__ = "QBWebConnectorSvc"
    __port_types__ = (_PORT,)

    @rpc(_Text, _returns=_Text, _port_type=_PORT)
    def serverVersion(ctx: Any, strVersion: str) -> str:  # noqa: N805
        return f"BluBilling QuickBooks toolkit {__version__}"

    @rpc(_Text, _returns=_Text, _port_type=_PORT)
    def clientVersion(ctx: Any, strVersion: str) -> str:  # noqa: N805
        return ""  # every version will do; what QuickBooks itself can do shows in the first request

    @rpc(_Text, _Text, _returns=ArrayOfString.customize(min_occurs=0, nillable=False), _port_type=_PORT)
    def authenticate(ctx: Any, strUserName: str, strPassword: str) -> ArrayOfString:  # noqa: N805
        return ArrayOfString(
            string=[legal_text(x) for x in ctx.app.exchange.authenticate(strUserName, strPassword)]
        )

    @rpc(_Text, _Text, _Text, _Text, _Number, _Number, _returns=_Text, _port_type=_PORT)
    def sendRequestXML(
        ctx: Any,  # noqa: N805
        ticket: str,
        strHCPResponse: str,
        strCompanyFileName: str,
        qbXMLCountry: str,
        qbXMLMajorVers: int,
        qbXMLMinorVers: int,
    ) -> str:
        return ctx.app.exchange.next_request(  # type: ignore[no-any-return]
            ticket, strHCPResponse, strCompanyFileName, qbXMLCountry, qbXMLMajorVers, qbXMLMinorVers
        )

    @rpc(_Text, _Text, _Text, _Text, _returns=_Number, _port_type=_PORT)
    def receiveResponseXML(ctx: Any, ticket: str, response: bytes, hresult: str, message: str) -> int:  # noqa: N805
        return ctx.app.exchange.take_answer(ticket, response, hresult, message)  # type: ignore[no-any-return]

    @rpc(_Text, _Text, _Text, _returns=_Text, _port_type=_PORT)
    def connectionError(ctx: Any, ticket: str, hresult: str, message: str) -> str:  # noqa: N805
        return ctx.app.exchange.connection_error(ticket, hresult, message)  # type: ignore[no-any-return]

    @rpc(_Text, _returns=_Text, _port_type=_PORT)
    def getLastError(ctx: Any, ticket: str) -> str:  # noqa: N805
        return ctx.app.exchange.last_error(ticket)  # type: ignore[no-any-return]

    @rpc(_Text, _returns=_Text, _port_type=_PORT)
    def closeConnection(ctx: Any, ticket: str) -> str:  # noqa: N805
        return ctx.app.exchange.close(ticket)  # type: ignore[no-any-return]

    # Nothing of ours is interactive: no page to open, and whoever says that one is done may go on.
    @rpc(_Text, _Text, _returns=_Text, _port_type=_PORT)
    def getInteractiveURL(ctx: Any, wcTicket: str, sessionID: str) -> str:  # noqa: N805
        return ""

    @rpc(_Text, _Text, _returns=_Text, _port_type=_PORT)
    def interactiveRejected(ctx: Any, wcTicket: str, reason: str) -> str:  # noqa: N805
        return "This application has no interactive mode."

    @rpc(_Text, _returns=_Text, _port_type=_PORT)
    def interactiveDone(ctx: Any, wcTicket: str) -> str:  # noqa: N805
        return "Done"

    @rpc(_Text, _returns=_Text, _port_type=_PORT)
    def isInteractiveDone(ctx: Any, wcTicket: str) -> str:  # noqa: N805
        return "Done"


_OPERATIONS = frozenset(QBWebConnectorSvc.public_methods)


class _Application(Application):
    """Spyne's application, with the exchange at hand."""

    def __init__(self, exchange: Conversation) -> None:
        super().__init__(
            [QBWebConnectorSvc],
            NAMESPACE,
            "QBWebConnectorSvc",
            in_protocol=_Envelope(),
            out_protocol=_Envelope(),
        )
        unregister_application(self)  # spyne would hold every application, and its workspace, for good
        self.exchange = exchange

    def call_wrapper(self, ctx: Any) -> Any:
        kinds = ctx.descriptor.in_message.get_flat_type_info(ctx.descriptor.in_message)
        given = ((getattr(ctx.in_object, name, None), kind) for name, kind in kinds.items())
        ctx.in_object = [
            value if value is not None else 0 if issubclass(kind, Integer32) else "" for value, kind in given
        ]
        if _ANSWER in kinds:
            ctx.in_object[list(kinds).index(_ANSWER)], ctx.udc = ctx.udc, None
        ctx.in_document = ctx.in_body_doc = None
        try:
            answer = super().call_wrapper(ctx)
        except Exception as error:
            number = incident(ctx.descriptor.name, error)
            raise Fault(
                "Server", f"Internal error {number}. The server's log has more under this number."
            ) from None
        return legal_text(answer) if isinstance(answer, str) else answer


# --- the envelope -------------------------------------------------------------------------------------------


class _Envelope(Soap11):
    """SOAP 1.1 as the Web Connector speaks it, document or RPC style."""

    def create_in_document(self, ctx: Any, charset: str | None = None) -> None:
        body = b"".join(ctx.in_string)
        ctx.in_string = None
        ctx.in_document = parse_call(body)

    def decompose_incoming_envelope(self, ctx: Any, message: object = None) -> None:
        name = etree.QName(ctx.in_document).localname
        if name not in _OPERATIONS:
            raise ProtocolError("there is no such operation: the WSDL at /?wsdl lists those there are")
        ctx.udc = take_text(ctx.in_document, _ANSWER)  # an answer of 100 MB is held once, and never as str
        ctx.in_header_doc, ctx.in_body_doc = None, ctx.in_document
        ctx.method_request_string = f"{{{NAMESPACE}}}{name}"

    def create_out_string(self, ctx: Any, charset: str | None = None) -> None:
        # One line: a blank text node in the answer has been seen to upset the Web Connector.
        text = etree.tostring(ctx.out_document, encoding="utf-8", xml_declaration=False)
        ctx.out_string = [b'<?xml version="1.0" encoding="utf-8"?>' + text]


# --- the WSDL -----------------------------------------------------------------------------------------------


def _as_intuit_writes_it(wsdl: Any) -> None:
    """Turn spyne's WSDL into Intuit's: message names, part names, SOAPActions; nothing interactive.

    A .NET proxy unwraps the parameters only where the part is called ``parameters``.
    """
    root = wsdl.root_elt
    soap, schema = "{http://schemas.xmlsoap.org/wsdl/soap/}", "{http://www.w3.org/2001/XMLSchema}"
    spaces = {"w": "http://schemas.xmlsoap.org/wsdl/"}
    root.attrib.pop("name", None)
    hidden = {name + suffix for name in INTERACTIVE for suffix in ("", "Response")}
    for node in root.xpath(".//*[@name]"):
        if node.get("name") in hidden:
            node.getparent().remove(node)
    types = {node.get("name"): node for node in root.iter(f"{schema}complexType")}
    for element in root.xpath("//x:schema/x:element", namespaces={"x": schema[1:-1]}):
        if element.get("name") == ArrayOfString.__name__:
            element.getparent().remove(element)
        else:  # a message's type has no name of its own
            element.append(types[element.attrib.pop("type").partition(":")[2]])
            del element[0].attrib["name"]
    for message in root.xpath("w:message", namespaces=spaces):
        message.set("name", _message_name(message.get("name")))
        for part in message:
            part.set("name", "parameters")
    for operation in root.xpath("//w:operation", namespaces=spaces):
        operation.attrib.pop("parameterOrder", None)
        for node in operation:
            node.attrib.pop("name", None)
            if "message" in node.attrib:
                prefix, _, name = node.get("message").partition(":")
                node.set("message", f"{prefix}:{_message_name(name)}")
        for node in operation.iter(f"{soap}operation"):
            node.set("soapAction", NAMESPACE + operation.get("name"))
    _in_intuits_order(root, root.find(f".//{schema}schema"))


def _in_intuits_order(root: Any, schema: Any) -> None:
    """Put parts, messages, elements and types in the order of Intuit's file; .NET keeps it in its proxy."""
    parts = ("types", "message", "portType", "binding", "service")
    messages = [_message_name(name + suffix) for name in _DESCRIBED for suffix in ("", "Response")]
    root[:] = sorted(
        root,
        key=lambda node: (
            parts.index(etree.QName(node).localname),
            messages.index(node.get("name")) if node.get("name") in messages else 0,
        ),
    )
    elements = [name + suffix for name in _DESCRIBED for suffix in ("", "Response")]
    elements.insert(2, ArrayOfString.__name__)  # right after what returns it
    schema[:] = sorted(schema, key=lambda node: elements.index(node.get("name")))


def _message_name(name: str) -> str:
    return name.removesuffix("Response") + ("SoapOut" if name.endswith("Response") else "SoapIn")


def make_app(exchange: Conversation, *, url: str = "http://localhost:8085/") -> WsgiApp:
    """Return the WSGI application of the service: POST is a call, ``GET /?wsdl`` the WSDL.

    Parameters
    ----------
    exchange : Conversation
        What answers; called from several threads.
    url : str, optional
        The address that the WSDL gives.

    Raises
    ------
    ProtocolError
        From a call of the application: what was posted is no SOAP envelope, or names no operation of ours.
    """
    # spyne logs whole requests at ERROR when they are not well formed, with the password in them.
    silent = logging.getLogger("spyne")
    silent.setLevel(logging.CRITICAL + 1)
    silent.propagate = False
    silent.addHandler(logging.NullHandler())
    application = _Application(exchange)
    # The body has been read and its length limited before; one block hands it over without a copy.
    soap = WsgiApplication(application, max_content_length=sys.maxsize, block_length=sys.maxsize)
    # spyne makes the WSDL when somebody asks for it, which no Web Connector ever does.
    application.interface.docs.wsdl11.event_manager.add_listener("wsdl_document_built", _as_intuit_writes_it)
    # Told the address, it does not take that by which it was called, which is the caller's to make up.
    return partial(soap, wsgi_url=url)
