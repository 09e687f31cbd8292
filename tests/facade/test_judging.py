"""Judging by several processes: the same answers, bytes and all; and an end to each of them, however it comes."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime
from multiprocessing import active_children
from pathlib import Path

import pytest

from tests.benchmarks.synthetic import Sizes
from tests.benchmarks.whole import save
from tests.support.running import PROGRAM, STORY, eventually, spawn
from webhook.cli.flags import CI_FORMATS
from webhook.facade import UsageError
from webhook.facade.judging import cores, judged
from webhook.facade.sources import Gathered, Sources, read_sources
from webhook.model.objects import Workload

SMALL = Sizes(pods=120, policies=40, services=130, apps=5)  # 25 Deployments in five namespaces
LARGE = Sizes(pods=1_000, policies=400, services=1_000, apps=17)  # 340 in 20: half a second's work and more
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def stored(folder: Path, sizes: Sizes) -> Path:
    place = folder / "there.json.gz"
    save(sizes, place)
    return place


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("small"), SMALL)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("large"), LARGE)


# -- the same answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["audit", "check"])
def test_every_output_is_the_same_byte_for_byte(command: str, small: Path, tmp_path: Path) -> None:
    formats = (*CI_FORMATS, "html") if command == "audit" else CI_FORMATS
    found = []
    for jobs in (1, 3):
        place = tmp_path / str(jobs)
        place.mkdir()
        outputs = [f"--output={name}={place / name}" for name in formats]
        done = spawn(command, "-f", STORY, "--against", small, "--cni", "generic", "--jobs", jobs, *outputs)
        assert (done.code, done.err) == (1, "")
        found.append([done.out, *((place / name).read_bytes() for name in formats)])
    assert found[0] == found[1]


def answers(place: Path, jobs: int | None) -> tuple[list[object], int]:
    """Return what is told of each workload of a snapshot, and how many processes were there for it."""
    gathered = read_sources(Sources(against=[str(place)]), NOW)
    workloads = [one for one in gathered.world.workloads.every() if one.owner is None]
    with judged(gathered, workloads, NOW.date(), {one.ref for one in workloads}, jobs) as told:
        return [*map(repr, told)], len(active_children())


def test_processes_are_forked_where_they_are_asked_for_and_gone_afterwards(small: Path) -> None:
    (one, none), (several, processes) = answers(small, 1), answers(small, 3)
    assert one == several
    assert len(one) > SMALL.deployments
    assert (none, processes) == (0, 3)
    assert not active_children()


def test_a_small_world_is_judged_by_this_process(small: Path) -> None:
    assert answers(small, None)[1] == 0


def test_nothing_is_forked_beside_a_thread(small: Path) -> None:
    ended = threading.Event()
    beside = threading.Thread(target=ended.wait)
    beside.start()
    try:
        assert answers(small, 3)[1] == 0
    finally:
        ended.set()
        beside.join()


WITHOUT_PROCESSES = """
import os, resource, sys
import concurrent.futures.process
from datetime import UTC, datetime
from pathlib import Path
from webhook.facade.judging import judged
from webhook.facade.sources import Sources, read_sources

gathered = read_sources(Sources(against=[sys.argv[1]]), datetime.now(UTC))
workloads = [*gathered.world.workloads.every()]

def answers(jobs):
    with judged(gathered, workloads, datetime.now(UTC).date(), (), jobs) as told:
        return [*map(repr, told)]

expected = answers(1)
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + int(sys.argv[2]), 4096))
raise SystemExit(answers(3) != expected)
"""


@pytest.mark.parametrize("files", [2, 10])  # not even the pool's own pipes; not those of each process
def test_where_no_processes_can_be_had_this_one_judges(files: int, small: Path) -> None:
    done = subprocess.run(
        [PROGRAM[0], "-c", WITHOUT_PROCESSES, small, str(files)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_cores_are_those_that_this_process_may_use() -> None:
    assert 1 <= cores() <= len(os.sched_getaffinity(0))
    lone = (
        "import os; from webhook.facade.judging import cores; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])"
    )
    subprocess.run([PROGRAM[0], "-c", f"{lone}; raise SystemExit(cores() - 1)"], check=True)


@pytest.mark.parametrize("word", ["0", "-1", "1.5", "many", "257", "²"])
def test_no_number_of_processes_is_refused(word: str) -> None:
    done = spawn("audit", "-f", STORY, f"--jobs={word}")
    assert done.code == 2
    assert f"`{word}` is no number of processes: expected 1 to 256" in done.err


# -- how they end ------------------------------------------------------------------------------------------------------


def one_killed(gathered: Gathered, workloads: list[Workload]) -> None:
    with judged(gathered, workloads, NOW.date(), (), 2) as told:
        os.kill(active_children()[0].pid or 0, signal.SIGKILL)
        list(told)


def test_a_process_that_is_killed_is_one_error_and_takes_the_others_along(large: Path) -> None:
    gathered = read_sources(Sources(against=[str(large)]), NOW)
    workloads = [*gathered.world.workloads.every()]
    with pytest.raises(UsageError, match="was killed, perhaps for want of memory: `--jobs 1` takes the least"):
        one_killed(gathered, workloads)
    assert not active_children()


def test_what_a_process_raises_is_raised_here_and_none_is_left(small: Path) -> None:
    gathered = read_sources(Sources(against=[str(small)]), NOW)
    workloads = [*gathered.world.workloads.every()]
    no_day: date = None  # type: ignore[assignment]  # whoever compares a day to it fails
    with pytest.raises(TypeError), judged(gathered, workloads, no_day, None, 2) as told:  # type: ignore[arg-type]
        list(told)
    assert not active_children()


def children(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that `process` has made, as Linux lists them."""
    try:
        return [*map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())]
    except FileNotFoundError:
        return []


def runs(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # whoever takes up what is left of it in a container may be slow


def interrupt(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: everybody gets it


def kill_one(process: subprocess.Popen[str]) -> None:
    os.kill(children(process)[-1], signal.SIGKILL)  # as the kernel does that is out of memory


def end(process: subprocess.Popen[str]) -> None:
    process.terminate()  # as CI does that cancels a job


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        (interrupt, 130, ""),
        (kill_one, 2, "netpol-preflight: error: a process that judges workloads was killed"),
        (end, -signal.SIGTERM, ""),
    ],
)
def test_however_an_audit_is_ended_nobody_is_left(
    how: Callable[[subprocess.Popen[str]], None], code: int, said: str, large: Path
) -> None:
    command = [*PROGRAM, "audit", "--against", str(large), "--jobs", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        eventually(lambda: len(children(process)) == 2)
        forked = children(process)
        how(process)
        _, err = process.communicate()
    assert process.returncode == code
    assert err.startswith(said)
    assert len(err.splitlines()) == bool(said)
    eventually(lambda: not any(map(runs, forked)))
