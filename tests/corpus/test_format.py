import pytest

from minimoe.corpus import format as module
from minimoe.corpus.chunks import chunks
from minimoe.corpus.format import Counts, format_corpus
from minimoe.system.errors import UserError


def document(title, *paragraphs):
    body = "\n".join(paragraphs)
    return f'<doc id="1" url="u" title="{title}">\n{title}\n\n{body}\n\n</doc>\n'


@pytest.fixture
def run(tmp_path):
    """Formats documents given as path → text; returns the counts and the text written."""

    def run(files, language="en", splitter="sentencex", min_length=3, workers=1):
        for name, text in files.items():
            path = tmp_path / "extracted" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        counts = format_corpus(tmp_path / "extracted", tmp_path / "formatted", language, splitter, min_length, workers)
        parts = sorted((tmp_path / "formatted").iterdir())
        return counts, "".join(path.read_text(encoding="utf-8") for path in parts)

    return run


def test_sentences_of_documents(run):
    text = document("A", "It cost $3.5 in the U.S. last year. Too short. Dr. Smith  paid\tall of it.") + document(
        "B", "Gone."
    )
    counts, written = run({"AA/wiki_00": text})
    assert written == "It cost $3.5 in the U.S. last year.\nDr. Smith paid all of it.\n\n"
    assert counts == Counts(documents=1, sentences=2, length=14)


def test_the_published_rule_cuts_numbers_and_abbreviations(run):
    text = document("A", "It all cost $3.5 in one year. He asked him why; she did not.")
    written = run({"AA/wiki_00": text}, splitter="published")[1]
    assert written == "It all cost $3.\n5 in one year.\nHe asked him why;\n\n"


def test_the_published_rule_cuts_behind_every_end_and_every_two_dots():
    cut = {"a……b": ["a……", "b"], "a…b。": ["a…b。", ""], "3.5; c": ["3.", "5;", " c"], "………。d": ["……", "…", "。", "d"]}
    assert {text: module.published(text) for text in cut} == cut


def test_the_title_is_no_sentence(run):
    title = "A title of more words than a sentence needs &amp; more"
    _, written = run({"AA/wiki_00": document(title, "And here is what it says.")})
    assert written == "And here is what it says.\n\n"


def test_entities_are_resolved_once(run):
    text = document("A", "R&amp;D of a&nbsp;b costs &lt;10 &amp;amp; more.")
    assert run({"AA/wiki_00": text})[1] == "R&D of a b costs <10 &amp; more.\n\n"


@pytest.mark.parametrize("splitter", ["sentencex", "published"])
def test_languages_without_spaces_count_characters(run, splitter):
    text = document("甲", "今天天气很好。好！我们去公园吧？")
    counts, written = run({"AA/wiki_00": text}, language="zh", splitter=splitter)
    assert written == "今天天气很好。\n我们去公园吧？\n\n"
    assert counts == Counts(1, 2, 14)


def test_chinese_sentences_keep_their_quotes_and_numbers(run):
    text = document("甲", "他说：“今天天气很好。”然后他走了。价格是3.5元；真的吗？！是的……也许吧。")
    written = run({"AA/wiki_00": text}, language="zh")[1]
    assert written == "他说：“今天天气很好。”\n然后他走了。\n价格是3.5元；真的吗？！\n是的……也许吧。\n\n"


def test_min_length_is_exceeded_not_reached(run):
    text = document("A", "One two three.", "One two three four.")
    assert run({"AA/wiki_00": text}, min_length=3)[1] == "One two three four.\n\n"


def test_files_of_one_name_in_two_folders_are_both_kept_in_order(run):
    files = {f"{folder}/wiki_00": document(folder, f"This is all in {folder}.") for folder in ("AB", "AA")}
    assert run(files)[1] == "This is all in AA.\n\nThis is all in AB.\n\n"


@pytest.mark.slow
def test_any_number_of_workers_and_any_part_size(run, monkeypatch):
    files = {
        f"A{letter}/wiki_0{number}": "".join(
            document(f"T{page}", f"Page {page} of {letter} {number}. It has two sentences.") for page in range(2000)
        )
        for letter in "AB"
        for number in range(3)
    }
    first = run(files)
    assert first[0].documents == 12000
    assert run(files, workers=2) == first
    assert run(files, workers=7) == first
    monkeypatch.setattr(module, "PART_BYTES", 100_000)
    assert run(files, workers=2) == first


def test_nothing_kept(run, tmp_path):
    with pytest.raises(UserError, match=r"no sentence has more than 300 words; check corpus\.language"):
        run({"AA/wiki_00": document("A", "Just a few words.")}, min_length=300)
    assert [path.name for path in tmp_path.iterdir()] == ["extracted"]


def test_no_documents(run):
    with pytest.raises(UserError, match="no text in it"):
        run({"AA/wiki_00": ""})
    with pytest.raises(UserError, match=r"wiki_00: no '<doc … title=\"…\">' in it"):
        run({"AA/wiki_00": "plain text\n"})


@pytest.mark.parametrize("workers", [1, 2])
def test_other_encodings(run, tmp_path, workers):
    (tmp_path / "extracted").mkdir()
    (tmp_path / "extracted/b").write_bytes(b"<doc \xe9>\n</doc>\n")
    with pytest.raises(UserError, match="b: not UTF-8 at byte 5"):
        run({"a": document("A", "Here is some text.")}, workers=workers)


def test_chunks_cover_the_files_and_end_at_boundaries(tmp_path):
    path, empty = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"".join(b"x" * (n % 13) + b"--" for n in range(500)) + b"tail")
    empty.touch()
    pieces = list(chunks([path, empty], b"--", size=40))
    assert "".join(piece.read() for piece in pieces) == path.read_text()
    assert len(pieces) > 20 and all(piece.read().endswith("--") for piece in pieces[:-1])
    assert {piece.path for piece in pieces} == {str(path)}


def test_a_chunk_ends_with_the_first_boundary_that_ends_at_its_size_or_later(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12--34--5678--90")
    assert [piece[1:] for piece in chunks([path], b"--", size=4)] == [(0, 4), (4, 8), (8, 14), (14, 16)]


def test_a_later_chunk_that_is_not_utf8_names_the_byte_of_the_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12--34\xff--")
    first, second = chunks([path], b"--", size=4)
    assert first.read() == "12--"
    with pytest.raises(UserError, match=r"a: not UTF-8 at byte 6$"):
        second.read()
