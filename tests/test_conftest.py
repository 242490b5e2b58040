import contextlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

REFUSED = pytest.fail.Exception


def test_an_unmarked_test_can_open_no_socket():
    with socket.socket() as ours:
        for attempt in (ours.connect, ours.connect_ex, ours.bind):
            with pytest.raises(REFUSED, match="mark the test with"):
                attempt(("127.0.0.1", 9))


def test_an_unmarked_test_can_look_up_no_host():
    with pytest.raises(REFUSED, match="looked up"):
        socket.create_connection(("example.org", 80))


def test_code_that_swallows_errors_does_not_hide_a_socket():
    with socket.socket() as ours, pytest.raises(REFUSED), contextlib.suppress(Exception):
        ours.connect(("127.0.0.1", 9))


@pytest.mark.network
def test_a_marked_test_reaches_this_machine_and_no_other():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    with socket.socket() as ours, pytest.raises(REFUSED, match="this machine only"):
        ours.connect(("192.0.2.1", 80))  # an address reserved for documentation
    with pytest.raises(REFUSED, match="this machine only"):
        socket.getaddrinfo("example.org", 80)


def run_pytest(folder: Path, source: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one test file under our conftest.py, in a process and a folder of its own."""
    shutil.copy(Path(__file__).with_name("conftest.py"), folder)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = network\n", encoding="utf-8")
    (folder / "test_it.py").write_text(source, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder],
        capture_output=True,
        text=True,
        env=kept | environment,
        cwd=folder,
        check=False,
    )


def test_the_files_that_are_begun_first_are_there(request: pytest.FixtureRequest) -> None:
    there = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    listed = request.config.pluginmanager.get_plugin(str(Path(__file__).with_name("conftest.py"))).LONGEST
    assert set(listed) <= there


SKIPS = """
import pytest

def test_passes():
    pass

@pytest.mark.skip(reason="no browser here")
def test_skips():
    pass

@pytest.mark.xfail
def test_known_to_fail():
    raise ValueError
"""


@pytest.mark.slow
def test_a_skip_is_allowed_at_a_desk(tmp_path):
    run = run_pytest(tmp_path, SKIPS)
    assert run.returncode == 0, run.stdout


@pytest.mark.slow
def test_a_skip_fails_the_run_in_ci_and_is_named(tmp_path):
    run = run_pytest(tmp_path, SKIPS, CI="true")
    assert run.returncode == 1, run.stdout
    assert "test_it.py::test_skips: Skipped: no browser here" in run.stdout
    assert "test_known_to_fail:" not in run.stdout


@pytest.mark.slow
def test_a_module_that_skips_itself_fails_the_run_in_ci(tmp_path):
    source = "import pytest\npytest.skip('not on this system', allow_module_level=True)\n"
    run = run_pytest(tmp_path, f"{source}\n", CI="true")
    assert run.returncode != 0, run.stdout
    assert "not on this system" in run.stdout


@pytest.mark.slow
def test_the_shared_folder_skips_where_it_is_absent(tmp_path):
    (tmp_path / "repository" / "tests").mkdir(parents=True)
    run = run_pytest(tmp_path / "repository" / "tests", "def test_it(shared):\n    raise AssertionError\n")
    assert "1 skipped" in run.stdout


@pytest.mark.slow
def test_a_workspace_of_the_user_is_out_of_reach(tmp_path):
    source = "import os\ndef test_it():\n    assert 'TOOLKIT_WORKSPACE' not in os.environ\n"
    assert run_pytest(tmp_path, source, TOOLKIT_WORKSPACE="data/acme").returncode == 0
