"""How many words recognisers get wrong (no claim: the rates are reported, for a speaker and for a speech synthesiser).

    python benchmarks/speech_recognition.py [SPEECH] [--corpus NURSERY] [--recordings 8] [--engine pocketsphinx]

SPEECH is a folder with ``jfk.flac``, eleven seconds whose words are known; it is left out where it is not given.
NURSERY is a rendered nursery with sound (flite or espeak-ng), by default that of the demonstration, whose transcripts
tell what was spoken.
"""

from __future__ import annotations

import argparse
import datetime
import json
import tempfile
import time
from pathlib import Path

from babyvlm.corpus import open_corpus, parse_webvtt
from babyvlm.corpus.recognition import RecognitionConfig, WordErrors, transcribe_corpus, word_errors
from babyvlm.corpus.recognition.engines import load_engine
from babyvlm.corpus.recognition.voices import find_speech
from babyvlm.media import sound_blocks

ROOT = Path(__file__).resolve().parents[1]
_SPOKEN = "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."


def real_speech(path: Path, config: RecognitionConfig) -> dict[str, object]:
    """What an engine makes of a speaker's recording whose words are known."""
    engine = load_engine(config)
    parts = find_speech(sound_blocks(path, block_s=60))
    recognised = " ".join(said.text for part in parts for said in engine.recognise(part.samples))
    found = word_errors(_SPOKEN, recognised)
    return {"words": found.words, "word_error_rate": round(found.rate, 3), "recognised": recognised}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("speech", type=Path, nargs="?")
    parser.add_argument("--corpus", type=Path, default=ROOT / "demo/corpus")
    parser.add_argument("--recordings", type=int, default=8)
    parser.add_argument("--engine", default="pocketsphinx")
    parser.add_argument("--model", default=RecognitionConfig.model)
    options = parser.parse_args()
    config = RecognitionConfig(engine=options.engine, model=options.model)
    corpus = open_corpus(options.corpus)
    chosen = [each for each in corpus.recordings if corpus.transcript_path(each) is not None][: options.recordings]
    nursery = WordErrors(errors=0, words=0)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        for recording in chosen:
            (Path(temporary) / Path(recording.media).name).symlink_to(corpus.media_path(recording).resolve())
        transcribe_corpus(open_corpus(Path(temporary)), config)
        took_s = time.monotonic() - began_s
        for recording in chosen:
            recognised = " ".join(cue.text for cue in parse_webvtt(Path(temporary) / f"{recording.id}.vtt"))
            spoken = " ".join(utterance.text for utterance in corpus.utterances(recording))
            one = word_errors(spoken, recognised)
            nursery = WordErrors(errors=nursery.errors + one.errors, words=nursery.words + one.words)
    result = {
        "date": str(datetime.date.today()),
        "engine": options.engine,
        "model": options.model if options.engine == "faster-whisper" else "in the wheel",
        "real_speech": real_speech(options.speech / "jfk.flac", config) if options.speech else "not given",
        "nursery": {
            "recordings": len(chosen),
            "words": nursery.words,
            "word_error_rate": round(nursery.rate, 3),
            "seconds_of_sound_a_second": round(sum(each.duration_s for each in chosen) / took_s, 1),
        },
    }
    out = Path(__file__).parent / "results" / f"speech_recognition-{options.engine}-{datetime.date.today()}.json"
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
