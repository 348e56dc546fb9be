"""A few kilobytes of made-up Chinese, as documents and in the file forms of CLUECorpusSmall and WuDao."""

import json
import random
import zipfile

NAMES = ("李明", "王芳", "张伟", "陈静", "刘洋", "赵敏")
PLACES = ("山下的小村", "河边的古城", "海上的小岛", "林中的木屋")
THINGS = ("一本旧书", "三只白鸟", "两匹黑马", "五棵果树")
FORMS = (
    "{a}从前住在{place}里。",
    "每天早上，{a}都去看{thing}！",
    "{b}问过{a}为什么离开{place}吗？",
    "那里离{place}有3.5公里；{b}走了两个小时。",
    "后来{a}和{b}一起在{place}找到了{thing}。",
    "很好。",  # too short to be kept
)


def documents(seed: int = 0, count: int = 40) -> list[tuple[str, list[str]]]:
    """Titles, each with the sentences of its document."""
    rng = random.Random(seed)
    made = []
    for number in range(count):
        a, b = rng.sample(NAMES, 2)
        words = {"a": a, "b": b, "place": rng.choice(PLACES), "thing": rng.choice(THINGS)}
        sentences = [form.format(**words) for form in rng.choices(FORMS, k=rng.randint(3, 8))]
        made.append((f"{a}的故事 {number}", sentences))
    return made


def write_cluecorpus(folder) -> None:
    """Its documents as CLUECorpusSmall is released: folders of .txt files, one of them in an archive."""
    texts = ["\n".join(sentences) + "\n\n" for _, sentences in documents()]
    (folder / "news2016zh_corpus").mkdir(parents=True)
    for part, start in enumerate(range(0, 20, 8)):
        text = "".join(texts[start : min(start + 8, 20)])
        (folder / "news2016zh_corpus" / f"news_{part}.txt").write_text(text, encoding="utf-8")
    with zipfile.ZipFile(folder / "webText2019zh_corpus.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("webText2019zh_corpus/web_0.txt", "".join(texts[20:30]))
        archive.writestr("webText2019zh_corpus/web_1.txt", "".join(texts[30:]))


def write_wudao(folder) -> None:
    """Its documents as WuDao is released: arrays of objects, and the last of them as JSON lines."""
    objects = [
        {"id": number, "uniqueKey": f"{number:032x}", "titleUkey": "0" * 32, "dataType": "故事", "title": title,
         "content": "".join(sentences)}
        for number, (title, sentences) in enumerate(documents())
    ]  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "part-2021000001.json").write_text(json.dumps(objects[:25], ensure_ascii=False, indent=4))
    (folder / "part-2021000002.json").write_text(json.dumps(objects[25:35]))
    lines = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in objects[35:])
    (folder / "part-2021000003.jsonl").write_text(lines)
