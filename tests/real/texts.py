"""Texts to speak: sentences of several kinds and languages, and long texts without any mark."""

import random
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Utterance:
    """A text and the voice that speaks it; Whisper is told the language."""

    kind: str
    voice: str
    language: str
    text: str


LONG = (
    "The town of Ashby lies where two rivers meet, and for most of its history nobody outside the valley had heard of "
    "it. That changed in the spring of 1912, when a young engineer named Helen Marsh arrived with three trunks, a "
    "folding table and a letter from the railway. She was to find out whether a bridge could be built. The farmers "
    "laughed, because every bridge so far had been carried away by the ice. Helen did not laugh. She measured the "
    "water every morning, asked the oldest people about the worst winters, and drew what she learned on long sheets "
    "of paper. After seven weeks she had an answer. The bridge would stand, she said, if its pillars were built on "
    "the rock below the sand, and if the arches were wide enough to let the ice pass. It would cost twice as much as "
    "the railway had hoped. For a month no letter came. Then, on a rainy afternoon, the stationmaster ran through the "
    "streets with a telegram in his hand. The work began in August. Two hundred men came to Ashby, and with them "
    "cooks, carpenters, a doctor and a photographer. Some of them stayed for ever. On the day when the first train "
    "crossed the river, Helen sat in the last carriage and looked at the water through a small hole in the floor. "
    "People asked her later what she had thought at that moment. She always gave the same reply: the third pillar "
    "was four inches further left than in the drawing, and nobody but herself would ever know. The bridge still "
    "stands. Every spring the ice comes down the valley, breaks against the stone with a noise like thunder, and "
    "moves on to the sea."
)

_ENGLISH = [
    ("plain", "The quick brown fox jumps over the lazy dog near the quiet river at sunset."),
    ("plain", "She opened the window and listened to the rain for a long time."),
    ("plain", "Our neighbours have painted their front door in a very bright shade of yellow."),
    ("plain", "Please put the heavy boxes on the lower shelf, behind the door."),
    ("plain", "The train leaves from the other platform today."),
    ("short", "Good morning, everyone."),
    ("short", "Thank you very much."),
    ("short", "That is not what I meant."),
    ("number", "There are three hundred and sixty five days in an ordinary year."),
    ("number", "The bridge is 450 meters long and 32 meters high."),
    ("number", "He counted seventeen birds on the roof and twelve more in the tree."),
    ("number", "About 25 percent of the students walk to school."),
    ("number", "The new engine is 1.5 times as fast as the old one."),
    ("number", "Turn to page 118 and read the second paragraph."),
    ("date", "The meeting was moved from Monday to Thursday, the ninth of October."),
    ("date", "My grandmother was born on June 14, 1938, in a small village."),
    ("date", "The museum has been closed since December 2019."),
    ("date", "We will meet again on the first of May at noon."),
    ("name", "Alice and Robert live in London, but they often travel to Berlin."),
    ("name", "Doctor Johnson wrote a letter to Margaret about the garden."),
    ("name", "Peter flew from New York to San Francisco with his brother Michael."),
    ("name", "Professor Green teaches history at the University of Chicago."),
    ("question", "Could you tell me where the nearest post office is?"),
    ("question", "Have you ever seen the ocean in the middle of winter?"),
    ("question", "Why did nobody answer the phone this morning?"),
    ("question", "What time does the library close on Saturday?"),
    ("quote", '"I have never been here before," said the old man, and he sat down.'),
    ("quote", 'The sign on the gate said: "Please keep the dogs on the lead."'),
    ("quote", '"Wait for me!" she called. "I will be there in a minute."'),
    ("quote", "He whispered, \u201cThe door is open,\u201d and we followed him inside."),
    ("list", "We need apples, oranges, bread, butter, two bottles of milk, and a bag of rice."),
    ("list", "First wash the potatoes. Then cut them into slices. Finally, bake them for half an hour."),
    ("list", "The box contains:\n- a hammer\n- a screwdriver\n- twenty nails\n- a roll of tape\n"),
    ("list", "The flag is red, white, and green; the coat of arms shows a lion, a tree, and a star."),
    ("clauses", "Although it had been snowing all night, the children insisted on walking to the lake, "
     "because they had promised their friends to bring the skates."),
    ("clauses", "The report, which nobody had read, was much longer than the one that everybody had praised."),
    ("several", "It was getting late. The shops were closing. "
     "A man with a blue umbrella crossed the street and disappeared into the fog."),
    ("several", "Dr. Brown arrived at 5 p.m. and left an hour later. Mrs. White did not see him."),
    ("several", "The temperature fell to minus 7.5 degrees. Nobody went outside. Even the cat stayed near the fire!"),
    ("1500 characters", LONG),
]  # fmt: skip
_ENGLISH_VOICES = [
    "af_bella", "bm_george", "am_michael", "bf_emma", "af_heart", "am_adam", "bf_isabella", "af_nicole", "bm_lewis",
    "am_fenrir", "af_sarah",
]  # fmt: skip
_OTHERS = [
    ("ef_dora", "es", "La casa de mi abuela está cerca del mar, y en verano vamos todos los días a la playa."),
    ("em_alex", "es", "¿Sabes a qué hora sale el próximo tren para Madrid?"),
    ("ff_siwis", "fr", "Le petit chat dort sur la chaise, et la pluie tombe doucement sur le jardin."),
    ("ff_siwis", "fr", "Nous avons acheté du pain, du fromage et une bouteille de vin pour le dîner."),
    ("if_sara", "it", "Domani mattina andiamo al mercato per comprare la frutta e il pesce fresco."),
    ("im_nicola", "it", "Il professore ha letto una lunga storia agli studenti, e nessuno ha parlato."),
    ("pf_dora", "pt", "O menino abriu a porta da casa e viu que a rua estava cheia de gente."),
    ("pm_alex", "pt", "Amanhã vamos visitar os nossos amigos que moram perto do rio."),
    ("hf_alpha", "hi", "मेरा घर नदी के पास है और मैं हर दिन स्कूल जाता हूँ।"),
    ("hm_omega", "hi", "आज मौसम बहुत अच्छा है। हम बाहर खाना खाएंगे।"),
]

UTTERANCES = [
    Utterance(kind, _ENGLISH_VOICES[index % len(_ENGLISH_VOICES)], "en", text)
    for index, (kind, text) in enumerate(_ENGLISH)
] + [Utterance("other languages", voice, language, text) for voice, language, text in _OTHERS]

SENTENCE = UTTERANCES[0].text
PARAGRAPH = LONG[:622].rpartition(".")[0] + "."

_WORDS = {
    # More than Whisper hears at once (30 s): it takes what is said again and again for its own mistake, and guesses.
    "Latin": re.findall("[a-z]+", LONG.replace("1912", "that year").lower()),
    "Cyrillic": "мы шли по тихой дороге и говорили о старых днях когда река была широкой и лодки приходили с лесом и "
    "камнем а люди пели в полях до самого вечера".split(),
}
_LETTERS = {
    "Han": "天地人山水火木金土日月星风雨云花草树鸟鱼马牛羊大小多少上下左右前后来去开关早晚春夏秋冬",
    "Kana": "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわん",
}


@dataclass(frozen=True)
class LongText:
    """A text without punctuation, and the voice and model that speak it."""

    script: str
    voice: str
    piper: bool
    text: str


def _unmarked(script: str, length: int) -> str:
    """A text of so many characters, or one less where a word ends there; the same in every run."""
    chosen = random.Random(f"{script} {length}")  # noqa: S311 - the same text in every run, no secret
    if script in _LETTERS:
        return "".join(chosen.choice(_LETTERS[script]) for _ in range(length))
    # In the order of sentences, not shuffled, so that Whisper can follow.
    words = _WORDS[script]
    start = chosen.randrange(len(words))
    return " ".join([*words[start:], *(words * (length // 100 + 1))])[:length].rstrip()


# Two of 10 000 characters, one by each family of models; the rest adds up to about as much.
LONG_TEXTS = [
    *(LongText("Latin", "af_bella", False, _unmarked("Latin", length)) for length in (1, 60, 520, 1100, 3000, 10_000)),
    *(LongText("Latin", "joe", True, _unmarked("Latin", length)) for length in (520, 10_000)),
    *(LongText("Cyrillic", "af_bella", False, _unmarked("Cyrillic", length)) for length in (1, 120, 520)),
    LongText("Cyrillic", "joe", True, _unmarked("Cyrillic", 2500)),
    *(LongText("Han", "zf_xiaoxiao", False, _unmarked("Han", length)) for length in (1, 60, 520)),
    LongText("Han", "af_bella", False, _unmarked("Han", 60)),
    *(LongText("Kana", "jf_alpha", False, _unmarked("Kana", length)) for length in (1, 60, 520)),
    LongText("Kana", "jf_alpha", False, _unmarked("Kana", 1500)),
]
