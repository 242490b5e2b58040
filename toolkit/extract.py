"""What comes in."""

from __future__ import annotations

from toolkit.billing_load import Loaded, load, read_billing
from toolkit.local_items import add_local_item

__all__ = ["Loaded", "add_local_item", "load", "read_billing"]
