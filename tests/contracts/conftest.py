"""The examples' extensions, installed while a contract suite runs, and a small toolbox of every task."""

import pytest

from babyvlm.toolbox import CorpusSource, build_toolbox
from babyvlm.toolbox.tasks import BATTERY_TASKS, REGISTRY
from tests.contracts.drawn_toolbox import config_of, draw_corpus
from tests.extensions import install_examples, names_of, on_the_path


@pytest.fixture(scope="module", autouse=True)
def examples(tmp_path_factory):
    """Installs what ``examples/`` holds, as other packages."""
    folder = tmp_path_factory.mktemp("site")
    install_examples(folder)
    with on_the_path(folder):
        yield folder


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return draw_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def toolbox(corpus, examples, tmp_path_factory):
    """Items of every task that is built, those of the examples too."""
    out = tmp_path_factory.mktemp("toolbox") / "built"
    return build_toolbox(
        CorpusSource(corpus, "test"), out, config_of([name for name in names_of(REGISTRY) if name not in BATTERY_TASKS])
    )
