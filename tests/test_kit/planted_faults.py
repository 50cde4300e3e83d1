"""Faults in model files, each planted alone into a right model, and what `label-studio-ml test` must say of it."""

# ruff: noqa: E501 (code of models, as it is)
from dataclasses import dataclass

from .hang_limits import HANGS


@dataclass(frozen=True)
class Fault:
    """A fault: `old` of the model `base` is replaced by `new`.

    The check that finds it, the field that it names, and a part of its fix; `at` is a part of the line that it points
    to, empty for the line of a method. `others` are further checks that fail with reason.
    """

    name: str
    base: str
    old: str
    new: str
    check: str
    field: str
    fix: str
    at: str = ""
    others: tuple[str, ...] = ()


_CLASS = "class TextModel(LabelStudioMLBase):"
_LOOP = "        predictions = []\n"
_TEXT = '            text = str(task["data"].get(self.control.field) or "")'
_APPEND = '            predictions.append({"result": [region], "score": 1 / (1 + len(text))})'
_RETURN = "        return predictions\n\n    def fit"
_SETUP = '        self.control = self.controls.first("Choices", on="Text")'
_REGION = "            region = regions.choices(self.control, label, score=0.5)"
_FIT = "        weights = {}\n        for example"
_OUTPUT = '        return {"weights_file": str(weights_file), "words": len(weights)}'
#: Writes the weights by the C code of SQLite.
_SQLITE = """        database = __import__('sqlite3').connect(Path(__file__).parent / '{}')
        database.execute('CREATE TABLE IF NOT EXISTS weights (word TEXT PRIMARY KEY, number)')
        database.executemany('REPLACE INTO weights VALUES (?, ?)', weights.items())
        database.commit()
        database.close()"""
_LOADS = "            self.weights = json.loads(Path(name).read_text())"


def _own(
    from_name: str = "label", to_name: str = "text", kind: str = "choices", value: str = "[label]"
) -> str:
    return (
        f'            region = {{"from_name": "{from_name}", "to_name": "{to_name}", "type": "{kind}", '
        f'"value": {{"choices": {value}}}}}'
    )


def text(
    name: str, old: str, new: str, check: str, field: str, fix: str, at: str = "", *others: str
) -> Fault:
    return Fault(name, "text", old, new, check, field, fix, at, others)


FAULTS = [
    # What predict returns
    text(
        "one prediction too few",
        _RETURN,
        "        return predictions[1:]\n\n    def fit",
        "count",
        "predictions",
        "one prediction for each task",
    ),
    text(
        "nothing for tasks without a guess",
        _APPEND,
        f"            if len(text) % 2:\n    {_APPEND}",
        "count",
        "predictions",
        "one prediction for each task",
    ),
    text(
        "label not in the label config",
        _REGION,
        _own(value='["other"]'),
        "regions",
        "choices",
        "label",
        at='["other"]',
    ),
    text("wrong to_name", _REGION, _own(to_name="image"), "regions", "to_name", "to_name", at='"image"'),
    text(
        "wrong from_name",
        _REGION,
        _own(from_name="sentiment"),
        "regions",
        "from_name",
        "from_name",
        at='"sentiment"',
    ),
    text("wrong type", _REGION, _own(kind="labels"), "regions", "type", "type", at='"labels"'),
    text(
        "score in percent",
        _APPEND,
        _APPEND.replace("1 / (1 + len(text))", "50.0"),
        "regions",
        "score",
        "probability",
    ),
    Fault(
        "pixels for percent",
        "box",
        "            predictions.append(regions.prediction(box))",
        '            box["value"]["width"] = width / 2 * 100\n            predictions.append(regions.prediction(box))',
        "regions",
        "x",
        "picture",
    ),
    Fault(
        "offsets in bytes",
        "span",
        "start + len(words[0])",
        "start + 40 * len(text.encode())",
        "regions",
        "end",
        "text",
    ),
    text(
        "NaN as score",
        _APPEND,
        _APPEND.replace("1 / (1 + len(text))", 'float("nan")'),
        "finite",
        "score",
        "null",
    ),
    text(
        "an object that is no JSON",
        _APPEND,
        _APPEND.replace('"score"', '"model": self, "score"'),
        "json",
        "prediction",
        "dicts, lists, texts",
    ),
    text(
        "None for each task",
        _RETURN,
        _RETURN.replace("return predictions", "return [None for _ in predictions]"),
        "json",
        "prediction",
        "before the first training, [] for all tasks",
    ),
    # What predict does besides
    text(
        "results kept between calls",
        _LOOP,
        "        predictions = self.__dict__.setdefault('kept', [])\n",
        "repeat",
        "predictions",
        "Keep no results",
    ),
    text(
        "random scores",
        _APPEND,
        _APPEND.replace("1 / (1 + len(text))", "__import__('random').random()"),
        "repeat",
        "score",
        "seed random numbers",
    ),
    text(
        "sorted by score",
        _RETURN,
        "        return sorted(predictions, key=lambda each: each['score'])\n\n    def fit",
        "order",
        "predictions",
        "order of `tasks`",
    ),
    text(
        "scores scaled over the batch",
        _APPEND,
        _APPEND.replace("1 / (1 + len(text))", "1 / (1 + len(tasks))"),
        "batch",
        "score",
        "from its own task",
    ),
    text(
        "task changed in place",
        _TEXT,
        f'{_TEXT}\n            task["data"]["label"] = "seen"',
        "task-changed",
        "data.label",
        "deepcopy",
    ),
    text(
        "file left open",
        _TEXT,
        f'{_TEXT}\n            self.__dict__.setdefault("files", []).append(open(__file__))',
        "open-files",
        "model.py",
        "with block",
    ),
    text(
        "thread left running",
        _LOOP,
        f"        __import__('threading').Thread(target=__import__('time').sleep, args=(600,), daemon=True).start()\n{_LOOP}",
        "threads",
        "Thread-",
        "Join threads",
    ),
    text(
        "memory kept",
        _LOOP,
        f"        self.__dict__.setdefault('cache', []).append(b'x' * 12_000_000)\n{_LOOP}",
        "memory",
        "memory",
        "caches without a limit",
    ),
    text(
        "state shared by calls at once",
        _TEXT,
        f"{_TEXT}\n            self.text = text\n            text = self.text",
        "concurrency",
        "concurrency",
        "local variables",
    ),
    text(
        "labels of the first project",
        f"{_CLASS}\n",
        f"LABELS = []\n\n\n{_CLASS}\n",
        "two-projects",
        "label_config",
        "module globals",
    ),
    text(
        "NaN for an empty text",
        _APPEND,
        _APPEND.replace("1 / (1 + len(text))", "0.5 if text else float('nan')"),
        "empty-data",
        "text",
        "NaN and infinity as null",
        "",
        "null-data",
        "missing-data",
    ),
    text(
        "labels in a global",
        f"{_CLASS}\n",
        f"LABELS = []\n\n\n{_CLASS}\n",
        "two-projects",
        "predictions",
        "module globals",
    ),
    text(
        "the only control of the label config",
        _SETUP,
        "        self.control = self.controls[-1]",
        "unknown-tags",
        "label_config",
        "by its tag",
    ),
    # Data
    text(
        "crash on an empty text",
        _TEXT,
        f"{_TEXT}\n            text.split()[0] if text is not None else ''",
        "empty-data",
        "text",
        "{'result': []}",
        "split()",
        "null-data",
        "missing-data",
    ),
    text(
        "crash on null",
        _TEXT,
        '            text = task["data"].get(self.control.field, "").strip()',
        "null-data",
        "text",
        "{'result': []}",
        "strip()",
        "wrong-type-data",
    ),
    text(
        "crash on a missing key",
        _TEXT,
        '            text = str(task["data"][self.control.field] or "")',
        "missing-data",
        "text",
        ".get(",
        'task["data"][self',
    ),
    text(
        "crash on letters beyond ASCII",
        _TEXT,
        f'{_TEXT}\n            text.encode("latin-1")',
        "predict",
        "text",
        "Correct predict",
        'encode("latin-1")',
    ),
    text(
        "endless loop for a long text",
        _TEXT,
        f"{_TEXT}\n            if len(text) > 100_000: {HANGS}\n            while len(text) > 100_000: pass",
        "huge-data",
        "process",
        "in time",
        "while len",
    ),
    Fault(
        "a broken picture ends the batch",
        "box",
        "            if item.size is None:",
        "            if False:",
        "unreadable-file",
        "image",
        "get_local_path",
        "item.size",
        ("null-data", "empty-data", "missing-data", "wrong-type-data", "huge-data"),
    ),
    Fault(
        "a table of colour modes",
        "box",
        "            width, height = item.size",
        "            {'L': 1, 'P': 1, 'RGB': 3, 'RGBA': 4}[__import__('PIL.Image').Image.open(item.path).mode]\n            width, height = item.size",
        "file-formats",
        "image",
        "exif_transpose",
        ".mode]",
    ),
    Fault(
        "EXIF rotation ignored",
        "box",
        "size=item.size,",
        "size=__import__('PIL.Image').Image.open(item.path).size,",
        "file-formats",
        "image",
        "exif_transpose",
    ),
    Fault(
        "a picture of one pixel",
        "box",
        "            width, height = item.size",
        "            width, height = item.size\n            1 / (width - 1)",
        "tiny-files",
        "image",
        "{'result': []}",
        "1 / (width",
    ),
    Fault(
        "a very large picture",
        "box",
        "            width, height = item.size",
        "            width, height = item.size\n            [1][width // 9000]",
        "huge-data",
        "image",
        "length",
        "width // 9000",
    ),
    # Clicks
    Fault(
        "percent taken for pixels",
        "click",
        "            x, y = regions.key_point_of(last)",
        '            x, y = last["value"]["x"], last["value"]["y"]',
        "click-regions",
        "value",
        "key_point_of",
    ),
    Fault(
        "each click is a point",
        "click",
        '        label = last["value"]',
        '        last["is_positive"]\n        label = last["value"]',
        "click",
        "context",
        "by its type",
        'last["is_positive"]',
    ),
    Fault(
        "clicks kept in the model",
        "click",
        "score=0.9",
        "score=1 / len(self.clicks)",
        "click-repeat",
        "context",
        "Keep no clicks",
    ),
    Fault(
        "regions of any type are clicks",
        "click",
        ' if each["type"] in KNOWN',
        "",
        "click-unknown",
        "context",
        "a type that the class knows",
        '["original_width"]',
    ),
    # The process
    text(
        "sys.exit in predict",
        _LOOP,
        f"        if not self.weights:\n            __import__('sys').exit('no weights')\n{_LOOP}",
        "predict",
        "text",
        "instead of ending",
        "exit(",
    ),
    text(
        "the process ends",
        _TEXT,
        f"{_TEXT}\n            if not text:\n                __import__('os')._exit(3)",
        "empty-data",
        "process",
        "instead of ending",
        "",
        "null-data",
        "missing-data",
    ),
    text(
        "a question on the terminal",
        _SETUP,
        f"{_SETUP}\n        try:\n            input('Weights? ')\n        except EOFError:\n            pass",
        "stdin",
        "standard input",
        "nobody can answer",
        "input(",
    ),
    text(
        "working folder changed",
        _SETUP,
        f"{_SETUP}\n        __import__('os').chdir('/')",
        "working-folder",
        "/",
        "absolute paths",
        "chdir",
    ),
    text(
        "environment variable changed",
        _LOOP,
        f"        __import__('os').environ['MODE'] = 'predict'\n{_LOOP}",
        "environment",
        "MODE",
        "as arguments",
        "environ",
    ),
    text(
        "a time limit for all sockets",
        _LOOP,
        f"        __import__('socket').setdefaulttimeout(5)\n{_LOOP}",
        "process-settings",
        "socket.setdefaulttimeout",
        "each connection",
        "setdefaulttimeout",
    ),
    text(
        "a handler of SIGTERM",
        f"\n\n{_CLASS}",
        f"\n\n__import__('signal').signal(15, lambda *arguments: None)\n\n\n{_CLASS}",
        "process-settings",
        "signal.signal",
        "Leave signals to the server",
        "signal(15",
    ),
    text(
        "a lower limit of open files",
        _SETUP,
        f"{_SETUP}\n        import resource\n        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "        resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))",
        "process-settings",
        "resource.setrlimit",
        "Leave the limits",
        "setrlimit(",
    ),
    text(
        "a handler set in predict",
        _LOOP,
        f"        __import__('signal').signal(14, lambda *arguments: None)\n{_LOOP}",
        "predict",
        "",
        "Correct predict",
        "signal(14",
    ),
    text(
        "processes left behind",
        _LOOP,
        f"        import os\n        if not os.fork():\n            os._exit(0)\n{_LOOP}",
        "processes",
        "process ",
        "subprocess.run",
    ),
    text(
        "network at import",
        f"\n\n{_CLASS}",
        f"\n\ntry:\n    __import__('urllib.request').request.urlopen('http://192.0.2.1/weights')\nexcept OSError:\n    pass\n\n{_CLASS}",
        "import-network",
        "192.0.2.1",
        "setup()",
        "urlopen",
    ),
    text(
        "a file beside the model is missing",
        _SETUP,
        f"{_SETUP}\n        self.words = Path('words.txt').read_text()",
        "build",
        "label_config",
        "setup()",
        "words.txt",
    ),
    # Training
    text(
        "fit raises",
        _FIT,
        _FIT.replace("weights = {}", "weights = {}.pop('no')"),
        "fit",
        "annotations",
        "Correct fit",
        "pop(",
    ),
    text(
        "fit sets a time limit for all sockets",
        _FIT,
        f"        __import__('socket').setdefaulttimeout(5)\n{_FIT}",
        "fit-side-effects",
        "socket.setdefaulttimeout",
        "each connection",
        "setdefaulttimeout",
    ),
    text(
        "fit writes into the working folder",
        _OUTPUT,
        f"        Path(__file__).with_name('weights.json').write_text('x')\n{_OUTPUT}",
        "fit-folder",
        "weights.json",
        "workdir",
        "write_text",
    ),
    text(
        "wrong to_name after a training",
        _REGION,
        f'{_REGION}\n            region["to_name"] = "image" if self.weights else "text"',
        "fit-regions",
        "to_name",
        "label_studio_ml.regions",
    ),
    text(
        "NaN after a training",
        _APPEND,
        _APPEND.replace("1 / (1 + len(text))", 'float("nan" if self.weights else 1)'),
        "fit-regions",
        "score",
        "null",
    ),
    text(
        "a prediction too many after a training",
        _RETURN,
        "        return [*predictions, {}] if self.weights else []\n\n    def fit",
        "fit-regions",
        "predictions",
        "one prediction for each task",
    ),
    text(
        "fit returns what is no JSON",
        _OUTPUT,
        _OUTPUT.replace("len(weights)", "len"),
        "fit-output",
        "words",
        "into a file",
    ),
    text(
        "weights not loaded",
        "        if name:",
        "        if name and self.weights:",
        "fit-reload",
        "train_output",
        "self.train_output",
    ),
    text(
        "other weights saved than learnt",
        "        weights_file.write_text(json.dumps(weights))",
        "        self.weights = weights\n        weights_file.write_text(json.dumps({word: n + 1 for word, n in weights.items()}))",
        "fit-reload",
        "train_output",
        "order of labels",
    ),
    text(
        "native code writes beside the model file",
        _OUTPUT,
        f"{_SQLITE.format('weights.db')}\n{_OUTPUT}",
        "fit-folder",
        "weights.db",
        "workdir",
    ),
    text(
        "native code keeps weights at a path of its own",
        _OUTPUT,
        f"{_SQLITE.format('../own.db')}\n{_OUTPUT}",
        "fit-folder",
        "workdir",
        "workdir",
    ),
    text(
        "annotations without regions",
        _FIT,
        f"        [task['annotations'][0]['result'][0] for task in annotations]\n{_FIT}",
        "fit-empty-results",
        "result",
        "result is empty",
        "['result'][0]",
    ),
    text(
        "an absolute path in a file",
        _OUTPUT,
        f"{_OUTPUT.replace('str(weights_file)', 'str(self.pointer(weights_file))')}\n\n    def pointer(self, path):\n        pointer = path.with_suffix('.txt')\n        pointer.write_text(str(path))\n        return pointer",
        "fit-moved",
        "train_output",
        "relative to the version's folder",
    ),
    text(
        "one label only",
        "        if len(set(weights.values())) < 2:\n            raise",
        "        [][1 if len(set(weights.values())) < 2 else slice(0)]\n        if False:\n            raise",
        "fit-one-class",
        "annotations",
        "at least 2 different labels",
        "[][1",
        "fit-no-annotations",
    ),
    text(
        "fit cannot be cancelled",
        "            if job.cancelled:\n                return {}",
        f"            while workdir.endswith('-cancelled'): {HANGS}; __import__('time').sleep(0.1)",
        "fit-cancel",
        "process",
        "job.cancelled",
        "sleep",
    ),
    text(
        "fit changes the environment",
        _FIT,
        f"        __import__('os').environ['SEED'] = '1'\n{_FIT}",
        "fit-side-effects",
        "SEED",
        "arguments",
        "environ",
    ),
    Fault(
        "skipped annotations learnt",
        "event",
        '        if annotation.get("was_cancelled"):\n            return\n',
        "",
        "fit-skipped",
        "was_cancelled",
        "was_cancelled",
    ),
    Fault(
        "skipped annotations have no first region",
        "event",
        '        if annotation.get("was_cancelled"):\n',
        '        first = annotation["result"][0]\n        if annotation.get("was_cancelled"):\n',
        "fit-skipped",
        "was_cancelled",
        "was_cancelled",
        '["result"][0]',
        ("fit-empty-results",),
    ),
]

#: What some faults need at a second place, by name.
FURTHER: dict[str, tuple[str, str]] = {
    "native code keeps weights at a path of its own": (
        _LOADS,
        "            self.weights = dict(__import__('sqlite3').connect(Path(__file__).parent / '../own.db').execute('SELECT * FROM weights'))",
    ),
    "clicks kept in the model": (
        "        last = drawn[-1]",
        "        self.clicks = [*getattr(self, 'clicks', []), *drawn]\n        last = drawn[-1]",
    ),
    "labels of the first project": (
        "        self.labels = list(self.control.label_names)",
        "        LABELS.extend([] if LABELS else self.control.label_names)\n        self.labels = LABELS",
    ),
    "labels in a global": (
        "        self.labels = list(self.control.label_names)",
        "        LABELS[:] = list(self.control.label_names)\n        self.labels = LABELS",
    ),
    "an absolute path in a file": (
        "json.loads(Path(name).read_text())",
        "json.loads(Path(Path(name).read_text()).read_text()) if Path(Path(name).read_text()).exists() else {}",
    ),
}

#: Label configs of models that need their own, by the model's name.
CONFIGS = {
    "click": """<View><Image name="image" value="$image"/>
<KeyPointLabels name="click" toName="image" smart="true"><Label value="Cat"/><Label value="Dog"/></KeyPointLabels>
<RectangleLabels name="drag" toName="image" smart="true"><Label value="Cat"/><Label value="Dog"/></RectangleLabels>
<BrushLabels name="mask" toName="image"><Label value="Cat"/><Label value="Dog"/></BrushLabels></View>"""
}
