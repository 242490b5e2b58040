"""The elements of one piece of an answer to rows of the declared tables, a column at a time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.columns import MONEY
from toolkit.qbxml_cells import resolved, typed
from toolkit.qbxml_columns import COMPANY_KEY, ORDER, Kind, Layout
from toolkit.qbxml_paths import Paths, Use
from toolkit.qbxml_tokens import Bools, Ints, Tokens
from toolkit.qbxml_values import reader
from toolkit.tables import finding

__all__ = ["Finding", "Rows", "rows_of"]

Finding = dict[str, str | None]

MOST_FINDINGS = 1_000  # of one rule and column in one piece; how many more there are is said

_NAMING = ("full_name", "name", "ref_number")


@dataclass(slots=True)
class Rows:
    """The rows of one table.

    Parameters
    ----------
    table : str
        Declared name.
    rows : pyarrow.Table
        Of the declared schema.
    elements : array of int
        Of each row, the element that it was made of.
    findings : list of tuple
        What is wrong with a row, and the element that it was to be made of.
    """

    table: str
    rows: pa.Table
    elements: Ints
    findings: list[tuple[int, Finding]]


def _quoted(text: str, most: int = 40) -> str:
    shown = " ".join(text.split())
    return f'"{shown}"' if len(shown) <= most else f'"{shown[: most - 3]}..."'


def rows_of(tokens: Tokens, places: Ints, paths: Paths, left: Counter[str]) -> list[Rows]:
    """Return the rows that the elements of a piece make, owners before what they own.

    Parameters
    ----------
    tokens : Tokens
        The elements, record by record, each record whole.
    places : array of int
        Their paths.
    paths : Paths
        What those paths are for.
    left : Counter
        Counts by path the values that no column keeps.
    """
    piece = _Piece(tokens, places, paths)
    piece.count(left)
    by_layout: dict[Layout, list[int]] = {}
    for path in piece.met:
        node = paths.nodes[path]
        if paths.uses[path] is Use.ROW and node and node.kind:
            by_layout.setdefault(node.kind.layout, []).append(path)
    made: dict[Layout, _Making] = {}
    for layout in sorted(by_layout, key=lambda layout: ORDER[layout.table.name]):
        made[layout] = _Making(piece, layout, by_layout[layout], made)  # a line may stand in a line
        made[layout].fill(left)
    rows = [making.finished() for making in made.values()]
    made.clear()  # each knows the others: left to the garbage collector, pieces would pile up
    return rows


class _Piece:
    """Elements sorted by their paths."""

    def __init__(self, tokens: Tokens, places: Ints, paths: Paths) -> None:
        self.tokens = tokens
        self.paths = paths
        self.places = places
        counts = np.bincount(places, minlength=len(paths))
        self._ends = np.cumsum(counts)
        self._counts = counts
        self._order = np.argsort(places.astype(np.uint16), kind="stable")  # 16 bits: sorted by radix
        self.met: list[int] = np.flatnonzero(counts).tolist()
        self.values: dict[int, list[int]] = {}  # the paths of values, by the path of their row
        for path in self.met:
            if paths.uses[path] is Use.VALUE:
                self.values.setdefault(paths.rows[path], []).append(path)

    def at(self, path: int) -> Ints:
        """Return the elements at a path, in their order."""
        end = self._ends[path]
        return self._order[end - self._counts[path] : end]

    def count(self, left: Counter[str]) -> None:
        """Count the values that stand where nothing is kept."""
        written = np.bincount(self.places[self.tokens.written], minlength=len(self.paths))
        for path in self.met:
            use = self.paths.uses[path]
            if use is Use.OTHER:
                left[self.paths.names[path]] += int(self._counts[path])
            elif use in (Use.LEFT, Use.PART, Use.ROW) and written[path]:
                left[self.paths.names[path]] += int(written[path])
            elif use is Use.VALUE and written[path] < self._counts[path]:
                mixed = self.tokens.mixed(self.at(path))
                if mixed:
                    left[self.paths.names[path]] += mixed


@dataclass(slots=True)
class _Making:
    """One table of a piece in the making.

    Parameters
    ----------
    kinds : list of int
        The paths whose elements are its rows.
    made : dict
        The tables of the rows that own these.
    """

    piece: _Piece
    layout: Layout
    kinds: list[int]
    made: dict[Layout, _Making]
    elements: Ints = field(init=False)
    at: dict[int, Ints] = field(init=False)  # of each path, where its elements are among the rows
    owner: Ints = field(init=False)  # of each row, its owner's place in the table of that
    keep: Bools = field(init=False)
    columns: dict[str, pa.Array] = field(init=False, default_factory=dict)
    findings: list[tuple[int, Finding]] = field(init=False, default_factory=list)
    _bad: list[tuple[int, str, int, str]] = field(init=False, default_factory=list)
    _told: set[int] = field(init=False, default_factory=set)  # the slots whose bad values are in there

    def __post_init__(self) -> None:
        several = [self.piece.at(path) for path in self.kinds]
        self.elements = several[0] if len(several) == 1 else np.sort(np.concatenate(several))
        self.at = {
            path: np.searchsorted(self.elements, found)
            for path, found in zip(self.kinds, several, strict=True)
        }
        self.owner = np.zeros(len(self.elements), np.int64)
        self.keep = np.ones(len(self.elements), bool)

    # --- values

    def fill(self, left: Counter[str]) -> None:
        """Make every column, and tell which rows can be kept."""
        slots = self._slots(left)
        for column in self.layout.table.columns:
            self.columns[column.name] = self._column(column.name, column.type, slots)
        self._constants()
        self._own()
        if self.layout.has("line_number"):
            self._number_lines()
        self._judge()

    def _slots(self, left: Counter[str]) -> dict[int, Ints]:
        """Return, for each path of the layout that is met, where every row's text stands; -1 for none."""
        tokens, paths = self.piece.tokens, self.piece.paths
        slots: dict[int, Ints] = {}
        for kind in self.kinds:
            rows = self.piece.at(kind)
            for path in self.piece.values.get(kind, ()):
                found = self.piece.at(path)
                found = found[tokens.written[found]]
                of = self.at[kind][np.searchsorted(rows, found) - 1]
                node = paths.nodes[path]
                slot = node.slot if node else -1
                if (of[1:] == of[:-1]).any():
                    chosen = self._once(path, slot, found, of, left)
                    found, of = found[chosen], of[chosen]
                texts = slots.setdefault(slot, np.full(len(self.elements), -1, np.int64))
                texts[of] = tokens.place_of_text(found)
        return slots

    def _once(self, path: int, slot: int, found: Ints, rows: Ints, left: Counter[str]) -> Ints:
        """Return which elements count where one stands twice in a record: the first that can be read."""
        column = next(
            column for column in self.layout.table.columns if slot in self.layout.slots[column.name]
        )
        texts = self._texts(self.piece.tokens.place_of_text(found))
        unread = set(typed(texts, column.type)[1].tolist())
        last = {row: place for place, row in enumerate(rows.tolist())}
        chosen: dict[int, int] = {}
        for place, row in enumerate(rows.tolist()):
            if row in chosen:
                left[self.piece.paths.names[path]] += 1
            elif place in unread and place != last[row]:
                self._bad.append((row, column.name, slot, texts[place].as_py()))
            else:
                chosen[row] = place
        return np.array(list(chosen.values()), np.int64)

    def _column(self, name: str, kind: pa.DataType, slots: dict[int, Ints]) -> Any:
        """Return a column from the first of its paths that can be read."""
        values = None
        for slot in self.layout.slots[name]:
            if slot in slots:
                texts = self._texts(slots[slot])
                read, bad = typed(texts, kind)
                if slot not in self._told:
                    self._bad += [(row, name, slot, texts[row].as_py()) for row in bad.tolist()]
                    self._told.add(slot)
                values = read if values is None else pc.coalesce(values, read)
        return pa.nulls(len(self.elements), kind) if values is None else values

    def _texts(self, places: Ints) -> pa.StringArray:
        return resolved(self.piece.tokens.strings.take(pa.array(places, mask=places < 0)))

    # --- what no element tells

    def _kind(self, path: int) -> Kind:
        node = self.piece.paths.nodes[path]
        if node is None or node.kind is None:
            raise AssertionError(f"{self.piece.paths.names[path]} makes no row")
        return node.kind

    def _spread(self, of_kinds: list[pa.Array]) -> pa.Array:
        """Return values of the rows of each kind in the order of all rows."""
        if len(of_kinds) == 1:
            return of_kinds[0]
        places = np.concatenate([self.at[path] for path in self.kinds])
        return pa.concat_arrays(of_kinds).take(pa.array(np.argsort(places)))

    def _repeated(self, values: list[str | None]) -> pa.Array:
        """Return one value for the rows of each kind."""
        counts = [len(self.at[path]) for path in self.kinds]
        return self._spread(
            [
                pa.repeat(pa.scalar(value, pa.string()), count)
                for value, count in zip(values, counts, strict=True)
            ]
        )

    def _constants(self) -> None:
        kinds = [self._kind(path) for path in self.kinds]
        for name in kinds[0].constants:
            self.columns[name] = self._repeated([kind.constants[name] for kind in kinds])

    def _own(self) -> None:
        """Fill the columns that tell whose a row is, and what stands around it."""
        if self._kind(self.kinds[0]).above is None:
            return
        tables: list[str | None] = []
        keys: list[pa.Array] = []
        around: dict[str, list[pa.Array]] = {
            column.name: [] for column in self.layout.table.columns if column.enclosing
        }
        for path in self.kinds:  # a group of lines comes before its lines
            kind, above = self._kind(path), self.piece.paths.above[path]
            if kind.above is None or kind.owner is None:
                raise AssertionError(f"{kind.path} has no owner")
            holder = self.made[kind.above.layout]
            held = holder.at[above][np.searchsorted(self.piece.at(above), self.piece.at(path)) - 1]
            for name, several in around.items():
                told = kind.enclosing.get(name)
                several.append(
                    holder.columns[told].take(pa.array(held)) if told else pa.nulls(len(held), pa.string())
                )
            keep = holder.keep[held]
            if kind.owner is not kind.above:
                held, holder = holder.owner[held], self.made[kind.owner.layout]
                keep &= holder.keep[held]
            self.owner[self.at[path]] = held
            self.keep[self.at[path]] = keep
            tables.append(holder.layout.table.name)
            keys.append(holder.keys().take(pa.array(held)))
        self.columns[self.layout.table.parent_key or "owner_key"] = self._spread(keys)
        if self.layout.has("owner_table"):
            self.columns["owner_table"] = self._repeated(tables)
        self.columns |= {name: self._spread(several) for name, several in around.items()}

    def keys(self) -> pa.Array:
        """Return what rows of other tables say to be owned by a row."""
        if self.layout.id:
            return self.columns[self.layout.id]
        return pa.repeat(pa.scalar(COMPANY_KEY), len(self.elements))

    def _number_lines(self) -> None:
        """Give the lines of each record their numbers from 1, in the order of the document."""
        count = len(self.elements)
        first = np.ones(count, bool)
        first[1:] = self.owner[1:] != self.owner[:-1]
        starts = np.flatnonzero(first)
        numbers = np.arange(count) - np.repeat(starts, np.diff(np.append(starts, count))) + 1
        self.columns["line_number"] = pa.array(numbers, pa.int64())
        if not self.layout.has("line_kind"):
            return
        telling = [self.columns[name] for name in ("item_list_id", "item_full_name", "amount")]
        empty = pc.and_(pc.and_(*(pc.is_null(one) for one in telling[:2])), pc.is_null(telling[2]))
        group = self._repeated(["group" if self._kind(path).is_group else None for path in self.kinds])
        self.columns["line_kind"] = pc.coalesce(group, pc.if_else(empty, "description", "line"))

    # --- what is wrong

    def _judge(self) -> None:
        """Say what is wrong with the rows, and give up those that lack what a row must have."""
        orphans = ~self.keep
        table = self.layout.table
        names = [path.rpartition("/")[2] for path in self.layout.paths]
        bad: dict[str, list[tuple[int, int, str]]] = {}
        for row, column, slot, text in sorted(self._bad):
            if not orphans[row]:
                bad.setdefault(column, []).append((row, slot, text))
        for column, several in bad.items():
            kind = table.column(column).type
            _, what = reader(kind)
            severity = "error" if kind == MONEY.arrow else "warning"  # without an amount nothing ties out
            for row, slot, text in several[:MOST_FINDINGS]:
                message = f"{names[slot]} is {_quoted(text)}, not {what}: the column is left empty"
                key = self._shown(row, table.key)
                self._find(row, severity, "bad_value", message, key=key, column=column, value=text)
            self._sum_up([row for row, _, _ in several], severity, "bad_value", column)
        for column in self.layout.required:
            if not self.columns[column].null_count:
                continue
            lacking = np.flatnonzero(
                self.columns[column].is_null().to_numpy(zero_copy_only=False) & self.keep
            )
            for row in lacking[:MOST_FINDINGS].tolist():
                message = f"a record without {column} cannot be kept; ask QuickBooks for whole records"
                shown = (self._value(row, name) for name in (*table.key, *_NAMING))
                key = next((str(value) for value in shown if value is not None), None)
                self._find(row, "error", "missing_key", message, key=key, column=column)
            self._sum_up(lacking.tolist(), "error", "missing_key", column)
            self.keep[lacking] = False

    def _sum_up(self, rows: list[int], severity: str, rule: str, column: str) -> None:
        """Say of how many more rows the same is true than are told one by one."""
        more = rows[MOST_FINDINGS:]
        if more:
            key = self._shown(more[0], self.layout.table.key)
            message = f"the same is true of {len(more):,} more, from this one on"
            self._find(more[0], severity, rule, message, key=key, column=column, value=f"{len(more)} more")

    def _find(self, row: int, severity: str, rule: str, message: str, **told: Any) -> None:
        found = finding(severity, rule, message, table=self.layout.table.name, **told)
        self.findings.append((int(self.elements[row]), found))

    def _value(self, row: int, column: str) -> Any:
        return self.columns[column][row].as_py() if column in self.columns else None

    def _shown(self, row: int, columns: tuple[str, ...]) -> str | None:
        """Return a row's key as findings show it."""
        parts = [self._value(row, name) for name in columns]
        return " / ".join("" if part is None else str(part) for part in parts) or None

    def finished(self) -> Rows:
        """Return the rows that are kept."""
        columns = [self.columns[column.name] for column in self.layout.table.columns]
        rows = pa.Table.from_arrays(columns, schema=self.layout.schema)
        elements = self.elements
        if not self.keep.all():
            rows, elements = rows.filter(pa.array(self.keep)), elements[self.keep]
        self.findings.sort(key=lambda found: found[0])
        return Rows(self.layout.table.name, rows, elements, self.findings)
