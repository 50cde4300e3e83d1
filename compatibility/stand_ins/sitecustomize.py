"""Examples draw numbers at random: here every process draws the same, so that answers can be compared.

One example asks an address that stands in its code: requests to STAND_IN_FROM go to STAND_IN_TO, where those are set.
"""

import os
import random

random.uniform = lambda low, high: (low + high) / 2
random.choice = lambda items: items[0]


def _lead_elsewhere(begin, instead):
    import requests

    send = requests.Session.request

    def request(self, method, url, *args, **kwargs):
        url = instead + url[len(begin) :] if url.startswith(begin) else url
        return send(self, method, url, *args, **kwargs)

    requests.Session.request = request


if os.environ.get("STAND_IN_FROM"):
    _lead_elsewhere(os.environ["STAND_IN_FROM"], os.environ["STAND_IN_TO"])
