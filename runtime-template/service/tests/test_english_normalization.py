import unittest

from speaches_service.english_normalization import normalized

CASES = {
    # Markdown
    "# Title\nText": "Title\nText",
    "## The end ##\nText": "The end\nText",
    "**bold**, *italic*, __under__, _line_ and ~~gone~~": "bold, italic, under, line and gone",
    "Use `cargo test` now": "Use cargo test now",
    "- one\n* two\n+ three\n- [x] done": "one\ntwo\nthree\ndone",
    "> quoted\n> text": "quoted\ntext",
    "See [the guide](https://example.com/a_(b)) and ![a cat](cat.png).": "See the guide and a cat.",
    "```python\nprint(1)\n```": "print(1)",
    "| Name | Age |\n|------|:---:|\n| Ann | 30 |": "Name, Age.\nAnn, 30.",
    "one\n---\ntwo": "one\ntwo",
    "one<br>two <b>three</b>": "one two three",
    "<b>Bonds</b> or&nbsp;shares &amp; debts &lt;1&gt; &#8364;5 R&D; AT&T": (
        "Bonds or shares and debts <1> 5 euros R&D; AT&T"
    ),
    "One. [pause=2] Two. [pause:1.5s] Three [silent 500 ms] four": "One. Two. Three four",
    "see [pause] and [1]": "see [pause] and [1]",
    # Mathematical and full-width letters
    "𝖇𝖚𝖎𝖑𝖉 𝖎𝖙 ｎｏｗ！": "build it now!",
    # Emoji
    "Hello 👋🏽 world 🇩🇪!": "Hello world!",
    "👍": "",
    # Addresses and files
    "Go to https://www.example.com/docs/a?b=1#c.": "Go to example dot com slash docs slash a.",
    "Write to support@example.com, please.": "Write to support at example dot com, please.",
    "Visit example.com today": "Visit example dot com today",
    "Open main.py or app.config.json": "Open main dot py or app dot config dot json",
    # Abbreviations
    "Mr Smith Jr. paid, and so did Brown, Sr., and Jones Jr.": (
        "Mr Smith Junior paid, and so did Brown, Senior, and Jones Junior."
    ),
    "URLs, GPUs and CPUs": "U R Ls, G P U's and C P U's",
    "the US and BUS": "the US and BUS",
    # Dates and times
    "On 2025-03-04 it rained": "On March 4th, 2025 it rained",
    "At 2025-12-22T14:30:00Z": "At December 22nd, 2025, 14 30",
    "not 2025-13-40": "not 2025-13-40",
    "at 14:30, 9:05, 10:00 and 17:00": "at 14 30, 9 oh 5, 10 o'clock and 17 hundred",
    "at 2:30 pm or 2:00 p.m.": "at 2 30 PM or 2 PM",
    "a ratio of 99:99": "a ratio of 99:99",
    # Money
    "$1,250.50": "1,250 dollars and 50 cents",
    "$1, £1.01, €5.00, $0.99": "1 dollar, 1 pound and 1 penny, 5 euros, 0 dollars and 99 cents",
    "$5M, $1.5 billion, €20k": "5 million dollars, 1.5 billion dollars, 20 thousand euros",
    "¥500": "500 yen",
    # Numbers and units
    "5 km/h, 1 km, 3.5kg": "5 kilometers per hour, 1 kilometer, 3.5 kilograms",
    "20 °C, 68°F": "20 degrees Celsius, 68 degrees Fahrenheit",
    "16 GB at 3.2GHz": "16 gigabytes at 3.2 gigahertz",
    "1,234,567 people": "1,234,567 people",
    "192.168.0.1": "192 dot 168 dot 0 dot 1",
    "v1.2.3 and Python 3.12.1": "version 1 point 2 point 3 and Python 3 point 12 point 1",
    "version 2.5 is out": "version 2.5 is out",
    "2019-2023, 10–20 people": "2019 to 2023, 10 to 20 people",
    "call 555-1234": "call 555-1234",
    "2*3*4 = 24, 2 + 2": "2 times 3 times 4 equals 24, 2 plus 2",
    "-5 degrees, well-known, 10 - 3": "minus 5 degrees, well-known, 10 minus 3",
    "1/2 cup, ¾ inch, ~50": "one half cup, three quarters inch, about 50",
    # Words with signs
    "C++, C# and .NET": "C plus plus, C sharp and dot net",
    "fruit, e.g. apples, i.e., food": "fruit, for example, apples, that is, food",
    "cats vs. dogs w/o fleas": "cats versus dogs without fleas",
    "Item #5 is #great": "Item number 5 is hashtag great",
    "my_long_name": "my long name",
    # Signs
    "a -> b, x >= 3, R & D": "a to b, x is at least 3, R and D",
    # Unchanged text
    "Dr. Smith paid for it, didn't she? Yes!": "Dr. Smith paid for it, didn't she? Yes!",
    "It's 5 minutes to 7; she said “no”.": "It's 5 minutes to 7; she said “no”.",
    "One.\nTwo.": "One.\nTwo.",
}


class EnglishNormalizationTest(unittest.TestCase):
    def test_text_is_normalized(self) -> None:
        for text, expected in CASES.items():
            with self.subTest(text):
                self.assertEqual(normalized(text), expected)

    def test_a_normalized_text_stays_unchanged(self) -> None:
        for expected in CASES.values():
            with self.subTest(expected):
                self.assertEqual(normalized(expected), expected)


if __name__ == "__main__":
    unittest.main()
