"""Decides whether a text names the value of an E2E restaurant slot: the judge of label control.

A text is tokenised and folded (case, accents, markup, hyphens, currency, number words), so natural and tokenised text
read alike. Proper names are found first and blanked, so that "Raja Indian Cuisine" is no Indian food. Every other slot
is an ordered list of rules; a rule reads all its spans, then blanks them, so that a specific reading ("not family
friendly", "high rating of 5 out of 5") hides the general one inside it.

Prices and ratings have two scales in the corpus, words ("cheap", "low") and numbers ("less than £20", "1 out of 5").
People write one for the other ("cheap" for "less than £20" in one of ten texts), so `named` accepts both and
`named_strictly` only the scale that was asked for; results print both. The file is frozen: its `FINGERPRINT` stands in
every result that it judged.
"""

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

FINGERPRINT: str = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]

Rules = tuple[tuple[tuple[str, ...], re.Pattern[str]], ...]  # (values it names, pattern), specific first


def _whole(pattern: str) -> re.Pattern[str]:
    """Compile a pattern over tokens that are separated by single spaces; it begins and ends at token borders."""
    return re.compile(rf"(?<!\S)(?:{pattern})(?!\S)")


_NAMES = (
    "The Vaults", "The Cambridge Blue", "The Eagle", "The Mill", "Loch Fyne", "Bibimbap House", "The Rice Boat",
    "The Wrestlers", "Aromi", "The Phoenix", "Browns Cambridge", "Taste of Cambridge", "Cocum", "The Dumpling Tree",
    "The Punter", "The Golden Curry", "Alimentum", "Midsummer House", "Blue Spice", "Strada", "The Waterman", "Zizzi",
    "Green Man", "Clowns", "Giraffe", "The Olive Grove", "The Twenty Two", "The Cricketers", "Wildwood",
    "The Golden Palace", "The Plough", "Cotto", "Fitzbillies", "Travellers Rest Beefeater",
)
_NEAR = (
    "Café Adriatic", "Café Brazil", "Burger King", "The Sorrento", "The Rice Boat", "Clare Hall", "Raja Indian Cuisine",
    "Café Rouge", "Yippee Noodle Bar", "The Portland Arms", "All Bar One", "Express by Holiday Inn", "The Bakers",
    "Café Sicilia", "Avalon", "The Six Bells", "Ranch", "Crowne Plaza Hotel", "Rainbow Vegetarian Café",
)
_SPELLINGS = {  # where people vary more than "the", an accent or a possessive s
    "Bibimbap House": "bibimbap(?: house)?", "Browns Cambridge": "browns? cambridge", "Clowns": "clowns?",
    "The Twenty Two": "twenty two(?! (?:pounds|quid|euros|dollars))", "Fitzbillies": "fitzbill(?:ies|y)",
    "Travellers Rest Beefeater": "travell?ers? rest(?: beefeater)?|beefeater",
    "Café Adriatic": "(?:cafe )?adriatic(?: cafe)?", "Café Brazil": "(?:cafe )?bra[zs]il(?: cafe)?",
    "Raja Indian Cuisine": "raja(?: indian)?(?: cuisine)?", "Café Rouge": "(?:cafe )?rouge(?: cafe)?",
    "Yippee Noodle Bar": "yipp?ee?(?: noodles?)?(?: bar)?", "The Portland Arms": "portland arms?",
    "All Bar One": "all bar (?:one|1)", "Café Sicilia": "(?:cafe )?sicilia(?: cafe)?",
    "Express by Holiday Inn": "(?:express(?: by)?(?: the)? )?holiday inn(?: express)?",
    "Crowne Plaza Hotel": "crowne? plaza(?: hotel)?",
    "Rainbow Vegetarian Café": "rainbow (?:vegetarian|cafe)(?: cafe)?",
}


def _name(*values: str) -> re.Pattern[str]:
    """Compile a pattern of proper names, with or without "the" and a possessive s."""
    spellings = (_SPELLINGS.get(value, value.lower().removeprefix("the ")) for value in values)
    return _whole(rf"(?:the )?(?:{'|'.join(spellings)})s?")


_NAME_RULES: Rules = tuple(((value,), _name(value)) for value in _NAMES)
_NEAR_RULES: Rules = tuple(((value,), _name(value)) for value in _NEAR)
_ANY_NAME = _name(*_NAMES, *_NEAR)
# One name is also a landmark: a preposition of place before it tells the two apart.
_SHARED = frozenset(_NAMES) & frozenset(_NEAR)
_PLACE_BEFORE = re.compile(
    r"(?:^|\s)(?:near(?:by|est)?|close|by|next|beside|besides|adjacent|opposite|around|vicinity|from|past|behind|alongside|"
    r"outside|neighbou?r\w*|proximity|across)(?: (?:to|too|the|of|door|from|by|both|and|famous|popular|local|"
    r"restaurant|area|river|riverside|city|cent(?:re|er)))* $")

_KIDS = r"(?:kid|kids|kiddies|child|children|childrens|childs|family|families|familys|toddlers?|youngsters)"
_KIDS_LIST = rf"{_KIDS}(?: (?:or|and|/|with|,)(?: young| small| their)? {_KIDS})*"
_NOT = (r"(?:not|no|non|none|nor|never|neither|without|isnt|arent|wasnt|doesnt|dont|didnt|cant|cannot|wont|wouldnt|"
        r"shouldnt|un|avoid|hardly|lacks|unsuitable|inappropriate|unfriendly|unwelcoming|excludes?|prohibits?|"
        r"bans?|discourages?)")
_GAP = r"(?: (?!but|and|however|yet|while|with|only|just|near|price\w*)[a-z]+)"  # a word inside the clause
_WELCOME = r"(?:allowed|allow|welcomed?|permitted|recommended|suitable|accepted|encouraged|advised|admitted|friendly)"
_FAMILY_RULES: Rules = (
    ((), _whole(r"family (?:run|owned|business)|no (?:further|farther|better|doubt|problem)|not (?:only|just)|"
                r"why not|(?:dont|do not|cant|cannot|wont|never) (?:miss|forget|go wrong|beat|regret|mind)")),
    (("no",), _whole(
        rf"{_NOT}{_GAP}{{0,5}}? {_KIDS_LIST}(?: friendly)?"
        rf"|{_NOT}(?: [a-z]+)? (?:friendly|suitable|recommended) (?:with|to|for|towards)(?: [a-z]+)? {_KIDS_LIST}"
        rf"|{_KIDS_LIST}(?: friendly)?(?: [:?,])?(?: (?:it|they|this|is|are|=))* (?:no|not|isnt|arent)(?= [.,;!?]|$)"
        rf"|{_KIDS_LIST}(?: friendly)? (?:unfriendly|unwelcome|free|prohibited|forbidden)"
        rf"|{_KIDS}{_GAP}{{0,3}} (?:(?:not|no|isnt|arent|cant|cannot|shouldnt|wont|dont){_GAP}{{0,2}} {_WELCOME}"
        rf"|prohibited|forbidden|banned|discouraged)"
        rf"|leave (?:the|your) {_KIDS}(?: at)?(?: home)?|adults? (?:only|oriented|orientated|themed|friendly|exclusive)"
        r"|(?:only|exclusively|just)(?: for)? adults?|for adults?(?! and| or| with| as)|over 18s?|18 ?\+"
        r"|adult(?= (?:coffee|pub|restaurant|place|venue|establishment|atmosphere|environment))")),
    (("yes",), _whole(rf"{_KIDS}|all ages|every age|any age")),
)

_N = r"(?:out of|of|out|outta|/|in)(?: (?:a|the|possible|max|maximum))* 5(?: stars?| points?)?"
_WHO = r"(?:customers?|costumers?|consumers?|users?|guests?|diners?|public|overall|satisfaction|quality|food|star)"
_RATE = r"(?:rating|ratings|rated|rates?|ranking|ranked|reviews?|reviewed|feedback|satisfaction|scores?|scored|scoring)"
_LINK = (rf"(?:{_WHO}|is|are|was|were|has|have|had|been|being|be|as|of|at|it|them|this|its|their|a|an|the|very|"
         r"pretty|quite|rather|fairly|somewhat|only|just|by|from|to|in|on|that|considered|level|stands?|place|"
         r"restaurant|establishment|venue|,|:)")
_NO_PRICE = r"(?! (?:price|priced|prices|pricing|cost|costs|end|in price|budget))"


def _rated(level: str) -> str:
    """Pattern of a customer rating at a level: "low customer rating", "rated by customers as low"."""
    return (rf"(?:{level})(?: (?:{_WHO}|in|on|by|of|their|its|and))* {_RATE}"
            rf"|{_RATE}(?: {_LINK})* (?:{level}){_NO_PRICE}")


def _stars(number: int) -> str:
    """Pattern of a rating in numbers, with the level that it makes precise: "low rating of 1 out of 5"."""
    level = r"(?:low|poor|bad|average|moderate|medium|decent|good|great|excellent|high|highly|perfect|top)"
    return (rf"(?:{level}(?: {_WHO})*(?: {_RATE})?(?: {_LINK}| with)* )?(?:{number} {_N}|{number} ?stars?)"
            rf"|{_RATE}(?: {_LINK})* {number}(?: {_N})?(?! \d| star)")


_RATING_RULES: Rules = (
    ((), _whole(rf"[024] {_N}|[24] stars?")),
    *(((f"{number} out of 5",), _whole(_stars(number))) for number in (1, 3, 5)),
    (("low",), _whole(_rated(
        r"low|lowly|lower|lowest|poor|poorly|bad|badly|terrible|awful|negative|unfavou?rable|"
        r"(?:below|lower than|less than|under) average|(?:not|isnt|arent|doesnt|dont)"
        r"(?: (?:have|get|receive|a|very|so|that|too|been))* (?:good|great|high|highly|well)"))),
    (("average",), _whole(_rated(
        "average|averagely|averaged|mediocre|medium|moderate|moderately|middling|okay|ok|fair|decent|mid"))),
    (("5 out of 5",), _whole(_rated("perfect|top|outstanding"))),
    (("high",), _whole(_rated(
        "high|higher|highest|highly|excellent|great|fantastic|wonderful|amazing|superb|exceptional|stellar|positive|"
        "favou?rable") + "|highly (?:recommended|regarded|praised|acclaimed)")),
)

_UNIT = r"(?! (?:min\w*|miles?|km|kilomet\w+|met\w+|yards|people|guests|customers|years?|%|percent|stars?|out))"
_PRICE = r"(?:price|priced|prices|pricing|prince|cost|costs|costing|range|ranged|ranging|budget)"
_PLINK = (r"(?:range|ranges|ranged|is|are|was|were|be|being|of|at|as|a|an|the|its|on|in|to|for|from|"
          r"very|pretty|quite|rather|fairly|somewhat|meals?|menu|food|here|side|that|falls?|,|:)")
_NO_RATE = rf"(?! (?:{_WHO} )*{_RATE}| {_WHO})"


def _priced(level: str) -> str:
    """Pattern of a price level: "high price range", "prices are high", not "price range and high rating"."""
    return (rf"(?:{level})(?: (?:food|to|in|of|the|end|range|level))* {_PRICE}"
            rf"|{_PRICE}(?: {_PLINK})* (?:{level}){_NO_RATE}")


# A level that an amount makes precise: "average price range of £20-25" says £20-25.
_LEVEL = (r"(?:(?:low|lower|cheap|cheaper|moderate(?:ly)?|average|medium|mid|reasonabl[ey]|affordable|high|higher|"
          rf"highly|expensive)(?: (?:{_PRICE}|is|are|of|with|food|at|meals?|a|,|\())* )?")
_ABOUT = r"(?: (?:a|about|around|the|only|just))*"
_BELOW, _ABOVE = r"(?:below|under|(?:lower|less|cheaper) than)", r"(?:above|over|(?:higher|more) than)"
_VERY = r"(?:very |too |so |that |at all |overly )?"
_PRICE_RULES: Rules = (
    (("£20-25",), _whole(rf"{_LEVEL}(?:between )?20 (?:(?:to|and|through|till|until|or|,) )?(?:the )?25{_UNIT}")),
    (("less than £20",), _whole(
        rf"{_LEVEL}(?:(?:less|lower|lesser|cheaper|fewer)(?: (?:then|than|that))?|under|below|beneath|sub|<|"
        rf"up to|within|max|maximum(?: of)?|not (?:more|over|above)(?: than)?|no more than|not exceeding)"
        rf"{_ABOUT} 20{_UNIT}"
        r"|20 (?:or|and) (?:less|under|below|lower|cheaper)|20 (?:max|maximum)")),
    (("more than £30",), _whole(
        rf"{_LEVEL}(?:(?:more|greater|higher|bigger|upwards?)(?: (?:then|than|that|of))?|over|above|exceed(?:s|ing)?|>|"
        rf"(?:in )?excess of|at least|from|start\w* (?:at|from)|minimum(?: of)?|not less than){_ABOUT} 30{_UNIT}"
        r"|30 (?:or|and) (?:more|over|above|up|upwards?|higher)|30 (?:plus|\+)")),
    (("cheap",), _whole(r"(?:not|isnt|arent) (?:expensive|pricey|costly)|" + _priced(rf"{_BELOW} average"))),
    (("high",), _whole(_priced(rf"{_ABOVE} average"))),
    ((), _whole(
        rf"(?:not|isnt|arent) {_VERY}(?:cheap|inexpensive|affordable|expensive|pricey|costly)"
        r"|moderately (?=high|expensive|cheap|low)"
        r"|average (?:price|cost)s?(?: (?:range|of|a|meal|is|at|around|about|over|under|between))* (?=\d)")),
    (("cheap",), _whole(
        "cheap(?:ly|er|est)?|inexpensive(?:ly)?|low cost|economical|bargain|" + _priced("low|lower|lowest|cheap"))),
    (("moderate",), _whole(_priced(
        "moderate|moderately|average|averagely|medium|mid|middle|reasonable|reasonably|fair|fairly|modest|modestly")
        + rf"|(?:moderate(?:ly)?|reasonable){_NO_RATE}|mid range")),
    (("high",), _whole(
        r"expensive|pric(?:ey|y)|costly|upscale|high end|upmarket|luxur\w+|"
        + _priced("high|highly|higher|highest|upper|premium"))),
)

_CITY = r"(?:city|town|cambridge)"
_CENTRE = r"(?:centre|center|centers|centres|central|heart|middle|core)"
_CENTRAL = rf"{_CITY} {_CENTRE}|{_CENTRE} (?:part |area )?of (?:the )?{_CITY}"
_AREA_RULES: Rules = (
    ((), _whole(r"(?:(?:outside|out|north|south|east|west|away|far|miles|outskirts)(?: (?:of|from))*|"
                rf"not (?:located )?(?:in|on|by|near|at|along))(?: the)? (?:{_CENTRAL}|{_CITY}|river ?\w*)")),
    (("city centre",), _whole(
        rf"{_CENTRAL}|downtown|inner city|central(?:ly)?|in (?:the )?(?:city|cent(?:re|er))")),
    (("riverside",), _whole(
        r"rivers?|river ?(?:side|front|bank|banks|view)s?|water ?(?:side|front)|banks? of the (?:cam|water)")),
)
_TYPE_RULES: Rules = (
    (("coffee shop",), _whole(r"coffee ?(?:shops?|houses?|bars?|place)|cafes?|coffee(?= (?:and|or) \w+ shop)")),
    (("pub",), _whole(r"pubs?|public houses?|gastropubs?|taverns?|pub restaurants?")),
    (("restaurant",), _whole(r"restaur\w*")),
)
_FOOD_RULES: Rules = (
    (("Fast food",), _whole(r"fast ?foods?|french fries|fries|(?:ham|cheese)?burgers?|junk food")),
    (("English",), _whole("english|british")),
    (("Japanese",), _whole("japanese|sushi")),
    (("Italian",), _whole("italian|pasta|pizzas?|spaghetti")),
    *(((value,), _whole(value.lower())) for value in ("French", "Indian", "Chinese")),
)
_RULES: dict[str, Rules] = {
    "name": _NAME_RULES, "eatType": _TYPE_RULES, "food": _FOOD_RULES, "priceRange": _PRICE_RULES,
    "customer rating": _RATING_RULES, "area": _AREA_RULES, "familyFriendly": _FAMILY_RULES, "near": _NEAR_RULES,
}
SLOTS: tuple[str, ...] = tuple(_RULES)
# The same level on the two scales of prices and ratings; people often write one for the other.
SAME_LEVEL: dict[str, dict[str, str]] = {
    "priceRange": {"cheap": "less than £20", "moderate": "£20-25", "high": "more than £30"},
    "customer rating": {"low": "1 out of 5", "average": "3 out of 5", "high": "5 out of 5"},
}
VALUES: dict[str, tuple[str, ...]] = {
    slot: tuple(dict.fromkeys(value for values, _ in rules for value in values)) for slot, rules in _RULES.items()}

_NUMBERS = {"zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "twenty": "20", "thirty": "30"}
_TAG = re.compile(r"< (?:/ )?[a-z][^<>]*>")
_APOSTROPHE = re.compile(r"(?<=\w) ' (?=(?:t|re|ll|ve|s)\b)")
_MARKUP = re.compile(r"[\"'*`|~#_\[\]\\-]")
_CURRENCY = re.compile(r"(?<!\S)(?:£|\$|€|pounds?|quid|gbp|sterling|euros?|dollars?|usd)(?!\S)")
_LETTER_POUND = re.compile(r"(?<!\S)l(?=\d\d(?!\S))")  # a keyboard without "£"
_PENCE = re.compile(r"(?<=\d) \. 00?(?!\S)")


@lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    """Fold a text to lower-case tokens without accents, markup, quotes and hyphens, separated by single spaces."""
    tokens = " ".join(re.findall(r"\w+|[^\w\s]", unicodedata.normalize("NFC", text)))
    plain = "".join(c for c in unicodedata.normalize("NFD", tokens) if not unicodedata.combining(c)).casefold()
    plain = re.sub("[\u2018\u2019\u02bc`\u00b4]", "'", re.sub("[\u2010-\u2015\u2212]", "-", plain))
    plain = _APOSTROPHE.sub("", _TAG.sub(" ", plain))
    return " ".join(_MARKUP.sub(" ", plain).split())


@lru_cache(maxsize=4096)
def _without_names(text: str) -> str:
    """Fold a text, blank its proper names, and write its numbers in digits without currency."""
    blanked = _ANY_NAME.sub("@", _folded(text)).replace("twenty five", "25")
    words = _LETTER_POUND.sub("", " ".join(_NUMBERS.get(word, word) for word in blanked.split()))
    return _PENCE.sub("", " ".join(_CURRENCY.sub(" ", words).split()))


@lru_cache(maxsize=65536)
def _read(text: str, slot: str) -> tuple[str, ...]:
    """All values of a known slot that the text names, in the order of the slot's values."""
    if slot in ("name", "near"):
        folded = _folded(text)
        found = {values[0] for values, pattern in _RULES[slot] if _stands_as(slot, values[0], pattern, folded)}
    else:
        rest, found = _without_names(text), set()
        for values, pattern in _RULES[slot]:
            rest, count = pattern.subn("@", rest)
            found.update(values if count else ())
        if slot == "eatType" and len(found) > 1:      # "a pub restaurant" is a pub: restaurant is the general word
            found.discard("restaurant")
    return tuple(value for value in VALUES[slot] if value in found)


def _stands_as(slot: str, value: str, pattern: re.Pattern[str], folded: str) -> bool:
    """Whether a proper name stands in the folded text; one that can be both must stand as the slot's kind of name."""
    if value not in _SHARED:
        return pattern.search(folded) is not None
    as_landmark = {_PLACE_BEFORE.search(folded[: hit.start()]) is not None for hit in pattern.finditer(folded)}
    return (slot == "near") in as_landmark


def _known(given: str, known: Iterable[str], what: str) -> None:
    """Refuse a word that is not known. Raises: ValueError, a sentence that names the nearest known word."""
    known = tuple(known)
    if given not in known:
        lower = {word.casefold(): word for word in known}
        nearest = difflib.get_close_matches(given.casefold(), lower, n=1, cutoff=0.0)
        raise ValueError(
            f"{what} '{given}' is not known; the nearest is '{lower[nearest[0]]}'. Known: {', '.join(known)}.")


def named_values(text: str, slot: str) -> list[str]:
    """All values of a slot that a text names; of overlapping readings only the most specific.

    Args:
        text: natural or tokenised text, any case; may be empty and may hold markup.
        slot: one of `SLOTS`.

    Raises:
        ValueError: the slot is not known; the sentence names the nearest one.
    """
    _known(slot, SLOTS, "Slot")
    return list(_read(text, slot))


def named_strictly(text: str, slot: str, value: str) -> bool:
    """Whether a text names this value of a slot, in the corpus' words or a paraphrase of them, on its own scale.

    Raises:
        ValueError: the slot, or the value in this slot, is not known; the sentence names the nearest one.
    """
    _known(slot, SLOTS, "Slot")
    _known(value, VALUES[slot], f"Value of slot '{slot}'")
    return value in _read(text, slot)


def named(text: str, slot: str, value: str) -> bool:
    """The same, where the other scale's word for the level counts too: "cheap" names "less than £20"."""
    return named_strictly(text, slot, value) or any(
        twin in _read(text, slot) for pair in SAME_LEVEL.get(slot, {}).items() if value in pair for twin in pair)
