"""The house of the design: imports run downward only, and a room stays a room.

A module's floor is declared here once; a new module without a floor fails the test, so that whoever adds
one says where it belongs.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import toolkit

PACKAGE = Path(toolkit.__file__).parent

# From the ground up. Within a tuple of one floor a module may import those named before it on that floor.
FLOORS: tuple[tuple[str, ...], ...] = (
    (
        "errors",
        "counted",
        "person",
        "crash_points",
        "event_log",
        "late",
        "columns",
        "tables_company",
        "tables_customers",
        "tables_documents",
        "tables_items",
        "tables_lists",
        "tables_quickbooks",
        "tables_left_out",
        "tables_billing",
        "tables_carry_forward",
        "tables_exports",
        "tables_plans",
        "tables_toolkit",
        "tables_corrections",
        "tables",
        "qbxml_particles",
        "qbxml_content",
        "qbxml_spec",
        "settings",
        "quickbooks_codes",
    ),
    (
        "qbxml_text",
        "qbxml_company",
        "qbxml_values",
        "qbxml_columns",
        "qbxml_tokens",
        "qbxml_cells",
        "qbxml_paths",
        "qbxml_rows",
        "qbxml_events",
        "qbxml_fields",
        "qbxml_problems",
        "qbxml_encoders",
        "qbxml_writers",
        "qbxml_write",
        "qbxml_requests",
        "qbxml_versions",
        "qbxml_read",
        "qbxml_io",
        "likeness_search",
        "likeness",
        "mapping_use",
        "mapping_names",
        "mapping_items",
        "mapping_charges",
        "mapping_customers",
        "mapping_lists",
        "mapping_adjustments",
        "mapping_changes",
        "mapping",
        "transform_fields",
        "references",
        "carried_names",
        "corrections_rows",
        "corrections",
        "corrections_barred",
        "corrections_sent",
        "corrections_effective",
        "source_places",
        "checks_registry",
        "checks_drafts",
        "checks_company",
        "checks_books",
        "receivables_rollback",
        "receivables",
        "carried",
        "checks_twice",
        "checks_context",
        "carried_sent",
        "checks_waivers",
        "checks_rows",
        "checks_versions",
        "checks_changed",
        "checks_customers",
        "checks_names",
        "checks_documents",
        "checks_credits",
        "checks_taxes",
        "checks_known",
        "carried_copies",
        "carried_credits",
        "carried_ties",
        "checks_payments",
        "checks_carried",
        "checks_corrections",
        "checks_items",
        "checks_lists",
        "setting_names",
        "checks",
        "checks_declared",
        "checks_page",
        "transform_customers",
        "transform_invoices",
        "transform_payments",
        "transform_credits",
        "transform_numbers",
        "transform_shown",
        "transform_result",
        "transform_schedule",
        "transform_filters",
        "transform_sums",
        "transform_plan",
        "transform_planner",
        "transform",
        "carry_forward_files",
        "carry_forward_numbers",
        "carry_forward_gate",
        "carry_forward_proof",
        "carry_forward_upload",
        "carry_forward_customers",
        "carry_forward",
        "freshness",
        "corrections_checked",
        "corrections_cures",
        "corrections_proposed",
        "rejections",
        "reconcile_records",
        "reconcile_ranges",
        "posted",
        "posted_uses",
        "reconcile_source",
        "reconcile_posted",
        "reconcile_carried",
        "reconcile_restated",
        "reconcile",
        "reconcile_absent",
    ),
    (
        "ledger_records",
        "ledger_schema",
        "ledger_migrations",
        "ledger_statements",
        "ledger_store",
        "ledger_moves",
        "ledger_reading",
        "ledger_waiting",
        "ledger_jobs",
        "ledger_operations",
        "ledger_crosswalk",
        "ledger_set_statements",
        "ledger_sets",
        "ledger_resolutions",
        "ledger_sessions",
        "ledger_places",
        "ledger_views",
        "ledger_carried",
        "ledger_releases",
        "ledger_tie_outs",
        "ledger_decisions",
        "ledger_counts",
        "ledger",
        "import_plan",
        "workspace_qwc",
        "workspace_files",
        "workspace_lock",
        "workspace_config",
        "workspace_tables",
        "workspace_place",
        "workspace_making",
        "workspace_identity",
        "workspace_views",
        "workspace_here",
        "workspace_unchanged",
        "workspace_queue",
        "workspace_backup",
        "workspace_restore",
        "workspace",
        "workbook_measure",
        "workbook_cells",
        "workbook_sheets",
        "workbook_choices",
        "local_item_rules",
        "workbook_pages",
        "workbook_torn",
        "workbook_lines",
        "workbook_reading",
        "workbook_ink",
        "workbook_frame",
        "workbook_offers",
        "workbook",
        "workbook_tables",
        "workbook_plan",
        "workbook_corrections",
        "workbook_corrections_reading",
        "workbook_rejected",
        "workbook_rejected_reading",
        "billing_files",
        "billing_values",
        "billing_tables",
        "billing_crosschecks",
        "billing_load",
        "local_items",
        "staging",
        "landing_keys",
        "landing_coverage",
        "landing_merge",
        "landing_children",
        "landing_write",
        "landing_tables",
        "landing",
        "answers",
        "answer_files",
        "import_progress",
        "extract",
    ),
    (
        "company_guard",
        "outcomes",
        "witness",
        "presend",
        "lookups",
        "set_answers",
        "exchange_owed",
        "exchange_next",
        "exchange",
        "import_age",
        "refresh",
        "requeue",
        "cutover_corrections",
        "correcting",
        "cutover_mapping",
        "cutover_carry",
        "cutover_export",
        "cutover_posted",
        "cutover_steps",
        "cutover",
        "tie_outs",
        "resubmit",
    ),
    (
        "wc_envelope",
        "wc_server",
        "wc_support",
        "wc_certificate",
        "wc_attempts",
        "wc_guard",
        "wc_events",
        "wc_pages",
        "wc_streams",
        "wc_heads",
        "wc_cheroot",
        "wc_body",
        "wc_http",
        "mortal_server",
        "rehearsal",
        "doctor_disk",
        "doctor_log",
        "doctor_network",
        "doctor_certificate",
        "doctor_tables",
        "doctor",
    ),
    (
        "display",
        "display_steps",
        "display_mapping",
        "notebook",
        "deciding",
        "rehearse",
        "demo_folder",
        "demo",
        "cli",
    ),
)
PUBLIC_FACE = ("__init__", "__main__")

# Third-party packages that one room alone may import.
ONE_ROOM = {
    "sqlalchemy": "ledger",
    "spyne": "wc_server",
    "argon2": "workspace",
    "openpyxl": "workbook|billing_files|cli",
    "zeep": "rehearsal",
    "cryptography": "wc_certificate",
}


def room(path: Path) -> str:
    """Return the room of a module: a package is one room."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path) -> set[str]:
    """Return the rooms of the toolkit that a module imports: under TYPE_CHECKING, in functions, or late."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "toolkit":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("toolkit.")}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "late":
            named = [one.value for one in node.args if isinstance(one, ast.Constant)]
            found |= {str(name).split(".")[1] for name in named if str(name).startswith("toolkit.")}
    return found


def place(name: str) -> tuple[int, int]:
    """Return floor and place on the floor."""
    for floor, rooms in enumerate(FLOORS):
        if name in rooms:
            return floor, rooms.index(name)
    raise AssertionError(f"toolkit/{name}: say in tests/test_architecture.py on which floor it stands")


MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_downward(path: Path) -> None:
    name = room(path)
    if name in PUBLIC_FACE:
        return
    here = place(name)
    upward = {other for other in imports(path) - {name, "__version__"} if place(other) >= here}
    assert not upward, f"{name} imports upward: {sorted(upward)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_room_is_no_hall(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= 450, f"{path.name} has {lines} lines: it is asking to be two rooms"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{path.name}: {node.name} is too long"


@pytest.mark.parametrize("package", ONE_ROOM)
def test_a_dependency_with_one_room_stays_there(package: str) -> None:
    allowed = ONE_ROOM[package].split("|")
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            if any(name.split(".")[0] == package for name in names):
                assert any(room(path).startswith(name) for name in allowed), f"{path.name} imports {package}"
