"""Sample tasks in a real Label Studio: it imports those of all its templates, and its page loads each kind."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from label_studio_sdk.label_interface import LabelInterface

from label_studio_ml import samples

from .browser import Browser
from .conftest import StartStudio
from .processes import wait_until
from .studio import Json, Studio
from .test_label_config_templates import templates

#: Tasks of each label config: the first ones differ in script, format and shape.
TASKS = 3


def distinct_templates(studio_venv: Path) -> dict[str, str]:
    """Return the templates without those whose label config another one has, too."""
    return {config: name for name, config in reversed(templates(studio_venv).items())}


def test_the_sdk_finds_every_field_of_all_templates(studio_venv: Path) -> None:
    lacking = {
        name: sorted(task["data"])
        for name, config in templates(studio_venv).items()
        for task in samples.tasks(config, TASKS)
        if not LabelInterface(config).validate_task(task)
    }
    assert lacking == {}


def _import(studio: Studio, configs: dict[str, str]) -> dict[str, str]:
    """Import tasks for each label config into a project of its own; return what Label Studio refused."""
    refused = {}
    for config, name in configs.items():
        project = studio.create_project("Samples", config)
        body = samples.tasks(config, TASKS)
        try:
            answer = studio.call("POST", f"/api/projects/{project}/import", json=body)
            assert answer["task_count"] == TASKS
        except AssertionError as error:
            refused[name] = str(error)
    return refused


def _kinds(config: str) -> set[str]:
    """Return the attributes of a label config that refer to fields, with their tags."""
    return set(re.findall(r'<(\w+)[^>]*? (?:value|valueList|on|audioUrl)="\$', config))


def test_label_studio_imports_tasks_for_each_kind_of_field(label_studio: Studio, studio_venv: Path) -> None:
    seen: set[str] = set()
    chosen = {}
    for config, name in distinct_templates(studio_venv).items():
        if _kinds(config) - seen:
            seen |= _kinds(config)
            chosen[config] = name
    assert len(chosen) >= 8
    assert _import(label_studio, chosen) == {}


@pytest.mark.soak
def test_label_studio_imports_tasks_for_all_templates(label_studio: Studio, studio_venv: Path) -> None:
    assert _import(label_studio, distinct_templates(studio_venv)) == {}


#: Most kinds of objects on one page.
PAGE = """<View>
    <Image name="image" value="$image"/>
    <Audio name="audio" value="$audio"/>
    <Video name="video" value="$video" frameRate="25"/>
    <TimeSeries name="series" value="$csv" timeColumn="time" timeFormat="%Y-%m-%d %H:%M:%S">
        <Channel column="speed"/><Channel column="Heat"/></TimeSeries>
    <HyperText name="html" value="$html"/>
    <Paragraphs name="dialogue" value="$dialogue" layout="dialogue"/>
    <Table name="table" value="$table"/>
    <Text name="text" value="$text"/>
    <Pdf name="pdf" value="$pdf"/>
    <Choices name="choice" toName="text" value="$options"/>
    <Rating name="rating" toName="text"/></View>"""

#: Objects with other attributes, which load in other ways.
OTHER_PAGES = {
    "sound of a video": """<View><Video name="video" value="$video" sync="a"/>
        <Audio name="audio" value="$video" sync="a"/><Rating name="rating" toName="audio"/></View>""",
    "sound of a dialogue": """<View><Paragraphs name="dialogue" value="$dialogue" audioUrl="$sound" layout="dialogue"
        contextScroll="true"/><Rating name="rating" toName="dialogue"/></View>""",
    "one channel": """<View><TimeSeries name="series" value="$csv"><Channel column="speed"/></TimeSeries>
        <Rating name="rating" toName="series"/></View>""",
    "no header": """<View><TimeSeries name="series" value="$csv" sep="tab" timeColumn="0"><Channel column="2"/>
        </TimeSeries><Rating name="rating" toName="series"/></View>""",
    "series in the task": """<View><TimeSeries name="series" value="$series" valueType="json" timeColumn="T">
        <Channel column="Speed"/></TimeSeries><Rating name="rating" toName="series"/></View>""",
    "html in csv": """<View><HyperText name="html" value="$page" resolver="csv|column=page"/>
        <Table name="table" value="$csv" valueType="csv|url"/><Rating name="rating" toName="html"/></View>""",
    "lists": """<View><Repeater on="$pages"><Image name="image_{{idx}}" value="$pages[{{idx}}].url"/></Repeater>
        <List name="list" value="$items"/><Ranker name="rank" toName="list"/><Header value="No. $number"/>
        <Taxonomy name="tree" toName="list" value="$tree"/></View>""",
    "pages": """<View><Image name="image" valueList="$pages"/><Rating name="rating" toName="image"/></View>""",
}

#: Objects that Label Studio loads from http(s) addresses and its own paths only.
ADDRESSES = """<View><Text name="text" value="$text" valueType="url"/>
    <HyperText name="html" value="$html" valueType="url"/>
    <Paragraphs name="dialogue" value="$dialogue" valueType="url"/><Rating name="rating" toName="text"/></View>"""

#: By type of object: JavaScript that tells whether its data have come, as its own code or element sees them.
LOADED = """() => {
    const selected = window.Htx?.annotationStore?.selected;
    if (!selected?.objects?.length) return null;
    const seen = (tag) => [...document.querySelectorAll(tag)].some((element) => element.readyState >= 2);
    const rules = {
        image: () => [...document.querySelectorAll('img')].some((image) => image.naturalWidth >= 96),
        audio: () => seen('audio'),
        video: (item) => seen('video') && item.length > 1,
        timeseries: (item) => Object.values(item.dataObj ?? {}).some((column) => column.length >= 24),
        hypertext: (item) => [...document.querySelectorAll('iframe')].some(
            (frame) => frame.contentDocument?.querySelector('h2')),
        text: (item) => !!item._value,
        paragraphs: (item) => item._value?.length > 2,
        table: () => document.querySelectorAll('td').length > 3,
        list: (item) => item._value?.length > 2,
        pdf: () => !!document.querySelector('embed'),
    };
    return Object.fromEntries(selected.objects.map((item) => [item.type, !!rules[item.type](item)])) }"""

#: The messages of the page about data that it could not load.
COMPLAINTS = """() => [
    ...(window.Htx?.annotationStore?.validation ?? []).map((error) => JSON.stringify(error)),
    ...(document.body.innerText.match(/There was an issue loading.*/g) ?? []),
]"""


class Viewer:
    """A logged-in page that opens tasks and collects its errors."""

    def __init__(self, studio: Studio, browser: Browser) -> None:
        self.studio, self.browser = studio, browser
        self.page: Any = browser.logged_in(studio)
        self.page_errors: list[str] = []
        self.page.on("pageerror", lambda error: self.page_errors.append(str(error)))

    def check(self, config: str, tasks: list[Json], project: int | None = None, name: str = "") -> None:
        """Open each task and assert that all of its objects load and the page complains about nothing."""
        project = project or self.studio.create_project("Samples", config)
        path = f"/api/projects/{project}/import?return_task_ids=true"
        for number, task in enumerate(self.studio.call("POST", path, json=tasks)["task_ids"]):
            self.page_errors.clear()
            self.page.goto(f"{self.studio.url}/projects/{project}/data?task={task}")
            states: list[Any] = []

            def is_loaded(states: list[Any] = states) -> bool:
                states[:] = [self.page.evaluate(LOADED)]
                return bool(states[0]) and all(states[0].values())

            try:
                wait_until(is_loaded, "the page loads everything", 60.0)
            except AssertionError:
                shown = self.browser.keep(self.page, f"samples-{name}-{number}")
                raise AssertionError(
                    f"{name}: {states} {self.page.evaluate(COMPLAINTS)}, see {shown}"
                ) from None
            assert self.page.evaluate(COMPLAINTS) + self.page_errors == []


@pytest.fixture(scope="module")
def viewer(label_studio: Studio, browser: Browser) -> Viewer:
    return Viewer(label_studio, browser)


def test_the_labelling_page_loads_what_is_in_tasks(viewer: Viewer) -> None:
    viewer.check(PAGE, samples.tasks(PAGE, 2), name="page")


@pytest.mark.soak
@pytest.mark.parametrize("name", OTHER_PAGES)
def test_the_labelling_page_loads_other_data(viewer: Viewer, name: str) -> None:
    viewer.check(OTHER_PAGES[name], samples.tasks(OTHER_PAGES[name], TASKS), name=name)


@pytest.mark.soak
def test_the_labelling_page_loads_tasks_in_every_script_and_format(viewer: Viewer) -> None:
    viewer.check(PAGE, samples.tasks(PAGE, 10, seed=1), name="formats")


@pytest.mark.soak
def test_the_labelling_page_loads_files(start_studio: StartStudio, browser: Browser, tmp_path: Path) -> None:
    """Label Studio's page and `get_local_path` find the files at the addresses in the tasks."""
    from label_studio_ml.studio.files.fetch import FileAccess

    env = {"LOCAL_FILES_SERVING_ENABLED": "true", "LOCAL_FILES_DOCUMENT_ROOT": str(tmp_path)}
    studio = start_studio(env=env).wait()
    viewer = Viewer(studio, browser)
    for number, config in enumerate((PAGE, ADDRESSES, *OTHER_PAGES.values())):
        folder = tmp_path / f"samples {number}"
        tasks = samples.tasks(config, 2, files=folder)
        project = studio.create_project("Samples", config)
        storage = {"project": project, "title": "files", "path": str(folder), "use_blob_urls": True}
        studio.call("POST", "/api/storages/localfiles", json=storage)
        viewer.check(config, tasks, project, name=f"files-{number}")
        access = FileAccess(studio_url=studio.url, token=studio.token, cache_dir=tmp_path / "cache")
        addresses = re.findall(r"/data/local-files/\?d=[^\"\\]+", json.dumps(tasks))
        for address in addresses:
            assert Path(access.local_path(address)).stat().st_size > 20
        assert len(addresses) == len(list(folder.iterdir()))
