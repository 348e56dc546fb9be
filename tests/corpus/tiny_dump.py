"""A small MediaWiki export."""

PAGE = """  <page>
    <title>{title}</title>
    <ns>{ns}</ns>
    <id>{number}</id>
    <revision>
      <text bytes="9" xml:space="preserve">{text}</text>
    </revision>
  </page>
"""


def dump(pages=40):
    """A small export: articles that use a template, the template, a redirect."""
    head = '<mediawiki xml:lang="en">\n<siteinfo>\n<base>https://x.org/wiki/Main</base>\n'
    spaces = '<namespaces>\n<namespace key="10" case="c">Template</namespace>\n</namespaces>\n</siteinfo>\n'
    texts = [
        PAGE.format(title="Template:Born", ns=10, number=900, text="born in {{{1}}}"),
        PAGE.format(title="Old name", ns=0, number=901, text="#REDIRECT [[Page 1]]").replace(
            "<id>901", '<redirect title="Page 1" />\n<id>901'
        ),
    ]
    for number in range(pages):
        text = f"'''Person {number}''' was {{{{Born|City {number}}}}}, see [[Page 1|the first &amp;amp; best]]. " * 9
        texts.append(PAGE.format(title=f"Page {number}", ns=0, number=number, text=text))
    return (head + spaces + "".join(texts) + "</mediawiki>\n").encode()
