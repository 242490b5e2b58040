"""Who is at the keyboard: every decision, waiver and approval is kept with a person's name."""

from __future__ import annotations

import getpass

__all__ = ["person"]


def person() -> str:
    """Return who is at the keyboard, for decisions and approvals."""
    return getpass.getuser()
