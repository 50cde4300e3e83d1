"""Clients of the broker."""

import socket
from typing import Any

import redis
from redis.backoff import EqualJitterBackoff
from redis.retry import Retry


def connect(url: str, timeouts: tuple[float, float] = (2.0, 5.0), tries: int = 3) -> Any:
    """Return a Redis client for the broker at `url`, without connecting. (redis-py types sync and async as one.)

    `timeouts` has the time-outs in seconds for connecting and for answers: where a network drops packets, nothing else
    ends a call. Connection errors are retried within about a second, up to `tries` tries in all; time-outs are not.
    """
    connecting, responding = timeouts
    options: dict[str, Any] = {} if url.startswith("unix") else {"socket_keepalive": True}
    if options and hasattr(socket, "TCP_KEEPIDLE"):  # a blocked read fails 14 s after the network is lost
        keepalive = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 3, socket.TCP_KEEPCNT: 3}
        options["socket_keepalive_options"] = keepalive
    backoff = EqualJitterBackoff(base=0.25, cap=1)
    retry = Retry(backoff, tries - 1, (redis.exceptions.ConnectionError,))
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=connecting,
        socket_timeout=responding,
        health_check_interval=30,
        retry=retry,
        **options,
    )
