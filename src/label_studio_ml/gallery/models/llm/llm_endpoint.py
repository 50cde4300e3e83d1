"""An endpoint with OpenAI's chat API: requests with retries, and limits on time, parallel requests and spending."""

import asyncio
import email.utils
import json
import logging
import math
import re
import time
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import httpx

#: Statuses after which the same request may succeed later.
PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}
#: Seconds after which a call of `predict` gives up tasks that still wait; the backend ends a call after 190 s.
LONGEST_CALL = 170.0
#: Characters of an endpoint's error text that a message shows.
LONGEST_CAUSE = 300
#: Bytes of the longest response that is read.
LONGEST_RESPONSE = 8 << 20
#: Characters of a token, for endpoints that do not report `usage`.
CHARACTERS_PER_TOKEN = 4
#: The login that an address has after `//`. A password may contain `/`, `?` and `#`, which should have been encoded; a
#: number after a host is its port.
LOGIN = re.compile(r"[^/?#\\]*@|[^/?#\\:@\[]*:(?!\d{1,5}(?:[/?#\\]|$)).*@", re.DOTALL)

logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs each request


class EndpointError(Exception):
    """The endpoint gave no answer; the message says why, without the key."""


@dataclass
class Usage:
    """Requests that were answered, their tokens, and their cost in the currency of the prices."""

    requests: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0
    cost: float = 0.0

    def add(self, other):
        """Add what another `Usage` has counted."""
        self.requests += other.requests
        self.prompt_tokens += other.prompt_tokens
        self.answer_tokens += other.answer_tokens
        self.cost += other.cost

    def __str__(self):
        tokens = f"{self.prompt_tokens} + {self.answer_tokens} tokens"
        return f"{self.requests} answers, {tokens}" + (f", cost {self.cost:.6f}" if self.cost else "")


#: What this process has spent since its start, for all projects and versions.
SPENT = Usage()


class Endpoint:
    """The chat completions of one model at one address. `settings` are the model's params, `key` may be empty."""

    def __init__(self, settings, key=""):
        self.settings = settings
        self.url = settings.llm_url.rstrip("/") + "/chat/completions"
        self.place, password = without_login(settings.llm_url)
        self._secrets = [secret for secret in (key, password, unquote(password)) if secret]
        if not is_address(settings.llm_url):
            advice = "; write /, ? and # in its password as %2F, %3F and %23" if password else ""
            raise ValueError(
                f"LLM_URL has to be an address such as http://localhost:8080/v1, not {self.place!r}{advice}"
            )
        self._key = key
        self._slots = asyncio.Semaphore(settings.llm_concurrency)

    def client(self):
        """Return an HTTP client for the requests of one call of `predict`."""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return httpx.AsyncClient(headers=headers, timeout=self.settings.llm_timeout)

    async def answer(self, client, messages, schema):
        """Return the text that the model answers with, and its `Usage`. Raises EndpointError."""
        body = {
            "model": self.settings.llm_model,
            "messages": messages,
            "temperature": self.settings.llm_temperature,
            "max_tokens": self.settings.llm_max_tokens,
        }
        if self.settings.llm_format == "json_schema":
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "labels", "strict": True, "schema": schema},
            }
        elif self.settings.llm_format == "json_object":
            body["response_format"] = {"type": "json_object"}
        try:
            async with asyncio.timeout(LONGEST_CALL), self._slots, asyncio.timeout(self.settings.llm_timeout):
                self._check_budget()
                content = await self._send(client, body)
        except TimeoutError:
            limit = f"LLM_TIMEOUT is {self.settings.llm_timeout:g} s"
            raise EndpointError(f"The endpoint {self.place} did not answer in time ({limit})") from None
        text, usage = self._read(content, messages)
        SPENT.add(usage)
        return text, usage

    async def _send(self, client, body):
        """Return the text of the first response with status 200; try again after passing failures."""
        for attempt in range(self.settings.llm_retries + 1):
            wait = min(0.5 * 2**attempt, 20)
            try:
                status, headers, content = await self._post(client, body)
            except httpx.TimeoutException:
                raise TimeoutError from None
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                cause = f"The endpoint {self.place} cannot be reached: {error or type(error).__name__}"
            else:
                if status == 200:
                    return content
                cause = f"The endpoint answered {status}: {self._without_key(content)[:LONGEST_CAUSE]}"
                if status not in PASSING:
                    break
                wait = seconds_to_wait(headers.get("Retry-After"), wait)
            if attempt == self.settings.llm_retries or wait > self.settings.llm_timeout:
                break
            await asyncio.sleep(wait)
        raise EndpointError(self._without_key(cause))

    async def _post(self, client, body):
        """Return status, headers and text of a response. Raises EndpointError if it is too long."""
        content = bytearray()
        async with client.stream("POST", self.url, json=body) as response:
            async for part in response.aiter_bytes():
                content += part
                if len(content) > LONGEST_RESPONSE:
                    raise EndpointError(
                        f"The endpoint's response is longer than {LONGEST_RESPONSE >> 20} MiB"
                    )
        return response.status_code, response.headers, content.decode("utf-8", "replace")

    def _read(self, content, messages):
        """Return text and usage of a response. Raises EndpointError if it is no chat completion."""
        try:
            body = json.loads(content)
            text = body["choices"][0]["message"]["content"]
            if not isinstance(text, str):
                raise TypeError
        except (ValueError, LookupError, TypeError, RecursionError):
            cause = self._without_key(content)[:LONGEST_CAUSE]
            raise EndpointError(f"The endpoint's response is no chat completion: {cause}") from None
        usage = body.get("usage")
        counts = usage if isinstance(usage, dict) else {}
        asked, answered = counts.get("prompt_tokens"), counts.get("completion_tokens")
        if not (is_count(asked) and is_count(answered)):
            asked, answered = (
                len(json.dumps(messages)) // CHARACTERS_PER_TOKEN,
                len(text) // CHARACTERS_PER_TOKEN,
            )
        cost = (asked * self.settings.llm_price_prompt + answered * self.settings.llm_price_answer) / 1e6
        return text, Usage(1, asked, answered, cost)

    def _check_budget(self):
        tokens, cost = self.settings.llm_token_budget, self.settings.llm_cost_budget
        if tokens and SPENT.prompt_tokens + SPENT.answer_tokens >= tokens:
            raise EndpointError(
                f"The budget of {tokens} tokens is spent. Raise LLM_TOKEN_BUDGET, or restart the backend"
            )
        if cost and SPENT.cost >= cost:
            raise EndpointError(
                f"The budget of {cost:g} is spent. Raise LLM_COST_BUDGET, or restart the backend"
            )

    def _without_key(self, text):
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return text


def without_login(url):
    """Return an address for messages, without a login, and the login's password, or its user if it has none."""
    scheme, slashes, rest = url.partition("//")
    login = LOGIN.match(rest)
    if login is None:
        return url, ""
    user, _, password = login[0][:-1].partition(":")
    return scheme + slashes + rest[login.end() :], password or user


def is_address(url):
    """Tell whether an endpoint's address is one of HTTP, with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is none, or brackets
        return False


def is_count(tokens):
    """Tell whether an endpoint's number of tokens can be one."""
    return isinstance(tokens, int) and 0 <= tokens < 1 << 40


def seconds_to_wait(retry_after, default):
    """Return the seconds that the header Retry-After asks for, as a number or a date; `default` without one."""
    if not retry_after:
        return default
    try:
        wait = float(retry_after)
        return default if math.isnan(wait) else max(0.0, wait)
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, OverflowError):
        return default
