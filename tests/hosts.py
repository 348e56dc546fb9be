"""Two hosts on one machine: network namespaces with a link between them, each with a name of its own, on one disk."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

INTERFACE = "eth0"


class Host(NamedTuple):
    """One of them."""

    name: str
    address: str

    def command(self, *words: str) -> list[str]:
        """A command as this host runs it; its process is the one that is started."""
        rename = f'hostname {self.name} && exec "$@"'
        return ["ip", "netns", "exec", self.name, "unshare", "--uts", "sh", "-c", rename, "sh", *map(str, words)]

    def cut(self) -> None:
        """Take its end of the link down: nobody hears of it any more, and it of nobody."""
        ip("-n", self.name, "link", "set", INTERFACE, "down")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def two_hosts() -> Iterator[list[Host]]:
    """Two hosts that see each other; skips the test where the system lets nobody make them."""
    hosts = [Host(f"minimoe{os.getpid()}{letter}", f"10.77.0.{number}") for number, letter in enumerate("ab", 1)]
    if not shutil.which("ip") or not shutil.which("unshare"):
        pytest.skip("needs ip and unshare")
    try:
        try:
            _make(*hosts)
        except subprocess.CalledProcessError:
            pytest.skip("may make no network namespaces here")
        yield hosts
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "delete", host.name], capture_output=True)


def _make(one: Host, two: Host) -> None:
    for host in (one, two):
        ip("netns", "add", host.name)
    ip("link", "add", INTERFACE, "netns", one.name, "type", "veth", "peer", "name", INTERFACE, "netns", two.name)
    for host in (one, two):
        ip("-n", host.name, "address", "add", f"{host.address}/24", "dev", INTERFACE)
        for interface in ("lo", INTERFACE):
            ip("-n", host.name, "link", "set", interface, "up")
        subprocess.run(host.command("true"), check=True, capture_output=True)
