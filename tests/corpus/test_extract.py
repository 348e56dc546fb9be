import bz2
import gzip
import subprocess
import sys

import pytest
from corpus.tiny_dump import dump

from minimoe.corpus import extract as module
from minimoe.corpus.extract import extract
from minimoe.corpus.format import format_corpus
from minimoe.system.errors import UserError


@pytest.fixture
def run(tmp_path):
    """Extracts a dump given as bytes; returns what was written, path → text."""

    def run(data, name="dump.xml", templates=True, workers=1):
        (tmp_path / "dump").mkdir(exist_ok=True)
        (tmp_path / "dump" / name).write_bytes(data)
        count = extract(tmp_path / "dump", tmp_path / "out", "wikipedia", templates, workers)
        files = sorted(path for path in (tmp_path / "out").rglob("*") if path.is_file())
        return count, {str(path.relative_to(tmp_path / "out")): path.read_text() for path in files}

    return run


def test_articles_become_documents_with_templates_expanded(run):
    count, files = run(bz2.compress(dump()), "dump.xml.bz2")
    assert count == 40 and list(files) == ["AA/wiki_00"]
    assert '<doc id="7" url="https://x.org/wiki?curid=7" title="Page 7">\nPage 7\n' in files["AA/wiki_00"]
    assert "Person 7 was born in City 7, see the first &amp; best." in files["AA/wiki_00"]


def test_templates_can_be_left_out(run):
    assert "Person 7 was, see" in run(dump(), templates=False)[1]["AA/wiki_00"]


def test_any_number_of_workers_writes_the_same(run):
    assert run(dump()) == run(dump(), workers=3)


def test_other_packings(run):
    assert run(gzip.compress(dump(3)), "dump.gz")[0] == 3


def test_streams_of_bzip2_that_follow_one_another(run):
    """As in Wikimedia's multistream dumps."""
    whole = dump(30)
    assert run(b"".join(bz2.compress(part) for part in (whole[:3000], whole[3000:])), "dump.xml.bz2")[0] == 30


def test_a_stream_of_bzip2_that_ends_where_a_block_of_the_file_does(run, monkeypatch):
    whole = dump(30)
    first, second = (bz2.compress(part) for part in (whole[:3000], whole[3000:]))
    monkeypatch.setattr("minimoe.corpus.unpack._BLOCK", len(first))
    assert run(first + second, "dump.xml.bz2")[0] == 30


def cut(data):
    return data[: len(data) // 2]


BAD = {
    "truncated bz2": (cut(bz2.compress(dump(400))), "damaged or truncated near byte"),
    "cut off gzip": (cut(gzip.compress(dump(400))), "damaged or truncated near byte"),
    "cut off xml": (cut(dump()), "does not end with </mediawiki>"),
    "cut off within whole bz2": (bz2.compress(cut(dump())), "does not end with </mediawiki>"),
    "damaged": (bz2.compress(dump(400)).replace(b"\x31\x41\x59\x26", b"\0\0\0\0"), "damaged or truncated near byte"),
    "a web page": (b"<html>Not found</html>", "not a MediaWiki dump"),
    "empty": (b"", "does not end with </mediawiki>"),
    "no article": (dump(0), "no article in it"),
    "not UTF-8": (dump().replace(b"Person", b"\xff"), "UnicodeDecodeError"),
}


@pytest.mark.slow
@pytest.mark.parametrize("templates", [True, False])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_dump_is_one_line_and_no_output(run, tmp_path, case, templates):
    data, message = BAD[case]
    with pytest.raises(UserError, match=message) as error:
        run(data, templates=templates)
    assert str(tmp_path / "dump/dump.xml") in str(error.value) and "\n" not in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


def test_one_dump_is_expected(run, tmp_path):
    run(dump(1), "a.xml")
    with pytest.raises(UserError, match="expected one dump, got 2 files"):
        run(dump(1), "b.xml")


FAILING = {
    "fails": "sys.exit('wikiextractor: no space left')",
    "finds shared memory full": "os.kill(os.getpid(), 7)",
    "loses a page": "print('WARNING: REDUCER_EXIT incomplete: next_ordinal=3', file=sys.stderr)",
    "waits after an error": "print('Traceback (most recent call last):\\nOSError: full', file=sys.stderr, flush=True)\n"
    "time.sleep(600)",
    "waits after a process was killed": "os.fork() or os._exit(9)\ntime.sleep(600)",
    "waits after one was killed at its last page": "os.fork() or os.kill(os.getpid(), 9)\ntime.sleep(600)",
    "waits for one that was killed and forgotten": "os.fork() or os._exit(9)\nos.wait()\ntime.sleep(600)",
}


@pytest.mark.slow
@pytest.mark.parametrize("case", FAILING)
def test_a_failing_wikiextractor_is_noticed(run, tmp_path, monkeypatch, case):
    script = tmp_path / "dump.py"
    read = "pages = open(sys.argv[1])\n" + ("" if case.endswith("process was killed") else "pages.read()\n")
    script.write_text(f"#!{sys.executable}\nimport os, sys, time\n{read}{FAILING[case]}\n")
    script.chmod(0o755)
    monkeypatch.setattr(module, "_command", lambda: str(script))
    with pytest.raises(UserError, match=r"wikiextractor (failed on|lost pages of)|/dev/shm: full, \d+ MB are free"):
        run(dump(4000), templates=False)
    assert not (tmp_path / "out").exists()


def test_looking_at_the_log_loses_none_of_it(tmp_path):
    """wikiextractor writes where the shared file position is: a look that moves it has lines overwritten."""
    with (tmp_path / "log").open("w+b") as log:
        script = "for number in range(20_000): print(number, flush=True)"
        with subprocess.Popen([sys.executable, "-c", script], stdout=log) as process:
            looks = [module._messages(log)]
            while process.poll() is None:
                looks.append(module._messages(log))
        told = "".join(f"{number}\n" for number in range(20_000))
        assert module._messages(log) == (tmp_path / "log").read_text() == told
        assert len(looks) > 10 and all(map(told.startswith, looks))


@pytest.mark.parametrize(("free", "templates", "told"), [(0, True, True), (0, False, False), (1 << 40, True, False)])
def test_too_little_shared_memory_is_told_before(run, monkeypatch, capsys, free, templates, told):
    monkeypatch.setattr(module, "_free", lambda: free)
    run(dump(20), templates=templates)
    assert ("/dev/shm may be too small, 0 MB are free" in capsys.readouterr().err) is told


@pytest.mark.parametrize("found", ["3.0.7", "2.75"])
def test_old_versions_of_wikiextractor_are_refused(run, monkeypatch, found):
    monkeypatch.setattr(module, "version", lambda name: found)
    with pytest.raises(UserError, match=f"expected wikiextractor 3.1 or later, got {found}"):
        run(dump(1))


def test_a_folder_of_documents_is_taken_as_it_is(tmp_path):
    documents = tmp_path / "dump" / "extracted" / "AA"
    documents.mkdir(parents=True)
    (documents / "wiki_00").write_text('<doc id="1" url="" title="A">\nA\n\nText.\n</doc>\n' * 3)
    assert extract(tmp_path / "dump", tmp_path / "out", "wikipedia", templates=True, workers=1) == 3
    assert (tmp_path / "out/AA/wiki_00").read_bytes() == (documents / "wiki_00").read_bytes()


def test_a_folder_without_documents_is_refused(tmp_path):
    (tmp_path / "dump" / "extracted").mkdir(parents=True)
    (tmp_path / "dump" / "extracted" / "notes.txt").write_text("nothing\n")
    with pytest.raises(UserError, match="no document in it"):
        extract(tmp_path / "dump", tmp_path / "out", "wikipedia", templates=True, workers=1)
    assert not (tmp_path / "out").exists()


def test_what_a_desktop_puts_beside_documents_is_left_out(tmp_path):
    documents = tmp_path / "dump" / "extracted"
    for name in ("AA/.DS_Store", "__MACOSX/AA/._wiki_00", "AA/wiki_00", ".hidden"):
        path = documents / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'<doc id="1" url="" title="A">\nA\n\nText.\n</doc>\n' if "/w" in name else b"\0\xff")
    assert extract(tmp_path / "dump", tmp_path / "out", "wikipedia", templates=True, workers=1) == 1
    assert [path.name for path in sorted((tmp_path / "out").rglob("*"))] == ["AA", "wiki_00"]
    (tmp_path / "out/AA/.DS_Store").write_bytes(b"\0\xff")  # a desktop looked at it since
    made = format_corpus(
        tmp_path / "out", tmp_path / "formatted", language="en", splitter="published", min_length=0, workers=1
    )
    assert made.documents == 1
