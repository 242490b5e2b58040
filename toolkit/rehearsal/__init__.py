"""A simulated QuickBooks company and a simulated Web Connector, to practise a cutover with.

The company is a second, independent reading of the protocol: it shares the declarations of ``qbxml_spec``
with the rest of the toolkit, and no code that builds or parses documents.
"""

from toolkit.rehearsal.company import Company
from toolkit.rehearsal.connector import SessionReport, WebConnector

__all__ = ["Company", "SessionReport", "WebConnector"]
