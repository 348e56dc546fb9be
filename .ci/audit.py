"""`make audit`: the pinned dependencies against the vulnerabilities that the package index knows of.

The index's JSON API (PyPI's: <index>/pypi/<name>/<version>/json) lists under `vulnerabilities` what the Python
Packaging Advisory Database knows of a release. Every pin of constraints.txt is asked for; a pin that the index does not
know, or an index without that list, ends the audit, as silence would look like safety. Exit code 1 then, and for a
vulnerability.
"""

import argparse
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import requests

from minimoe.system.errors import UserError, exit_cleanly

PYPI = "https://pypi.org"
AT_ONCE = 8  # requests
PATIENCE = 20  # seconds for one
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;#+]+)")  # without a local part such as +cpu, which no index knows


def pins(path: Path) -> list[tuple[str, str]]:
    """Names and versions in a constraints file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}; expected lines of name==version") from None
    found = [(pin[1], pin[2]) for line in lines if (pin := _PIN.match(line.strip()))]
    if not found:
        raise UserError(f"{path}: expected lines of name==version, found none")
    return found


def vulnerabilities(pin: tuple[str, str], index: str) -> list[str]:
    """A line for each vulnerability of a release that was not withdrawn."""
    name, version = pin
    url = f"{index.rstrip('/')}/pypi/{name}/{version}/json"
    try:
        answer = requests.get(url, timeout=PATIENCE)
        answer.raise_for_status()
        known = answer.json()["vulnerabilities"]
        open_ones = [each for each in known if not each.get("withdrawn")]
        return [f"{name} {version}: {each['id']}, {_remedy(each)}: {_summary(each)}" for each in open_ones]
    except requests.HTTPError as error:
        status = error.response.status_code
        raise UserError(f"{url}: the index answered {status}; nothing is known of {name}=={version}") from None
    except requests.ConnectionError:
        raise UserError(f"{url}: {index} cannot be reached; run it where it can, or give another --index") from None
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{url}: no list of vulnerabilities ({type(error).__name__}); give another --index") from None


def _remedy(vulnerability: dict) -> str:
    fixed = ", ".join(vulnerability.get("fixed_in") or [])
    return f"fixed in {fixed}" if fixed else "no release has it fixed"


def _summary(vulnerability: dict) -> str:
    return " ".join(str(vulnerability.get("summary") or vulnerability.get("details") or "").split())[:160]


def main() -> None:
    """Audit a constraints file; the first pin is asked for alone, so that an index out of reach is asked once."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("constraints", type=Path, nargs="?", default=Path("constraints.txt"))
    parser.add_argument("--index", default=PYPI, help="address of a package index with PyPI's JSON API")
    arguments = parser.parse_args()
    first, *others = pins(arguments.constraints)
    ask = partial(vulnerabilities, index=arguments.index)
    found = ask(first)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found += [line for lines in pool.map(ask, others) for line in lines]
    for line in found:
        print(line)
    if found:
        raise UserError(f"{arguments.constraints}: {len(found)} known vulnerabilities; pin fixed releases")
    print(f"audit: no known vulnerability in {1 + len(others)} releases")


if __name__ == "__main__":
    exit_cleanly(main)
