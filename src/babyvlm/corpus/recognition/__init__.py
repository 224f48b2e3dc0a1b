"""Speech to timed utterances, for recordings that nobody transcribed."""

from babyvlm.corpus.recognition.configuration import RecognitionConfig
from babyvlm.corpus.recognition.transcribe import Transcribed, transcribe_corpus
from babyvlm.corpus.recognition.word_errors import WordErrors, word_errors

__all__ = ["RecognitionConfig", "Transcribed", "WordErrors", "transcribe_corpus", "word_errors"]
