"""A simulated QuickBooks company and a simulated Web Connector, to practise a cutover with.

The company is a second, independent reading of the protocol: it shares the declarations of ``qbxml_spec``
with the rest of the toolkit, and no code that builds or parses documents.
"""

from toolkit.rehearsal.company import Company

__all__ = ["Company"]
