"""A page to explore models in a browser, and the JSON interface under it (``fflm serve``).

`records` are what is asked and answered, `answers` computes them from models, `guard` refuses what must not come in,
`application` puts them together, `page` is the page: plain HTML, CSS and one script, which ask the same interface.
"""
