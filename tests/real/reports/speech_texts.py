"""Reports about texts that are spoken."""

import concurrent.futures
import json

import sounds
import weights
from client import Answer
from reports.report import Finding, Judge, Kit, Report, answers, judged, says, speech

PIPER = weights.PIPER


def _same_length(first: str, second: str, model: str = weights.SPEECH) -> Judge:
    def judge(kit: Kit) -> Finding:
        lengths = [len(kit.client.speech(model, "af_bella", text).body) / 2 for text in (first, second)]
        ratio = min(lengths) / max(1, *lengths)
        return Finding(ratio > 0.93, f"lengths {lengths[0]:.0f} and {lengths[1]:.0f} samples")

    return judge


def _at_once(kit: Kit) -> Finding:
    texts = [f"This is request number {word}, tonight?" for word in ("one", "two", "three", "four")]
    alone = [len(kit.client.speech(weights.SPEECH, "af_bella", text).body) for text in texts]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            beside = list(pool.map(lambda text: kit.client.speech(weights.SPEECH, "af_bella", text), texts))
            if not all(answer.good for answer in beside) or [len(answer.body) for answer in beside] != alone:
                return Finding(False, f"{[answer.fault() or len(answer.body) for answer in beside]} beside {alone}")
    return Finding(True, f"the same {len(texts)} lengths in 3 rounds")


def _pauses(text: str, count: int, model: str) -> Judge:
    """Whether there are so many silences of 0.08 s or more within the speech, in the middle one of three.

    Piper speaks a little otherwise each time.
    """

    def judge(kit: Kit) -> Finding:
        found = sorted(_silences(kit.client.speech(model, "af_bella", text).body) for _ in range(3))
        return Finding(found[1] >= count, f"{found} pauses")

    return judge


def _silences(pcm: bytes) -> int:
    step = sounds.RATE // 50 * 2
    quiet = "".join(".#"[sounds.loudness(pcm[at : at + step]) > 0.004] for at in range(0, len(pcm) - step, step))
    return sum(len(gap) >= 4 for gap in quiet.strip(".").split("#"))


def _ends_quiet(kit: Kit) -> Finding:
    found = []
    for text in ("Hello", "Hello."):
        body = kit.client.speech(PIPER, "joe", text).body
        found.append((len(body) % 2, round(sounds.loudness(body[-480:]), 4)))
    return Finding(all(odd == 0 and loud < 0.02 for odd, loud in found), f"{found}")


def _silent_or_refused(texts: tuple[str, ...], model: str) -> Judge:
    def judge(kit: Kit) -> Finding:
        found = {}
        for text in texts:
            answer = kit.client.speech(model, "af_bella", text, "wav")
            found[text] = answer.status
            if answer.status not in (200, 422) or answer.broken or (answer.good and not sounds.header(answer.body)):
                return Finding(False, f"{text!r}: {answer.fault()}")
        return Finding(True, json.dumps(found))

    return judge


def _no_error(texts: tuple[str, ...], model: str = weights.SPEECH) -> Judge:
    def judge(kit: Kit) -> Finding:
        lengths = []
        for text in texts:
            answer = kit.client.speech(model, "af_bella", text)
            if not answer.good:
                return Finding(False, f"{text[:40]!r}: {answer.fault()}")
            lengths.append(round(sounds.seconds(answer.body), 1))
        return Finding(True, f"{lengths} s of sound")

    return judge


def _bounded(text: str, most: float, *expected: str) -> Judge:
    """Spoken in so many seconds of sound at most, and understood."""

    def judge(kit: Kit) -> Finding:
        answer = kit.client.speech(weights.SPEECH, "af_bella", text)
        seconds = sounds.seconds(answer.body)
        heard = kit.listen(sounds.wav(answer.body)).body.decode() if answer.good else answer.fault()
        finding = judged(heard, expected, ())
        return Finding(finding.right and seconds <= most, f"{seconds:.1f} s, {finding.found}")

    return judge


def _long(kit: Kit) -> Finding:
    found = [
        kit.client.speech(PIPER, "joe", ("One two three four. " * 6000)[:length]) for length in (4096, 4097, 10_000)
    ]
    return Finding(all(answer.good for answer in found), f"{[answer.fault() or answer.status for answer in found]}")


_BAD_JSON = (
    b"",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"\xff\xfe{\x00}\x00",
    b'{"model":"tts-1","input":"\\ud83d","voice":"af_bella"}',
    b'{"model":"tts-1","input":"a","voice":"af_bella","speed":NaN}',
    b'{"model":"tts-1","input":"a","voice":"af_bella","speed":1e309}',
)


def _bad_json(kit: Kit) -> Finding:
    found = []
    for body in _BAD_JSON:
        answer: Answer = kit.client.send("POST", "/v1/audio/speech", body, {"Content-Type": "application/json"})
        found.append(answer.status)
        if answer.status >= 500 or answer.status == 0 or answer.broken:
            return Finding(False, f"{body!r}: {answer.fault()}")
    return Finding(True, f"{found}")


_BAD_FIELDS: tuple[dict[str, object], ...] = (
    {"input": 5},
    {"input": ["a"]},
    {"input": {}},
    {"input": None},
    {"speed": "1,0"},
    {"speed": -1},
    {"speed": [1]},
    {"voice": None},
    {"voice": {"id": "af_heart"}},
    {"voice": ""},
    {"model": ""},
    {"model": "x" * 10_000},
    {"model": None},
    {"response_format": "MP3"},
    {"response_format": "ogg"},
    {"response_format": 1},
    {"stream_format": "xml"},
    {"sample_rate": -1},
    {"sample_rate": "a"},
    {"sample_rate": 10**30},
    {"normalize": "maybe"},
    {"model": "../../etc/passwd"},
    {"model": "a/b/c"},
    {"model": "tts-1 "},
    {"voice": "af_bella+"},
    {"voice": "+"},
    {"voice": "af_bella(0)"},
    {"voice": "af_bella(-1)"},
    {"voice": "af_bella(1e999)"},
    {"voice": "af_bella(nan)"},
    {"voice": "\u0000"},
    {"input": "\u0000"},
    {"voice": "x" * 5000},
)


def _bad_fields(kit: Kit) -> Finding:
    for fields in _BAD_FIELDS:
        answer = speech(fields)(kit)
        if answer.status == 0 or answer.status >= 500 or answer.broken:
            return Finding(False, f"{str(fields)[:80]}: {answer.fault()}")
    return Finding(True, f"{len(_BAD_FIELDS)} bodies, no 500")


_EMPTY = ("", " ")
_SYMBOLS = (
    "\n",
    "\N{THUMBS UP SIGN}",
    "...",
    "\u200b",
    "1.",
    '"',
    ")",
    "**",
    "---",
    "\u2028",
    "\ue000",
    "." * 1000,
    ";;;;",
)

REPORTS = [
    Report(
        "thewh1teagle/kokoro-onnx#185",
        "line breaks, tabs and blanks reach the phonemizer and give noise",
        r"`Hello\r\n\r\n\tworld.     How   are\nyou?`",
        says("Hello\r\n\r\n\tworld.     How   are\nyou?", "hello", "world", "how are you"),
    ),
    Report(
        "thewh1teagle/kokoro-onnx#114",
        "Chinese text by an English voice is babble",
        "`你好你好这是十个字` by `af_sarah`: no error; what it says is not judged",
        answers(speech({"voice": "af_sarah", "input": "你好你好这是十个字"}), 200, 422),
    ),
    Report(
        "thewh1teagle/kokoro-onnx#133",
        "some kana are skipped",
        "`つまり、ちょっとまってください。` by `jf_alpha`",
        says(
            "つまり、ちょっとまってください。",
            "ちょっと",
            voice="jf_alpha",
            language="ja",
        ),
    ),
    Report(
        "bootphon/phonemizer#162",
        "simultaneous requests mix their texts, or fail",
        "4 simultaneous texts in 3 rounds; lengths compared with single requests",
        _at_once,
    ),
    Report(
        "bootphon/phonemizer#66",
        "the text after a passage in another language is lost",
        "300 letters of Korean, then `and this is the end of the sentence.` by `af_bella`",
        says("안녕하세요 " * 50 + "and this is the end of the sentence.", "end of the sentence", language="en"),
    ),
    Report(
        "hexgrad/kokoro#286",
        "typographic apostrophes change the pronunciation",
        "`I’m sure it’s fine, they’re here, it doesn’t matter.` beside the same with `'`",
        _same_length(
            "I’m sure it’s fine, they’re here, it doesn’t matter.",
            "I'm sure it's fine, they're here, it doesn't matter.",
        ),
    ),
    Report(
        "k2-fsa/sherpa-onnx#1981",
        "an accent in place of an apostrophe is read aloud",
        "``I won`t, and she´ll see.``",
        _same_length("I won`t, and she´ll see.", "I won't, and she'll see."),
    ),
    Report(
        "hexgrad/kokoro#36",
        "SSML tags are read aloud",
        '`<speak>Hello <break time="500ms"/> world <emphasis>now</emphasis></speak>`',
        says(
            '<speak>Hello <break time="500ms"/> world <emphasis>now</emphasis></speak>',
            "hello",
            "world",
            "now",
            never=("speak", "break", "emphasis", "slash"),
        ),
    ),
    Report(
        "shigeyukey/my_addons#232",
        "HTML tags and entities are read aloud",
        "`issue of:<ul><li><b>Bonds</b> or&nbsp;shares</li><br></ul> is &lt;not&gt; &amp; done` by Piper",
        says(
            "issue of:<ul><li><b>Bonds</b> or&nbsp;shares</li><br></ul> is done &amp; over",
            "bonds",
            "shares",
            "done and over",
            never=("amp", "nbsp", "slash"),
            model=PIPER,
        ),
    ),
    Report(
        "remsky/Kokoro-FastAPI#201",
        "phonemes in the documented mark-up are spelled",
        "`[Kokoro](/kˈOkəɹO/) is a model.`",
        says("[Kokoro](/kˈOkəɹO/) is a model.", "is a model", never=("slash",)),
    ),
    Report(
        "remsky/Kokoro-FastAPI#355",
        "a pause tag at the start gives an error",
        "`[pause:1s] Hello.`, `[pause:1s]`",
        _no_error(("[pause:1s] Hello.", "[pause:1s]")),
    ),
    Report(
        "remsky/Kokoro-FastAPI#369",
        "pause tags are read aloud",
        "`One. [pause=2] Two. [pause:1s] Three.`",
        says(
            "One house. [pause=2] Two houses. [pause:1s] Three houses.",
            "one house|1 house",
            "two houses|2 houses",
            "three houses|3 houses",
            never=("pause", "equals"),
        ),
    ),
    Report(
        "remsky/Kokoro-FastAPI#264",
        "amounts and clock times lose their words",
        "`The price will be $100 after 9:30PM.`",
        says("The price will be $100 after 9:30PM.", "100|one hundred", "9 30 pm|nine thirty pm|930 pm|9 30 p m"),
    ),
    Report(
        "remsky/Kokoro-FastAPI#256",
        "amounts of millions are read wrongly",
        "`It cost $5.3 billion and £2,500.`",
        says(
            "It cost $5.3 billion and £2,500.", "5 3 billion|5 3 billion dollars|five point three billion", "2 500|2500"
        ),
    ),
    Report(
        "remsky/Kokoro-FastAPI#368",
        "ranges with units are split",
        "`Keep it at 40–60°C, see pages 3-7.`",
        says(
            "Keep it at 40–60°C, see pages 3-7.",
            "40 to 60|40 60|forty to sixty",
            "degrees|c",
            "3 to 7|three to seven|3 7",
        ),
    ),
    Report(
        "remsky/Kokoro-FastAPI#12",
        "addresses with a port are split at their marks",
        "`Open localhost:7860 or google.com/search now.`",
        says("Open localhost:7860 or google.com/search now.", "google", "search now"),
    ),
    Report(
        "remsky/Kokoro-FastAPI#529",
        "dashes, plural abbreviations and capitals are read badly",
        "`CALL NOW—the URLs and PDFs are here. THIS IS NOT A DRILL.`",
        says(
            "CALL NOW—the URLs and PDFs are here. THIS IS NOT A DRILL.",
            "call now",
            "pdfs",
            "this is not a drill",
            never=("earls",),
        ),
    ),
    Report(
        "remsky/Kokoro-FastAPI#227",
        "headings and tables of chat answers are read with their marks",
        r"`# Result\n\nThe table:\n\n| a | b |\n|---|---|\n| one | two |`",
        says(
            "# Result\n\nThe table:\n\n| name | size |\n|---|---|\n| house | large |",
            "result",
            "house",
            "large",
            never=("hash", "dash", "vertical", "bar", "pipe"),
        ),
    ),
    Report(
        "speaches-ai/speaches#391",
        "emoji and signs are read only in part",
        "`Done ✅👩🏽‍💻 1️⃣ ❤️ → next ☐ step`",
        says("Done ✅👩🏽‍💻 ❤️ → next ☐ step", "done", "next", "step", never=("skin", "tone", "box", "check", "heart")),
    ),
    Report(
        "rhasspy/piper#349",
        "a list without full stops is one sentence",
        r"`Fruits:\nApple\nBanana\nOrange` by Piper",
        _pauses("Fruits:\nApple\nBanana\nOrange", 3, PIPER),
    ),
    Report(
        "rhasspy/piper#839",
        "`...` is ignored",
        "`Wait... what? Well… no.` by Piper",
        _pauses("Wait... what? Well… no.", 2, PIPER),
    ),
    Report(
        "rhasspy/piper#151",
        "no gap between sentences",
        "`One. Two. Three.` by Piper",
        _pauses("One. Two. Three.", 2, PIPER),
    ),
    Report(
        "rhasspy/piper#363",
        "abbreviations and decimals end the sentence",
        "`Mr Smith Jr. paid $500 in 1908; about 3.14 percent.` by Piper",
        says(
            "Mr Smith Jr. paid $500 in 1908; about 3.14 percent.",
            "smith junior|smith jr",
            "500|five hundred",
            "3 14|three point one four",
            model=PIPER,
        ),
    ),
    Report(
        "rhasspy/piper#124",
        "a phoneme that the voice lacks crashes the process",
        "`buttons, mutton, tighten, lighten` by Piper",
        _no_error(("buttons, mutton, tighten, lighten, heighten",), PIPER),
    ),
    Report(
        "rhasspy/piper#120",
        "about twenty lines at once fail",
        "20 lines of 80 characters without marks, by Piper",
        _no_error(
            ("\n".join("the old man went down to the river and looked at the boats for a while" for _ in range(20)),),
            PIPER,
        ),
    ),
    Report(
        "OHF-Voice/piper1-gpl#280",
        "text in double brackets is taken for phonemes",
        "`Use [[wiki links]] and if [[ -f x ]]; then stop.` by Piper, and `[[`",
        says("Use [[wiki links]] and if [[ -f x ]]; then stop.", "use", "links", "stop", model=PIPER),
    ),
    Report(
        "OHF-Voice/piper1-gpl#280",
        "an unclosed bracket",
        "`[[` and `Look [[ here.` by Piper",
        _no_error(("[[", "Look [[ here.", "]]", "[[]]"), PIPER),
    ),
    Report(
        "OHF-Voice/piper1-gpl#298",
        "letters and accents are ignored",
        "`A. B. C. 7 Z`, `Zoë, naïve, São Paulo, Łódź` by Piper",
        _no_error(("A. B. C. 7 Z", "Zoë, naïve, São Paulo, Łódź"), PIPER),
    ),
    Report(
        "home-assistant/core#156603",
        "noise at the end of Piper's sound",
        "`Hello` and `Hello.`: the last 10 ms",
        _ends_quiet,
    ),
    Report(
        "OHF-Voice/wyoming-piper#33",
        "a text without a sound ends in an error",
        "13 texts of signs, by Piper, as wav",
        _silent_or_refused(_SYMBOLS, PIPER),
    ),
    Report(
        "travisvn/openai-edge-tts#7",
        "pieces that a client splits off give errors",
        "13 texts of signs, by Kokoro, as wav",
        _silent_or_refused(_SYMBOLS, weights.SPEECH),
    ),
    Report(
        "OHF-Voice/wyoming-piper#20",
        "a short clock time gives no sound",
        "`6:31 PM` by Piper",
        says("6:31 PM", "6 31|631|6 31pm|six thirty", model=PIPER),
    ),
    Report(
        "open-webui/open-webui#9066",
        "stage directions flow into the sentence",
        "`My name is Henry. *Holds out hand* Nice to meet you.`",
        says(
            "My name is Henry. *Holds out hand* Nice to meet you.",
            "my name is henry",
            "nice to meet you",
            never=("asterisk", "star"),
        ),
    ),
    Report(
        "open-webui/open-webui#5924",
        "bullets arrive whole, with their marks",
        r"`- first\n- second\n  - third\n\n`",
        says(
            "- first house\n- second house\n  - third house\n\n",
            "first house",
            "second house",
            "third house",
            never=("dash", "minus"),
        ),
    ),
    Report(
        "espeak-ng/espeak-ng#1208",
        "signs that only lengthen letters or set the direction change the word",
        "`تــــــارـــــیخ` with U+0640 and U+200F",
        _no_error(("تــــــارـــــیخ\u200f",)),
    ),
    Report(
        "espeak-ng/espeak-ng#2485",
        "mathematical letters are spelled for minutes",
        "`𝖇𝖚𝖎𝖑𝖉 𝖎𝖙 ｎｏｗ please`",
        _bounded("𝖇𝖚𝖎𝖑𝖉 𝖎𝖙 ｎｏｗ please", 5.0, "build it now please"),
    ),
    Report(
        "OpenVoiceOS/ovos-tts-plugin-piper#7",
        "nothing is spoken after a question",
        "`Why did it go? Because it had to.` by Piper",
        says("Why did the dog go out? Because he had to.", "because he had to", model=PIPER),
    ),
    Report(
        "nextcloud/integration_openai#379",
        "long texts are refused at a limit",
        "4096, 4097 and 10 000 characters by Piper",
        _long,
    ),
    Report(
        "vllm-project/vllm-omni#3649",
        "empty fields give another status than wrong fields",
        '`"input": ""`, `"voice": ""`',
        answers(speech({"input": ""}), 422),
    ),
    Report(
        "vllm-project/vllm-omni#3649",
        "an empty voice gives a server error",
        '`"voice": ""`',
        answers(speech({"voice": ""}), 422, 200),
    ),
    Report(
        "thewh1teagle/kokoro-onnx#185",
        "invisible characters are read",
        "`He\u00adllo\u200b wor\u200dld, a\ufeffgain`".encode("unicode_escape").decode(),
        says("Hel\u00adlo wor\u00adld, once a\ufeffgain\u200b please.", "hello", "again please"),
    ),
    Report(
        "own",
        "long runs without a word",
        "300 equal letters, 200 digits, a word of 600 letters, 200 combining marks",
        _no_error(("a" * 300, "1" * 200, "abcdefghij" * 60, "a" + "\u0301" * 200)),
    ),
    Report("own", "bodies that are not requests", f"{len(_BAD_JSON)} bodies of broken JSON", _bad_json),
    Report("own", "fields of wrong types and values", f"{len(_BAD_FIELDS)} bodies", _bad_fields),
]
