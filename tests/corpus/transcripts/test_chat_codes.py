"""CHAT's codes by its manual, singly and in the chains in which transcripts hold them."""

from __future__ import annotations

import pytest

from babyvlm.corpus.transcripts.chat_codes import plain_words

TIERS = [
    # retracing and repetition: [/], [//], [///], [/-], [/?]
    ("I [/] I want that .", "I want that."),
    ("ana [//] an .", "an."),
    ("<I want the> [///] give me that .", "give me that."),
    ("<the book> [/-] the magazine is here .", "the magazine is here."),
    ("<it is> [/?] it is .", "it is."),
    ("what [/] what [/] what is it ?", "what is it?"),
    ("<<I want> [/] I want to> [//] I need it .", "I need it."),
    ("<the dog>[/] the dog .", "the dog."),
    # codes between the retraced words and the mark, or after it
    ("dog [* p:w] [/] dog .", "dog."),
    ("dog [/] [* p:w] dog .", "dog."),
    ("tika@u [: kitty] [* p:n] [//] kitty is nice .", "kitty is nice."),
    ("male [: female] [* s:r] [/] male [: female] [* s:r] .", "female."),
    ("<the dog> [* s:r] [=! shouts] [/] the dog .", "the dog."),
    ("then [% a long pause] [//] and now .", "and now."),
    ("then [<] [//] and now .", "and now."),
    # replacement
    ("gonna [: going to] eat .", "going to eat."),
    ("gonna[: going to] eat .", "going to eat."),
    ("<give me> [: gimme] it .", "gimme it."),
    ("goed [:: went] home .", "went home."),
    ("I [/] <I wanna> [: I want to] go .", "I want to go."),
    # notes on words
    ("he goed [*] home [!] now [!!] .", "he goed home now."),
    ("that [= the dog] one [=? fun] [=! laughs <loud>] .", "that one."),
    ("<who is that> [>] ?", "who is that?"),
    ("it is [<1] here [?] .", "it is here."),
    ("yes [x 3] .", "yes."),
    ("well [^ c] so [+ bch] [+ trn] .", "well so."),
    # events, fillers, fragments, interposed words
    ("&=laughs oh &-uh no &+fr friend &~gaga .", "oh no friend."),
    ("&=imit:dog and &*MOT:mhm so .", "and so."),
    ("&{l=sings la la &}l=sings .", "la la."),
    # words
    ("(be)cause I wan(t) it .", "because I want it."),
    ("xxx yyy www xx .", ""),
    ("0 [=! cries] .", ""),
    ("he 0is going 0to .", "he going."),
    ("woof@o b@l tika@u hola@s:spa pan@s&eng abc@k dada@wp .", "woof b tika hola pan abc dada."),
    ("the choo_choo and the ice+cream .", "the choo choo and the ice cream."),
    ("no:: so:: (.) (..) (...) (1.5) (1:02.5) .", "no so."),
    ("it's three o'clock , Mum !", "it's three o'clock, Mum!"),
    # terminators, linkers, tags
    ("+< yes +...", "yes"),
    ("+^ and then +/.", "and then"),
    ('+" where is it +"/.', "where is it"),
    ("++ it , +, is +//?", "it, is"),
    ("so ‡ this is it „ right ?", "so this is it right?"),
    ("is it ↑up ↓down ⌈over⌉ °soft° ?", "is it up down over soft?"),
    # bullets and languages
    ("[- spa] mira \x15100_200\x15 el perro . \x15300_400\x15", "mira el perro."),
    # what is not closed costs no other word
    ("look [* here .", "look here."),
    ("look <at that .", "look at that."),
    ("look at> that .", "look at that."),
]  # fmt: skip


@pytest.mark.case("formats")
@pytest.mark.parametrize(("tier", "words"), TIERS)
def test_a_tier_says_its_words(tier: str, words: str) -> None:
    assert plain_words(tier) == words
