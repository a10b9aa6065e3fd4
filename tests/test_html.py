"""What notebooks show: small HTML, escaped, without script; and plain lines elsewhere."""

import pickle
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

import fflm
from fflm import html
from fflm.teaching import graph

SVG = "{http://www.w3.org/2000/svg}"
EMPTY = {"br", "circle", "rect", "path", "polyline"}


class Checker(HTMLParser):
    """Every element is closed in turn; there is no script, no style of its own and nothing from outside."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.tags = [], "", []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        assert tag not in ("script", "link", "img", "iframe", "style")
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attributes)
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in EMPTY:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def checked(text):
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    return checker


HOSTILE = '<script>alert("x")</script> & "quotes"'


def test_everything_is_escaped():
    pieces = [
        html.title(HOSTILE),
        html.facts({HOSTILE: HOSTILE}),
        html.table([HOSTILE], [[HOSTILE]]),
        html.bars([(HOSTILE, 0.5, {HOSTILE: 0.5})]),
        html.curve([(1, 2.0), (2, 1.0)], HOSTILE, HOSTILE),
        html.coloured([(HOSTILE, 3.0)]),
        html.graph([([HOSTILE], [])]),
    ]
    for piece in pieces:
        assert "script" not in checked(html.box(piece)).tags


def test_pictures_are_whole_svg():
    boxes = [(["a", "value 1"], []), (["b"], []), (["c"], [0, 1]), (["d"], [2, 0])]
    for picture in (html.graph(boxes), html.curve([(1, 5.0)], "x", "y"), html.curve([(1, 5.0), (2, 0.0)], "x", "y")):
        root = ElementTree.fromstring(picture.replace("&para;", ""))
        assert root.tag == f"{SVG}svg"
    drawn = ElementTree.fromstring(html.graph(boxes))
    assert len(drawn.findall(f"{SVG}rect")) == 4 and len(drawn.findall(f"{SVG}path")) == 4
    places = [float(box.get("x")) for box in drawn.findall(f"{SVG}rect")]
    assert places[0] == places[1] < places[2] < places[3]


@pytest.fixture(scope="module")
def trained(workshop):
    text = workshop / "text.txt"
    return fflm.train(text, valid=text, test=text, hidden_dims=6, embedding_dim=4, epochs=2, quiet=True), text


def test_what_is_computed_shows_itself(trained, demo):
    model, text = trained
    comparison = fflm.compare(demo, demo, text, quiet=True)
    shown = {
        "Model": model,
        "Training": model.report,
        "Perplexity on": model.perplexity(text, quiet=True),
        "Comparison on": comparison,
        "Surprisal of": model.score(text, quiet=True),
    }
    for title, one in shown.items():
        assert title in checked(one._repr_html_()).text
        assert "\n" not in repr(one) and len(repr(one)) < 300
    assert "n-gram model alone" in checked(model.report._repr_html_()).text
    assert "2 epochs of 1,600 tokens" in repr(model.report)
    for listed in (model.predict("the cat"), model.sample("the", tokens=3), model.word_vectors().neighbors("cat")):
        assert listed and checked(listed._repr_html_())
        assert pickle.loads(pickle.dumps(listed)) == list(listed)


def test_predictions_show_the_part_of_each_model(trained):
    predictions = trained[0].predict("the cat", top=3)
    assert "neural" in checked(predictions._repr_html_()).text
    assert predictions == list(predictions)


def test_the_learning_curve_is_a_picture(trained, tmp_path):
    picture = trained[0].report.plot()
    assert repr(picture) == "<learning curve; a notebook shows it, .save(path) writes it>"
    checked(picture._repr_html_())
    picture.save(tmp_path / "curve.svg")
    assert ElementTree.parse(tmp_path / "curve.svg").getroot().tag == f"{SVG}svg"


def test_parameters_can_be_looked_at_but_not_changed(trained):
    parameters = trained[0].parameters
    assert parameters["embeddings"].shape[1] == 4
    with pytest.raises(ValueError, match="read-only"):
        parameters["embeddings"][0] = 0


def test_a_graph_shows_itself_without_graphviz():
    x, w = graph.value([1.0, 2.0], "x"), graph.value([0.5, -1.0], "w")
    y = (x * w).sum().named("y")
    y.backward()
    text = checked(y._repr_html_()).text
    assert "y = sum" in text and "gradient" in text and text.count("value") == 4


def test_networks_and_classifiers_show_themselves():
    network = fflm.FeedForward([2, 3, 1], "tanh")
    assert "layer 1" in checked(network._repr_html_()).text
    texts, labels = ["good fine", "bad poor", "good nice", "bad awful"] * 4, ["+", "-"] * 8
    classifier = fflm.TextClassifier(epochs=2, min_count=1)
    assert "not trained" in checked(classifier._repr_html_()).text
    report = classifier.fit(texts, labels, quiet=True).evaluate(texts, labels)
    assert "accuracy" in checked(report._repr_html_()).text
    shown = checked(classifier._repr_html_())
    assert "labels+, -" in shown.text and "16 texts, 32 words" in shown.text and shown.tags.count("circle") == 2
    classifier.fit(texts, ["<b>", "-"] * 8, quiet=True)
    assert "<b>" in checked(classifier._repr_html_()).text
    assert np.sum(report.confusion) == 16


def test_a_map_of_words(trained):
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    picture = trained[0].plot_words(8)
    assert picture._repr_png_().startswith(b"\x89PNG") and picture._repr_html_() is None
