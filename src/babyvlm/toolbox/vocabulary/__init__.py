"""Words that children learn early, for foils and age spans."""

from babyvlm.toolbox.vocabulary.configuration import Foils, WordConfig
from babyvlm.toolbox.vocabulary.words import Vocabulary, Word, early_vocabulary, read_wordbank

__all__ = ["Foils", "Vocabulary", "Word", "WordConfig", "early_vocabulary", "read_wordbank"]
