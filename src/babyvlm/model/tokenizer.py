"""The byte-level BPE tokenizer (paper: vocabulary 6000, NFKC and lower case), trained on training text alone."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from babyvlm.records import IMAGE_TOKEN

SPECIAL_TOKENS = ("<pad>", "<unk>", "<sos>", "<eos>")
"""Ids 0 to 3, in this order, as published."""
PAD, UNK, SOS, EOS = range(4)


def train_tokenizer(texts: Iterable[str], vocabulary: int, context: int) -> PreTrainedTokenizerFast:
    """Trains the tokenizer.

    Args:
        texts: Training text; nothing of the validation or test split may be in it.
        vocabulary: Entries, the four special ones included. The image placeholder gets the id ``vocabulary``, so
            unused ids lie between when the text is too small to fill it.
        context: Longest sequence of the model, tokens.

    Returns:
        A tokenizer that prefixes ``<sos>`` and knows ``<image>`` as one token.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Ids are positions: fill up to the vocabulary so that the placeholder's id does not depend on the text.
    fillers = [f"<unused{n}>" for n in range(vocabulary - tokenizer.get_vocab_size())]
    tokenizer.add_special_tokens(fillers)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<sos> $A", pair="<sos> $A <sos> $B", special_tokens=[("<sos>", SOS)]
    )
    return with_placeholder(tokenizer, context)


def with_placeholder(tokenizer: Tokenizer, context: int) -> PreTrainedTokenizerFast:
    """A tokenizer for transformers, which knows ``<image>`` as one more token behind all others.

    Args:
        tokenizer: With the special tokens in their places; changed.
        context: Longest sequence of the model, tokens.
    """
    tokenizer.add_special_tokens([IMAGE_TOKEN])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<sos>",
        eos_token="<eos>",
        unk_token="<unk>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": IMAGE_TOKEN},
        model_max_length=context,
        padding_side="right",
    )
