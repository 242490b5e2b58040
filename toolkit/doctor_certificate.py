"""Whether Windows can be expected to trust the certificate that a server shows.

Source: reference/PROTOCOL.md 1.7: chain, name and dates, or QBWC1048.
"""

from __future__ import annotations

import contextlib
import datetime as dt

from toolkit.doctor_network import Reply, plain

__all__ = ["certificate"]

ENDS_SOON = dt.timedelta(days=30)
"""What is left of a certificate when it is time to see to another."""

_DAY = "%Y-%m-%d"
_IMPORT = "`certutil -addstore -f Root toolkit.cer` as administrator on the QuickBooks machine"


def certificate(
    host: str, reply: Reply, now: dt.datetime, called: dt.datetime | None = None
) -> tuple[bool, str]:
    """Return whether Windows can be expected to trust the certificate.

    Parameters
    ----------
    host : str
        Of the URL.
    reply : Reply
        Of a server that speaks TLS.
    now : datetime
        With its time zone, as the next one.
    called : datetime, optional
        When the Web Connector last opened a session: what it called over, its Windows trusts.
    """
    shown = reply.certificate
    if shown is None:
        return False, f"{reply.distrust or 'it cannot be read'}: make another one with `toolkit cert`"
    start, end = (_aware(moment) for moment in (shown.not_before, shown.not_after))
    names = plain(", ".join(shown.names)) or "no name"
    renew = "make a new one with `toolkit cert --renew`" if shown.self_signed else "renew it"
    if not any(_fits(host, name) for name in shown.names):
        return False, (
            f"it is for {names} and not for {host}, so that Windows refuses it (QBWC1048): "
            f"{renew if shown.self_signed else f'get one for {host}'}"
        )
    if now > end:
        return False, f"it ended on {end:{_DAY}}, so that Windows refuses it (QBWC1048): {renew}"
    if now < start:
        return False, f"it begins on {start:{_DAY}} only (QBWC1048): set the clock right, or {renew}"
    if end - now < ENDS_SOON:
        return (
            False,
            f"it ends on {end:{_DAY}}, in {(end - now).days} days: {renew}, and start the server again",
        )
    until = f"for {names}, until {end:{_DAY}}"
    if not reply.distrust:
        return True, f"trusted, {until}"
    if called is not None and called > start:
        return (
            True,
            f"{until}; this machine does not know who signed it, and the Web Connector has called over it",
        )
    if shown.self_signed:
        return (
            False,
            f"it signed itself: Windows trusts it after {_IMPORT}, and not before (QBWC1048); {until}",
        )
    return False, (
        f"this machine does not know who signed it ({reply.distrust}; QBWC1048): give --tls-cert the whole"
        f" chain (fullchain.pem), or for an authority of your own {_IMPORT}; {until}"
    )


def _aware(moment: dt.datetime) -> dt.datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _fits(host: str, name: str) -> bool:
    """Return whether a certificate's name is that of a host; a star is one first label.

    >>> _fits("qb.example.com", "*.Example.com"), _fits("a.qb.example.com", "*.example.com")
    (True, False)
    >>> _fits("bücher.example", "xn--bcher-kva.example")
    True
    """
    with contextlib.suppress(UnicodeError):  # a certificate has it in ASCII
        host = host.encode("idna").decode()
    host, name = host.lower().rstrip("."), name.lower().rstrip(".")
    return host == name or (name.startswith("*.") and host.partition(".")[2] == name[2:])
