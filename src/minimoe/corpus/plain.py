"""Convert corpora that are documents already to the format that wikiextractor writes.

Files are read as streams, one document in memory at a time, and go to workers in groups that do not depend on the
number of workers.
"""

import html
from pathlib import Path

from tqdm import tqdm

from minimoe.corpus.forms import FORMS, Reading, limited
from minimoe.corpus.parallel import in_order
from minimoe.corpus.sources import Source, in_groups, sources
from minimoe.resume.outputs import ResumableOutput
from minimoe.system.errors import UserError

PART_BYTES = 1 << 26  # of the sources of an output file, at least


def write_documents(root: Path, reading: Reading, output: ResumableOutput, workers: int) -> int:
    """Write the documents of the corpus `root` to files of `output`; returns how many.

    Raises `UserError` when there are none, and for a file that is damaged or of another form.
    """
    groups = list(in_groups(sources(root, FORMS[reading.form].suffixes), PART_BYTES))
    done, total = output.values.get("done", (0, 0))
    tasks = ((groups[part], reading, output.folder / f"{part:05d}") for part in range(done, len(groups)))
    results = in_order(_write, tasks, workers)
    sizes = [sum(source.size for source in group) for group in groups]
    with tqdm(desc="extract", initial=sum(sizes[:done]), total=sum(sizes), unit="B", unit_scale=True) as bar:
        for part, count in enumerate(results, done):
            total += count
            output.note({"done": [part + 1, total]})  # later files are written again
            bar.update(sizes[part])
    if not total:
        raise UserError(f"{root}: no document in it; expected {reading.form}'s files, or another corpus.extract.form")
    return total


def _write(task: tuple[list[Source], Reading, Path]) -> int:
    """Write the documents of a group of sources to a file; returns how many."""
    (group, reading, path), count = task, 0
    # half a surrogate pair, which JSON can hold and UTF-8 cannot, becomes a question mark
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        for source in group:
            for number, (title, lines) in enumerate(FORMS[reading.form].read(source, reading), start=1):
                count += 1
                title = html.escape(" ".join(title.split()))
                file.write(f'<doc id="{path.name}-{count}" url="" title="{title}">\n{title}\n\n')
                for line in limited(lines, f"{source.name}: document {number}"):
                    file.write(html.escape(line, quote=False) + "\n")
                file.write("\n</doc>\n")
    return count
