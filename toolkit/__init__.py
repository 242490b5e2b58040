"""Move billing between BluBilling and QuickBooks Desktop."""

__version__ = "0.1.0"
