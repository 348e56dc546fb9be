"""The shipped sample: a small invented encyclopedia, and tasks made from the same facts and words.

`python -m data.sample.generate` writes `wiki.xml.bz2`, `glue/` and `conll2003/` beside this package. The
order of work is the order of the modules: words and names make a world, the world's facts become sentences,
sentences become articles and wiki markup, and the same facts become the tasks.
"""
