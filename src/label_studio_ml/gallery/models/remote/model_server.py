"""A model server over HTTP: the open inference protocol (v2), its predecessor (v1), or a JSON object for each task."""

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import httpx

#: Statuses that ask for patience: the same request may succeed later.
BUSY = {429, 502, 503, 504}
#: Characters of a server's error text that a message shows.
LONGEST_CAUSE = 300
#: Bytes of the longest answer that is read.
LONGEST_ANSWER = 64 << 20
#: Requests at the same time, where each task is one.
PARALLEL = 16

logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs each address


class ServerError(Exception):
    """The server gave no answer that can be used; the message says why, without the token."""


class Unreachable(ServerError):
    """The server is away, too slow or too busy: asking again at once for each task would not help."""


class ModelServer:
    """One model on one server. `params` are those of the model class."""

    def __init__(self, params):
        self.params = params
        self.url = params.server_url.rstrip("/")
        self.input = params.input
        if not is_address(self.url):
            raise ValueError("SERVER_URL has to be an address that begins with http:// or https://")
        if params.server_protocol != "json" and params.server_model in ("", ".", ".."):
            raise ValueError("SERVER_MODEL has to be the name of a model")
        self.model = quote(params.server_model, safe="")
        # Each request has a connection of its own: an idle one, which the server may be closing, would cost a batch.
        self.client = httpx.Client(follow_redirects=True, limits=httpx.Limits(max_keepalive_connections=0))

    def answers(self, contents):
        """Return for each of `contents` what the model answers, or the ServerError that says why there is none.

        A content is a text, a list of numbers, a dict of base64 (`{"b64": …}`) or, for the protocol `json`, the data of
        a task. Raises ServerError if the request for all of them was refused or answered in another shape.
        """
        ways = {"v2": self.by_tensors, "v1": self.by_instances, "json": self.by_objects}
        try:
            return ways[self.params.server_protocol](contents)
        except Unreachable as error:
            return [error] * len(contents)
        except (AttributeError, LookupError, TypeError, RecursionError) as error:
            protocol = self.params.server_protocol
            raise ServerError(f"The server's answer is none of SERVER_PROTOCOL={protocol}") from error

    def by_tensors(self, contents):
        """Ask by the open inference protocol (v2), in one request for all: tensors, whose first axis is the tasks."""
        url = f"{self.url}/v2/models/{self.model}"
        if not self.input:
            named = self.ask("get", url).get("inputs") or [{"name": "input-0"}]
            self.input = named[0]["name"]
        request = {"inputs": [{"name": self.input, **tensor(contents)}]}
        if self.params.output:
            request["outputs"] = [{"name": self.params.output}]
        answer = self.ask("post", f"{url}/infer", request)
        outputs = self.found(answer, "outputs") or []
        output = next((each for each in outputs if self.params.output in ("", each["name"])), None)
        if output is None:
            names = ", ".join(each["name"] for each in outputs) or "none"
            raise ServerError(f"The server's answer has no output {self.params.output!r}; it has {names}")
        data = self.found(output, "data")
        values = flat(data if isinstance(data, list) else [data])
        width, rest = divmod(len(values), len(contents))
        if rest or not width:
            raise ServerError(
                f"The answer cannot be divided among the tasks: values: {len(values)}, tasks: {len(contents)}"
            )
        return [values[at * width : (at + 1) * width] for at in range(len(contents))]

    def by_instances(self, contents):
        """Ask by the protocol v1, in one request for all: `instances`, which are answered by as many `predictions`."""
        url = f"{self.url}/v1/models/{self.model}:predict"
        several = self.found(self.ask("post", url, {"instances": contents}), "predictions")
        if not isinstance(several, list) or len(several) != len(contents):
            count = len(several) if isinstance(several, list) else "no list"
            raise ServerError(f"The server's answer has predictions: {count}, tasks: {len(contents)}")
        return [self.found(each, self.params.answer_path) for each in several]

    def by_objects(self, contents):
        """Post each task's data as a JSON object to the server's address; `answer_path` leads to the answer."""

        def answer(data):
            try:
                return self.found(self.ask("post", self.url, data), self.params.answer_path)
            except ServerError as error:
                return error

        with ThreadPoolExecutor(PARALLEL) as pool:
            return list(pool.map(answer, contents))

    def ask(self, method, url, body=None):
        """Return the JSON that the server answers; ask again while it is busy, within `server_timeout` seconds.

        Raises Unreachable or ServerError, with the server's own words.
        """
        parts = urlsplit(url)
        place = (
            f"{parts.hostname}:{parts.port}{parts.path}" if parts.port else f"{parts.hostname}{parts.path}"
        )
        end = time.monotonic() + self.params.server_timeout
        for attempt in range(10):
            try:
                status, patience, content = self.fetched(method, url, body, end)
            except httpx.TimeoutException:
                limit = f"SERVER_TIMEOUT is {self.params.server_timeout:g} s"
                raise Unreachable(f"The server {place} did not answer in time ({limit})") from None
            except (httpx.HTTPError, httpx.InvalidURL) as error:  # its own text may have the whole address
                raise Unreachable(f"The server {place} cannot be reached: {type(error).__name__}") from None
            if content is None:
                raise ServerError(f"The server {place} answered more than {LONGEST_ANSWER >> 20} MiB")
            wait = seconds(patience, 0.5 * 2**attempt)
            if status not in BUSY or time.monotonic() + wait >= end:
                break
            time.sleep(wait)
        words = self.masked(content)[:LONGEST_CAUSE]
        if status >= 400:
            kind = Unreachable if status in BUSY else ServerError
            raise kind(f"The server {place} answered {status}: {words}")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise ServerError(f"The server {place} answered no JSON: {words}") from None

    def fetched(self, method, url, body, end):
        """Return status, header Retry-After and text of an answer; None for the text if it is too long.

        Raises httpx.TimeoutException at the time `end`, and httpx.HTTPError.
        """
        token = self.params.server_token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        left, content = max(end - time.monotonic(), 0.1), bytearray()
        with self.client.stream(method, url, headers=headers, timeout=left, json=body) as answer:
            patience = answer.headers.get("Retry-After", "")
            for part in answer.iter_bytes():
                content += part
                if len(content) > LONGEST_ANSWER:
                    return answer.status_code, patience, None
                if time.monotonic() > end:  # the timeout is of each part
                    raise httpx.ReadTimeout("")
        return answer.status_code, patience, content.decode("utf-8", "replace")

    def found(self, answer, path):
        """Return what a path such as `result.0.label` leads to in decoded JSON. Raises ServerError without it."""
        for name in path.split(".") if path else ():
            try:
                answer = answer[int(name)] if isinstance(answer, list) else answer[name]
            except (LookupError, TypeError, ValueError):
                words = self.masked(str(answer))[:LONGEST_CAUSE]
                raise ServerError(f"The server's answer has no {path!r}: {words}") from None
        return answer

    def masked(self, text):
        """Return a text of the server without the token, which the server may repeat."""
        token = self.params.server_token
        return text.replace(token, "[token]") if token else text


def seconds(retry_after, default):
    """Return the seconds that the header Retry-After asks for; `default` for a date, or without the header."""
    try:
        wait = float(retry_after)
    except ValueError:
        return default
    return wait if wait >= 0 else default  # also for NaN


def is_address(url):
    """Tell whether an address is one of HTTP, with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is none, or brackets
        return False


def tensor(contents):
    """Return datatype, shape and data of a tensor with texts, rows of numbers, or files as base64."""
    if isinstance(contents[0], list):
        if len({len(row) for row in contents}) > 1:
            raise ValueError(
                "The rows have different numbers of columns: name them in the setting column_names"
            )
        return {"datatype": "FP64", "shape": [len(contents), len(contents[0])], "data": flat(contents)}
    words = {"datatype": "BYTES", "shape": [len(contents), 1]}
    if isinstance(contents[0], str):
        return {**words, "data": contents}
    data = [each["b64"] for each in contents]
    return {**words, "data": data, "parameters": {"content_type": "base64"}}


def flat(data):
    """Return the values of a tensor, which may be nested, as one list."""
    return [value for each in data for value in (flat(each) if isinstance(each, list) else [each])]
