"""The files of sample tasks, as a backend fetches them."""

from urllib.parse import urlsplit

import requests

from label_studio_ml.conformance.file_host import file_host, own_address

from .fake_backend import BOXES, TEXTS


def test_pictures_of_tasks_can_be_fetched_and_nothing_else() -> None:
    with file_host(BOXES, 3, "http://127.0.0.1:9090") as (address, data):
        urls = [task["image"] for task in data]
        assert len(set(urls)) == 3
        for url in urls:
            assert url.startswith(f"{address}/data/upload/")
            answer = requests.get(url, timeout=30)
            assert answer.status_code == 200
            assert answer.content
            assert requests.head(url, timeout=30).headers["Content-Length"] == str(len(answer.content))
        for path in (
            "/",
            "/api/projects/",
            "/data/upload/1/..%2F..%2Fetc%2Fpasswd",
            urlsplit(urls[0]).path + "x",
        ):
            assert requests.get(address + path, timeout=30).status_code == 404
    assert urlsplit(address).hostname == "127.0.0.1"


def test_texts_are_in_the_tasks() -> None:
    with file_host(TEXTS, 2, "http://127.0.0.1:9090") as (_, data):
        assert all(isinstance(task["text"], str) and not task["text"].startswith("http") for task in data)


def test_an_address_that_is_unknown_is_loopback() -> None:
    assert own_address("http://nosuch.invalid:9090") == "127.0.0.1"
    assert own_address("https://localhost") == "127.0.0.1"
    assert own_address("http://[::1]:9090") == "127.0.0.1"
