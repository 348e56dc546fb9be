import hashlib
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from minimoe.corpus.download import download
from minimoe.corpus.transfer import ATTEMPTS
from minimoe.system.errors import UserError

BODY = random.Random(0).randbytes(300_000)
SHA1 = hashlib.sha1(BODY).hexdigest()
DATED = "/xxwiki/20260101/xxwiki-20260101-pages-articles.xml.bz2"
SUMS = f"{'0' * 40}  xxwiki-20260101-pages-meta.xml.bz2\n{SHA1}  xxwiki-20260101-pages-articles.xml.bz2\n"
FEED = "/xxwiki/latest/xxwiki-latest-pages-articles.xml.bz2-rss.xml"
FEED_TEXT = b"""<rss version="2.0"><channel><link>http://download.wikimedia.org/xxwiki</link><item>
<title>http://download.wikimedia.org/xxwiki/20260101</title>
<link>http://download.wikimedia.org/xxwiki/20260101</link></item></channel></rss>"""


@pytest.fixture
def fetch(server, tmp_path):
    """Downloads from the server: the file `/d.xml.bz2` unless arguments say otherwise."""

    def fetch(source=f"{server.url}/d.xml.bz2", wiki="xxwiki", date="20260101", path=""):
        folder, work = tmp_path / "dump", tmp_path / "work"
        return download(source, path, wiki, date, folder, work, base=server.url, pause=0.0)

    server.files = {"/d.xml.bz2": BODY, "/d.xml.bz2.sha1": f"{SHA1}\n".encode()}
    return fetch


def absent(tmp_path):
    """No output and nothing half-written beside it."""
    return [path.name for path in tmp_path.iterdir()] in ([], ["work"])


def test_a_file_arrives_under_its_name(fetch, tmp_path):
    assert fetch() == tmp_path / "dump/d.xml.bz2"
    assert (tmp_path / "dump/d.xml.bz2").read_bytes() == BODY
    assert list((tmp_path / "work").iterdir()) == []


def test_a_broken_transfer_goes_on_where_it_broke(fetch, server):
    server.faults = [{}, {"send": 100_000}, {"send": 50_000}]
    assert fetch().read_bytes() == BODY
    assert server.ranges("/d.xml.bz2") == [None, "bytes=100000-", "bytes=150000-"]


def test_a_later_run_goes_on_where_an_earlier_one_gave_up(fetch, server, tmp_path):
    server.faults = [{}, {"send": 100_000}] + [503] * ATTEMPTS
    with pytest.raises(UserError, match=r"503.*100000 bytes are kept"):
        fetch()
    assert absent(tmp_path)
    assert fetch().read_bytes() == BODY
    assert server.ranges("/d.xml.bz2")[-1] == "bytes=100000-"


@pytest.mark.parametrize(
    "note", [b"", b'{"version": "', b"[]", b"3", b"\xff", b"{}", b'{"version": 3}', b'{"version": "\\n"}', b"[" * 9999]
)
def test_a_damaged_note_of_the_version_starts_over(fetch, server, tmp_path, note):
    server.faults = [{}, {"send": 100_000}] + [503] * ATTEMPTS
    with pytest.raises(UserError):
        fetch()
    next((tmp_path / "work").glob("*.part.json")).write_bytes(note)
    assert fetch().read_bytes() == BODY
    assert server.ranges("/d.xml.bz2")[-1] is None


def test_a_complete_transfer_is_not_repeated(fetch, server, tmp_path):
    server.faults = [{}, {"send": 200_000}] + [503] * ATTEMPTS
    with pytest.raises(UserError):
        fetch()
    partial = next((tmp_path / "work").glob("*.part"))
    partial.write_bytes(BODY)  # as if the run had ended just before the check
    assert fetch().read_bytes() == BODY


def test_a_changed_file_starts_over(fetch, server):
    server.faults = [{}, {"send": 100_000}] + [503] * ATTEMPTS
    with pytest.raises(UserError):
        fetch()
    server.files["/d.xml.bz2"] = BODY[::-1]
    server.files["/d.xml.bz2.sha1"] = hashlib.sha1(BODY[::-1]).hexdigest().encode()
    server.tag = '"v2"'
    assert fetch().read_bytes() == BODY[::-1]


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_name_for_the_version_it_starts_over(fetch, server, tag):
    server.tag = tag
    server.faults = [{}, {"send": 100_000}]
    assert fetch().read_bytes() == BODY
    assert server.ranges("/d.xml.bz2") == [None, None]


def test_a_server_that_ignores_ranges_starts_over(fetch, server):
    server.faults = [{}, {"send": 100_000}, {"ignore_range": True}]
    assert fetch().read_bytes() == BODY


def test_passing_errors_are_tried_again(fetch, server):
    server.faults = [503, 429, {}, 500, 503]
    assert fetch().read_bytes() == BODY


def test_attempts_are_bounded(fetch, server, tmp_path):
    server.faults = [{}] + [{"send": 0}] * 100
    with pytest.raises(UserError, match=f"{server.url}/d.xml.bz2: nothing new in {ATTEMPTS} attempts"):
        fetch()
    assert absent(tmp_path)
    assert len(server.ranges("/d.xml.bz2")) == ATTEMPTS


def test_a_length_beyond_the_file_is_noticed(fetch, server):
    server.tag = None  # no resuming: the server lies again and again
    server.faults = [{}] + [{"length": len(BODY) + 9}] * 100
    with pytest.raises(UserError, match="nothing new"):
        fetch()


def test_a_length_short_of_the_file_is_noticed(fetch, server, tmp_path):
    server.faults = [{}, {"length": 1000}]
    with pytest.raises(UserError, match=r"its sha1 is .* was deleted"):
        fetch()
    assert absent(tmp_path)


def test_a_wrong_checksum_deletes_the_file(fetch, server, tmp_path):
    server.files["/d.xml.bz2.sha1"] = b"f" * 40
    with pytest.raises(UserError) as error:
        fetch()
    assert "\n" not in str(error.value)
    assert SHA1 in str(error.value) and "f" * 40 in str(error.value)
    assert absent(tmp_path) and not list((tmp_path / "work").iterdir())


def test_an_address_without_checksum_is_taken_and_said(fetch, server, capsys):
    del server.files["/d.xml.bz2.sha1"]
    assert fetch().read_bytes() == BODY
    assert "no sha1 is published" in capsys.readouterr().err


def test_a_missing_file_is_one_line_at_once(fetch, server):
    with pytest.raises(UserError, match=r"gone.bz2: the server has no such file .*404"):
        fetch(source=f"{server.url}/gone.bz2")
    assert len(server.ranges("/gone.bz2")) == 1


def test_a_dated_dump_of_wikimedia(fetch, server):
    server.files = {DATED: BODY, "/xxwiki/20260101/xxwiki-20260101-sha1sums.txt": SUMS.encode()}
    assert fetch("wikipedia").name == "xxwiki-20260101-pages-articles.xml.bz2"


def test_latest_is_the_dated_dump_of_the_articles_feed(fetch, server):
    server.files = {
        DATED: BODY,
        "/xxwiki/20260101/xxwiki-20260101-sha1sums.txt": SUMS.encode(),
        FEED: FEED_TEXT,
        # a newer dump is under way: its sums stand at "latest" before there are articles
        "/xxwiki/latest/xxwiki-latest-sha1sums.txt": f"{'0' * 40}  xxwiki-20260201-pages-meta.xml.bz2".encode(),
    }
    assert fetch("wikipedia", date="latest").name == "xxwiki-20260101-pages-articles.xml.bz2"


PAGE = b"<html><head><style>b {}</style></head><body>Please <b>log in</b>\nto this network</body></html>"


def test_a_networks_login_page_is_quoted(fetch, server):
    server.files = {"/xxwiki/20260101/xxwiki-20260101-sha1sums.txt": PAGE, FEED: PAGE}
    for date in ("20260101", "latest"):
        with pytest.raises(UserError, match=r"expected .*'Please log in to this network'"):
            fetch("wikipedia", date=date)


def test_a_refusal_is_told_apart_and_quoted(fetch, server):
    server.faults = [{"status": 403, "body": b"<h1>Forbidden</h1>Set a user agent\nwith a contact. " + b"x" * 999}]
    server.files = {FEED: b""}
    with pytest.raises(UserError, match=r"rss\.xml: the server does not give it \(403\): Forbidden Set a") as error:
        fetch("wikipedia", date="latest")
    assert "no such dump" not in str(error.value) and len(str(error.value)) < 400
    assert re.fullmatch(r"minimoe/\S+ \(https://\S+\) python-requests", server.agents[-1])


def test_a_date_without_dump(fetch, server):
    with pytest.raises(UserError, match=r"xxwiki-20260101-sha1sums\.txt: .*no such dump"):
        fetch("wikipedia")
    server.files["/xxwiki/20260101/xxwiki-20260101-sha1sums.txt"] = SUMS[:80].encode()
    with pytest.raises(UserError, match=r"no xxwiki-20260101-pages-articles\.xml\.bz2 in it"):
        fetch("wikipedia")


def test_an_address_of_a_dump_uses_the_sums_beside_it(fetch, server):
    folder = "/mirror/xxwiki-latest"
    sums = SUMS.replace(SHA1, "e" * 40)
    server.files = {f"{folder}-pages-articles.xml.bz2": BODY, f"{folder}-sha1sums.txt": sums.encode()}
    with pytest.raises(UserError, match="e" * 40):
        fetch(f"{server.url}{folder}-pages-articles.xml.bz2")


def test_local_files_are_copied(fetch, tmp_path):
    dump = tmp_path / "some dump.xml"
    dump.write_bytes(BODY)
    for arguments in ({"source": "local", "path": str(dump)}, {"source": dump.as_uri()}):
        copy = fetch(**arguments)
        assert copy.name == "some dump.xml" and copy.read_bytes() == BODY
        assert copy.stat().st_ino != dump.stat().st_ino


def test_a_missing_local_file(fetch, tmp_path):
    with pytest.raises(UserError, match=r"nowhere.bz2: no such file"):
        fetch("local", path="nowhere.bz2")
    assert absent(tmp_path)


@pytest.mark.parametrize(
    "source", ["ftp://a/b.bz2", "simplewiki", "http://host", "http://host/", "file://b/c", "/tmp/x"]
)
def test_other_sources_are_refused(fetch, source):
    with pytest.raises(UserError, match=r"corpus\.download\.source: expected local, wikipedia"):
        fetch(source)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stalled_transfer_and_a_later_run_goes_on(fetch, server, tmp_path, number):
    server.faults = [{}, {"send": 280_000, "stall": 60}]  # more than a block, which is written
    script = (
        "from minimoe.system.errors import exit_cleanly\nfrom minimoe.corpus.download import download\nexit_cleanly("
    )
    script += f"lambda: download('{server.url}/d.xml.bz2', '', '', '', '{tmp_path}/dump', '{tmp_path}/work'))"
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    while not any(part.stat().st_size for part in (tmp_path / "work").glob("*.part")):
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=50)  # less than the stall: the signal ends it
    assert process.returncode == 130 and said.splitlines()[-1] == "interrupted"
    assert fetch().read_bytes() == BODY
    assert server.ranges("/d.xml.bz2")[-1].startswith("bytes=")


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://host/b"])
def test_a_server_cannot_lead_elsewhere_than_to_http(fetch, server, tmp_path, address):
    server.faults = [{}] + [{"redirect": address}] * 20
    with pytest.raises(UserError, match=r"/d\.xml\.bz2: "):
        fetch()
    assert absent(tmp_path)
