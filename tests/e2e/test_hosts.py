"""Two servers and two workers on hosts of their own, around one Redis, one S3 server and a proxy, while each fails.

Throughout, every event ends in exactly one version, predictions go on, and none comes from half a version. With `-s`,
how long each took to heal is printed.
"""

import contextlib
import os
import time
from collections.abc import Iterator

import pytest

from label_studio_ml.training.records.job_store import JobStore
from live import FakeStudio, alive, created, start_training, uid

from .hosts import QUEUE, Load, Machine, Site, Watch, haproxy
from .namespaces import Network
from .processes import wait_until

pytestmark = pytest.mark.timeout(300)

#: Seconds that each fault lasts, at least. `FAULT_SECONDS=60 pytest -s tests/e2e/test_hosts.py` tries longer ones.
LASTS = float(os.environ.get("FAULT_SECONDS", "3"))


@pytest.fixture(scope="module")
def watch() -> Iterator[Watch]:
    """What is measured; printed at the end."""
    made = Watch()
    yield made
    print(f"\n| fault | seconds |\n| --- | --- |\n{made.table()}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    haproxy()
    network = Network(("c", "a", "b"))
    studio = FakeStudio(network.outside)
    made = Site(tmp_path_factory.mktemp("hosts"), network, studio)
    try:
        made.start()
        yield made
    finally:
        try:
            made.stop()
        finally:
            studio.stop()
            network.remove()


@pytest.fixture(scope="module")
def load(site: Site, watch: Watch) -> Iterator[Load]:
    made = Load(site.proxy_url)
    yield made
    made.stop()
    watch.times.append(
        (f"requests that failed, of {sum(made.answers.values()) + len(made.failures)}", len(made.failures))
    )


class Case:
    """One project of the site under load, and what has to hold of it in the end."""

    def __init__(self, site: Site, load: Load, watch: Watch, project: int) -> None:
        self.site, self.load, self.watch, self.project = site, load, watch, project
        self.events = 0
        self.control = site.control(project)
        self._failed = len(load.failures)
        self._cut: tuple[float, float] | None = None

    def send(self, number: int) -> str | None:
        """Deliver an event."""
        self.site.studio.add(self.project, number)
        job = self.site.send(created(self.project, number))
        self.events += 1
        return job

    def train(self, number: int) -> str:
        """Have one version made and served by both; return its name."""
        before = len(self.site.published(self.project))
        self.send(number)
        wait_until(lambda: len(self.site.published(self.project)) > before, "a version is published")
        name = self.site.published(self.project)[-1].name
        self.site.wait_served(name, self.project)
        return name

    def comes_to_rest(self) -> str:
        """Wait until nothing is left to do, and see that nothing was lost or done twice; return the newest version."""
        site, project = self.site, self.project
        wait_until(
            lambda: not site.waiting_events(project) and not site.spooled(), "every event has an outcome"
        )
        published = site.published(project)
        events = [event for version in published for event in version.events]
        assert len(events) == len(set(events)) == self.events, published
        assert {version.source for version in published} == {"Label Studio"}
        assert self.control.overlaps == 0
        newest = published[-1].name
        site.wait_served(newest, project)
        digests = {version.name: version.digest for version in published} | {"INITIAL": ""}
        answers = {key: count for key, count in self.load.answers.items() if key[0] == project}
        assert answers
        for _, version, read, written in answers:
            assert read == written == digests[version], "only whole versions that are published answer"
        self._failures_are_of_cut_connections()
        return newest

    def cut_off(self, machine: Machine) -> float:
        """Pull a host's cable, and wait until the proxy has noticed; return when it was pulled."""
        said = len(self.site.proxy_said())
        name = next(name for name, one in self.site.machines.items() if one is machine)
        self.site.network.cut(machine.host)
        cut = time.monotonic()
        noticed = f"Server servers/{name} is DOWN"
        self._cut = (
            cut,
            self.watch.measure(
                "host cut off: the proxy asks the other one only",
                cut,
                lambda: any(line.startswith(noticed) for line in self.site.proxy_said()[said:]),
            ),
        )
        answered = sum(self.load.answers.values())
        wait_until(lambda: sum(self.load.answers.values()) > answered + 50, "predictions go on")
        return cut

    def plug_in(self) -> float:
        """Plug the cable in again; return when."""
        assert self._cut is not None
        time.sleep(max(0.0, self._cut[0] + LASTS - time.monotonic()))
        self.site.network.mend()
        return time.monotonic()

    def _failures_are_of_cut_connections(self) -> None:
        """See that no request failed but those under way while a cable was out that the proxy did not know of."""
        failures = self.load.failures[self._failed :]
        if self._cut is not None:
            cut, noticed = self._cut
            lost = [one for one in failures if one.began <= noticed and one.ended >= cut]
            assert len(lost) <= self.load.askers
            failures = [one for one in failures if one not in lost]
        assert not failures


@contextlib.contextmanager
def case(site: Site, load: Load, watch: Watch, project: int) -> Iterator[Case]:
    """Set up a project and let predictions of it be asked for; afterwards everything is whole again."""
    site.setup(project, 1)
    load.begin(project)
    try:
        yield Case(site, load, watch, project)
    finally:
        site.network.mend()
        site.s3.wake()
        site.go_on()
        site.control(project).open_gate()


def test_a_host_is_cut_off_in_the_middle_of_a_training(site: Site, load: Load, watch: Watch) -> None:
    with case(site, load, watch, 1) as here:
        here.control.close_gate()
        here.send(11)
        first = here.control.wait_for_fit()
        here.send(12)
        gone = site.at_work(1)
        stays = site.other(gone)
        cut = here.cut_off(gone)
        watch.measure("worker cut off: its run has ended", cut, lambda: not alive(first["pid"]))
        again = watch.measure(
            "worker cut off: the run goes on elsewhere", cut, lambda: len(here.control.fits()) == 2
        )
        assert site.at_work(1) is stays
        here.control.open_gate()
        watch.measure(
            "the same, until its version is served",
            again,
            lambda: stays.predict(1)["model_version"] != "INITIAL",
        )
        wait_until(lambda: not site.waiting_events(1), "every event has an outcome")
        assert gone.predict_inside(1)["model_version"] == "INITIAL", "it goes on with what it has"
        back = here.plug_in()
        newest = site.published(1)[-1].name
        watch.measure(
            "host back: its server serves the newest version", back, lambda: _serves(gone, 1, newest)
        )
        _takes_work(site, 101)
        watch.note("host back: its worker trains", back)
        site.wait_both_ready()
        assert here.comes_to_rest() == newest
        assert "crashed" not in gone.worker.output(), "being cut off is no crash of the user's code"


def _serves(machine: Machine, project: int, version: str) -> bool:
    with contextlib.suppress(AssertionError, OSError):
        return bool(machine.predict(project)["model_version"] == version)
    return False


def _takes_work(site: Site, project: int) -> None:
    """See that both workers train at the same time."""
    busy = [project, project + 1]
    try:
        for one in busy:
            site.setup(one, 1)
            site.control(one).close_gate()
            site.send(start_training(one))
        for one in busy:
            site.control(one).wait_for_fit()
        assert {site.at_work(one).host.name for one in busy} == {
            one.host.name for one in site.machines.values()
        }
    finally:
        for one in busy:
            site.control(one).open_gate()
    for one in busy:
        wait_until(lambda one=one: site.published(one), f"project {one} has its version")  # type: ignore[misc]


def test_a_server_is_cut_off_while_a_version_appears(site: Site, load: Load, watch: Watch) -> None:
    with case(site, load, watch, 2) as here:
        first = here.train(11)
        gone = site.machines["b"]
        stays = site.other(gone)
        here.cut_off(gone)
        site.network.forget(gone.host)  # nothing but keep-alives tells a worker that waits in a blocking read
        sent = time.monotonic()
        here.send(12)
        wait_until(lambda: len(site.published(2)) == 2, "a version is published")
        second = site.published(2)[-1].name
        watch.measure(
            "server cut off: an event is trained on and served", sent, lambda: _serves(stays, 2, second)
        )
        assert gone.predict_inside(2)["model_version"] == first, "it goes on with what it has"
        back = here.plug_in()
        watch.measure("server back: it serves the newest version", back, lambda: _serves(gone, 2, second))
        site.wait_both_ready()
        watch.note("server back: the proxy asks it again", back)
        _takes_work(site, 103)
        watch.note("server back: the worker there, that had nothing to do, trains", back)
        assert here.comes_to_rest() == second


def test_redis_is_killed_in_the_middle_of_a_training(site: Site, load: Load, watch: Watch) -> None:
    with case(site, load, watch, 3) as here:
        here.control.close_gate()
        here.send(11)
        here.control.wait_for_fit()
        here.send(12)
        site.redis.kill()
        answered = sum(load.answers.values())
        assert [here.send(number) for number in range(13, 17)] == [None] * 4, "they are kept on the disk"
        wait_until(lambda: sum(load.answers.values()) > answered + 50, "predictions go on")
        time.sleep(LASTS)
        site.redis.start()
        back = time.monotonic()
        watch.measure(
            "Redis back: the events that waited on disks are in it", back, lambda: not site.spooled()
        )
        here.control.open_gate()
        wait_until(lambda: not site.waiting_events(3), "every event has an outcome")
        newest = site.published(3)[-1].name
        site.wait_served(newest, 3)
        watch.note("Redis back: every event is trained on, and served", back)
        assert here.comes_to_rest() == newest
        job_store = JobStore(site.redis.client(), QUEUE)
        wait_until(
            lambda: not [job for job in job_store.jobs.of(uid(3)) if job.running], "no job is left in limbo"
        )


@pytest.mark.parametrize("fault", ["hangs", "is killed"])
def test_the_store_fails_while_a_version_is_published(
    site: Site, load: Load, watch: Watch, fault: str
) -> None:
    project = 4 if fault == "hangs" else 5
    with case(site, load, watch, project) as here:
        first = here.train(11)
        here.control.close_gate()
        here.send(12)
        here.control.wait_for_fit(2)
        site.halt("put")
        here.control.open_gate()
        site.wait_halted("put")
        _fail(site, fault)
        site.go_on()
        assert len(site.published(project)) == 1
        _goes_on(site, load, first, project)
        _heal(site, fault)
        back = time.monotonic()
        watch.measure(
            f"S3 {fault} while a version is published: back until it is published",
            back,
            lambda: len(site.published(project)) == 2,
        )
        newest = site.published(project)[-1].name
        site.wait_served(newest, project)
        watch.note("the same, until both serve it", back)
        assert here.comes_to_rest() == newest
        assert len(here.control.fits()) == 2, "the run was not made again"


@pytest.mark.parametrize("fault", ["hangs", "is killed"])
def test_the_store_fails_while_a_version_is_fetched(site: Site, load: Load, watch: Watch, fault: str) -> None:
    project = 6 if fault == "hangs" else 7
    with case(site, load, watch, project) as here:
        first = here.train(11)
        here.control.close_gate()
        here.send(12)
        here.control.wait_for_fit(2)
        maker = site.at_work(project)
        fetcher = site.other(maker)
        site.halt("get")
        here.control.open_gate()
        site.wait_halted("get")
        _fail(site, fault)
        site.go_on()
        newest = site.published(project)[-1].name
        assert newest != first
        _goes_on(site, load, first, project, fetcher)
        _heal(site, fault)
        back = time.monotonic()
        watch.measure(
            f"S3 {fault} while a version is fetched: back until it is served",
            back,
            lambda: _serves(fetcher, project, newest),
        )
        assert here.comes_to_rest() == newest


def _goes_on(site: Site, load: Load, version: str, project: int, *machines: Machine) -> None:
    """See that predictions of a version go on for a while without the store."""
    answered, until = sum(load.answers.values()), time.monotonic() + LASTS
    wait_until(
        lambda: sum(load.answers.values()) > answered + 50 and time.monotonic() > until, "predictions go on"
    )
    for machine in machines or site.machines.values():
        assert machine.predict(project)["model_version"] == version


def _fail(site: Site, fault: str) -> None:
    if fault == "hangs":
        site.s3.hang()
    else:
        site.s3.kill()


def _heal(site: Site, fault: str) -> None:
    if fault == "hangs":
        site.s3.wake()
    else:
        site.s3.start()
