"""What the toolkit costs, measured: `make bench`, or ``python -m benchmarks`` in the project's folder.

A case (``benchmarks/cases``) names tasks; every run of a task is a process of its own (``measure.py``), whose
CPU time and peak memory the system tells. Documents are made by ``documents.py``, the same ones every time.

To add a case: a module in ``benchmarks/cases`` with a :class:`benchmarks.cases.Case`, entered in
``benchmarks/__main__.py``. Timings are not tests: CI runs none of this but tests/test_benchmarks.py, which
looks at the form of what comes out.
"""
