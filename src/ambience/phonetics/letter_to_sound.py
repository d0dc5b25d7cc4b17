"""English words as they sound, by rules and no lexicon, so that misspellings sound too."""

import re
from functools import cache
from typing import NamedTuple

# A rule is "left[letters]right sounds": the letters sound so where the left and right sides agree. Of each
# letter's rules the first that agrees is taken. Left: alternatives parted by "|", of letters, "." for the
# beginning of the word, "V" a vowel letter, "+" a consonant with a vowel letter somewhere before it. Right: a
# regular expression in which "." is the end of the word, V, C and F classes of vowel, consonant and front
# vowel letters. Sounds: IPA, one character each; "-" for silence.
_RULES = """
.[a]\\. ə|l[augh] æf|[augh] ɔ|[au] ɔ|[aw] ɔ|[aigh] e|[air] ɛɹ|[ai] e|[ay] e|[ae] i|[ah] ɑ|+[ary]\\. ɛɹi
+[ar]\\. əɹ|[are]\\. ɛɹ|w,wh,u[ar] ɔɹ|[arr] æɹ|[ar]V æɹ|[ar] ɑɹ|[al]k ɔ|[al]m ɑ|[al]f æ|[all] ɔl
+[al]\\. əl|[al](t|d) ɔl|[ange] enʤ|[aste] est|+[age]\\. ɪʤ|+[able]\\. əbəl|+[ance]\\. əns|+[an]\\. ən
+[ant]\\. ənt|+[a]\\. ə|[a]\\. ə|[a]C(e|ed|es|er|ers|ing|y|ely|eful|ement|le|les)\\. e
[a](t|c|s|g)i(o|a|u) e|w,wh[a](t|s|n|d) ɑ|[a] æ

[bb] b|[bt]\\. t|[b] b

[cch] k|[ch](r|l|n|m) k|.[ch](aos|or|ar|em|asm|iro) k|[ch] ʧ|[cc]F ks|[cc] k|[ck] k|[cqu] kw
[ci](al|an|ous|en) ʃ|[cea]n ʃə|s[c]F -|[c]F s|[c] k

[dge] ʤ|[dg]F ʤ|[dj] ʤ|[dd] d|[d] d

h[eigh] aɪ|[eigh] e|[ei]gn e|c[ei] i|[eir] ɛɹ|.[ei] aɪ|[ei] i|.b[eau]t ju|[eau] o|h[ear]t ɑɹ|[ear](C) ɜɹ
[ear] ɪɹ|[ea](d|lth|sur|sant|ther)\\.? ɛ|[ea] i|[eer] ɪɹ|[ee] i|[eu] ju|r,l,j,ch[ew] u|[ew] ju|[ey]\\. i
[ey] e|p[eo]p i|t,d[ed]\\. əd|p,k,f,s,x,sh,ch[ed]\\. t|+[ed]\\. d|s,z,x,ch,sh[es]\\. əz|+[es]\\. z
.[e]\\. i|+[e]\\. -|V[e]\\. -|+[e](ly|ment|ful|less|ness|some|where|thing)\\. -|[ere]\\. ɪɹ|[er]s?\\. əɹ
[err] ɛɹ|[er]V ɛɹ|[er] ɜɹ|+[el]\\. əl|+[en]\\. ən|+[ent]\\. ənt|+[ence]\\. əns|[e]Ce\\. i|[e]\\. i|[e] ɛ

[ff] f|o[ft]en f|[f] f

[gg] g|.[gn] n|[gn]\\. n|[gh](?=o|a|e) g|[gh] -|[gue]\\. g|[gu](e|i) g|.[g](et|ear|irl|ive|ift|ees|eek) g
[g]F ʤ|[g] g

.[h](our|ono|eir|one) -|V[h]\\. -|r,k[h] -|[h] h

[igh] aɪ|[ign]s?\\. aɪn|[ia](n|l)?\\. iə|.C[ie]\\. aɪ|[ied]\\. aɪd|[ies]\\. iz|[ie]nd ɛ|[ie] i|[ique]\\. ik
[io] iə|[irr] ɪɹ|[ire] aɪəɹ|[ir]V ɪɹ|[ir] ɜɹ|[i](nd|ld|mb)\\. aɪ|+[ine]\\. in|+[ive]\\. ɪv|+[ice]\\. ɪs
[i]C(e|ed|es|er|ers|ing|le)\\. aɪ|[i]\\. i|[i]V i|[i] ɪ

[j] ʤ

.[kn] n|[kk] k|[kh] k|[k] k

C[les]\\. əlz|C[le]\\. əl|[ll] l|o,a[l]k -|ou[l]d -|a[l](f|m|v) -|[l] l

[mm] m|.[mn] n|[mn]\\. m|[mb]\\. m|[m] m

[nn] n|[ng](ing|er|ers|ed)?\\. ŋ|[n]gF n|[ng] ŋg|[n](k|x|q) ŋ|[n] n

[ough]t ɔ|thr[ough] u|c[ough] ɔf|b,pl[ough] aʊ|r,t,en,sl[ough] ʌf|[ough] o|[oor] ɔɹ|[oo]k ʊ|g,st,w,h[oo]d ʊ
bl,fl[oo]d ʌ|[oo] u|f,y,p[our] ɔɹ|+[our]\\. əɹ|j[our] ɜɹ|[our]\\. aʊəɹ|[our] ɔɹ|[ould] ʊd|[ous]\\. əs
[oul] ol|c,tr,d,t[ou](p|b|ch|s|ntr) ʌ|y[ou]ng ʌ|gr,s,r,y[ou](p|te|\\.) u|[ou] aʊ
.n,.c,.h,.v,.w,br,all[ow]\\. aʊ|+[ow]\\. o|t,d,r,g,l[ow]n aʊ|n[ow]n o|[ow](l|d|er|el) aʊ|[ow] o|[oy] ɔɪ
[oi] ɔɪ|[oar] ɔɹ|[oa] o|[oe]s?\\. o|[ore]\\. ɔɹ|w[or] ɜɹ|[orr] ɔɹ|+[or]s?\\. əɹ|[or] ɔɹ|[o]l(d|k|l|t) o
[o]st\\. o|m,br,n[o]ther ʌ|l,d,gl,b[o]ve ʌ|s,c[o]me ʌ|.[one]\\. wʌn|d,n[one]\\. ʌn|m[o]n(e|k|th|d) ʌ
[o]C(e|ed|es|er|ers|ing|y)\\. o|[o](t|c|s)i(o|a) o|+[on]s?\\. ən|+[om]\\. əm|[o]\\. o|[o] ɑ

[ph] f|[pp] p|.[psych] saɪk|.[ps] s|.[pn] n|.[pt] t|[p] p

[que]\\. k|[qu] kw|[q] k

[rrh] ɹ|[rh] ɹ|[rr] ɹ|[r] ɹ

[ssion] ʃən|[ssi](a|o) ʃ|[ssu]r ʃ|V[sion] ʒən|[sion] ʃən|V[s]ur ʒ|V[s]ual ʒ|.[sch](m|n|w|l|u|i) ʃ|[sch] sk
[sc]F s|[sh] ʃ|[ss] s|[stle] səl|[sten]\\. sən|.i[s]l -|.[s]u(g|re) ʃ|V[s]e\\. z|V[s]V z
b,d,g,v,m,n,l,r,w,y,e[s]\\. z|[s] s

[tch] ʧ|[tion] ʃən|[ti](a|o|e)(n|l|u) ʃ|[ture] ʧəɹ|[t]ua ʧ|.[th](om|ai|ames) t
.[th](e|is|at|ey|en|em|an|ere|ose|us|ough|eir)\\. ð|[ther] ðəɹ|[th] θ|[tt] t|[tz] ts|[t] t

.[uni] juni|.[u]CV ju|[uy] aɪ|b[ui]l ɪ|[ui] u|[urr] ɜɹ|[ure]\\. jʊɹ|[ur]V jʊɹ|[ur] ɜɹ|ng[u]V w
r,l,j[ue]\\. u|[ue]\\. ju|r,l,j,s,ch,sh[u]CV u|[u]CV ju|p,b[u](ll|sh|tch) ʊ|p[u]t\\. ʊ|[ull]\\. ʊl
+[us]\\. əs|+[um]\\. əm|[u]\\. u|[u] ʌ

[vv] v|[v] v

.[wr] ɹ|.[wh]o h|[wh] w|[w]\\. -|s[w]ord -|ns[w]er -|.t[w]o\\. -|[w] w

.[x] z|[xc]F ks|[xi]ous kʃ|.e[x]V gz|[x] ks

.[y] j|[y]C(e|es|ed|er|ing)\\. aɪ|.C[y]\\. aɪ|[y]\\. i|[yr] ɪɹ|V[y]V j|[y] ɪ

[zz] z|[z] z
"""
# Source: Elovitz, Johnson, McHugh & Shore, "Letter-to-sound rules for automatic translation of English text
# to phonetics", IEEE Trans. ASSP 24(6), 1976 (the form of the rules; these are our own, and fewer).

_VOWELS = frozenset("aeiouy")
_CONSONANTS = "bcdfghjklmnpqrstvwxz"
_CLASSES = {"V": "[aeiouy]", "C": f"[{_CONSONANTS}]", "F": "[eiy]"}


class _Rule(NamedTuple):
    letters: str
    after_syllable: bool
    left: tuple[str, ...]
    right: re.Pattern[str]
    sounds: str


@cache
def _rules() -> dict[str, tuple[_Rule, ...]]:
    """The rules by their first letter, in order."""
    by_letter: dict[str, list[_Rule]] = {}
    for text in re.split(r"[|\n](?![^(\n]*\))", _RULES.strip()):
        if text:
            rule = _parsed(text)
            by_letter.setdefault(rule.letters[0], []).append(rule)
    return {letter: tuple(rules) for letter, rules in by_letter.items()}


def _parsed(text: str) -> _Rule:
    side, sounds = text.rsplit(" ", 1)
    left, rest = side.split("[", 1)
    letters, right = rest.split("]", 1)
    for name, letters_of_class in _CLASSES.items():
        right = right.replace(name, letters_of_class)
    endings: list[str] = []
    for option in left.replace("+", "").split(","):
        if option.endswith("V"):
            endings += [option[:-1] + vowel for vowel in sorted(_VOWELS)]
        elif option.endswith("C"):
            endings += [option[:-1] + consonant for consonant in _CONSONANTS]
        elif option:
            endings.append(option)
    return _Rule(letters, "+" in left, tuple(endings), re.compile(right), sounds.replace("-", ""))


def read_english(word: str) -> str:
    """Sounds of a word in the letters a–z as an English reader would say it.

    Args:
        word: lower case; other characters are silent.

    Returns:
        IPA, one character a sound; length marks and stress are not written. `ɹ` is the English r, diphthongs
        that begin and end unlike are two characters (aɪ, aʊ, ɔɪ), those of "made" and "no" one (e, o).
    """
    rules = _rules()
    text = f".{word}."
    sounds: list[str] = []
    position, first_vowel = 1, len(text)
    while position < len(text) - 1:
        rule = _first_that_agrees(rules.get(text[position], ()), text, position, first_vowel)
        length = len(rule.letters) if rule else 1
        if rule:
            sounds.append(rule.sounds)
        if first_vowel == len(text):
            vowels = (i for i in range(position, position + length) if text[i] in _VOWELS)
            first_vowel = next(vowels, first_vowel)
        position += length
    return "".join(sounds)


def _first_that_agrees(rules: tuple[_Rule, ...], text: str, position: int, first_vowel: int) -> _Rule | None:
    for rule in rules:
        if not text.startswith(rule.letters, position):
            continue
        if rule.after_syllable and (first_vowel >= position - 1 or text[position - 1] in _VOWELS):
            continue
        if rule.left and not text.endswith(rule.left, 0, position):
            continue
        if rule.right.match(text, position + len(rule.letters)):
            return rule
    return None
