import asyncio
import unittest
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from speaches_service.user_interface_defaults import _Gradio, _texts_of, without_external_elements


def recording(name: str) -> Any:
    return lambda **options: (name, options)


class UserInterfaceDefaultsTest(unittest.TestCase):
    def setUp(self) -> None:
        library = SimpleNamespace(
            Dropdown=recording("Dropdown"),
            Number=recording("Number"),
            Blocks=recording("Blocks"),
            Tab="a tab",
            themes=SimpleNamespace(Default=lambda **fonts: fonts),
        )
        self.gradio = _Gradio(library, ["ears", "mouth", "bella"])

    def test_the_configured_choice_is_preselected_else_the_first(self) -> None:
        for choices, chosen in ((["a", "mouth", "ears"], "ears"), (["a", "bella"], "bella"), (["x", "y"], "x")):
            self.assertEqual(self.gradio.Dropdown(choices=choices)[1], {"choices": choices, "value": chosen})
        self.assertEqual(self.gradio.Dropdown(choices=[])[1], {"choices": []})
        self.assertEqual(self.gradio.Dropdown(choices=["a", "b"], value="b")[1]["value"], "b")

    def test_a_number_may_be_empty_and_fonts_are_local(self) -> None:
        self.assertEqual(self.gradio.Number(minimum=1, maximum=2, label="x")[1], {"label": "x"})
        self.assertNotIn("http", str(self.gradio.Blocks(title="x")))
        self.assertEqual(self.gradio.Tab, "a tab")

    def test_events_are_shown_as_text(self) -> None:
        events = (
            '{"type":"transcript.text.delta","delta":" One"}',
            '{"type":"transcript.text.delta","delta":" two."}',
            '{"type":"transcript.text.done","text":"One two."}',
            '{"type":"error","error":{"message":" It broke."}}',
        )

        @asynccontextmanager
        async def connect(_path: str) -> AsyncIterator[Any]:
            async def sent() -> AsyncIterator[Any]:
                for event in events:
                    yield SimpleNamespace(data=event)

            yield SimpleNamespace(aiter_sse=sent, response=SimpleNamespace(is_error=False))

        async def shown() -> str:
            async with _texts_of(connect)("/path") as source:
                return "".join([event.data async for event in source.aiter_sse()])

        self.assertEqual(asyncio.run(shown()), " One two. It broke.")

    def test_a_page_loads_nothing_from_other_servers(self) -> None:
        page = (
            '<link rel="preconnect" href="https://fonts.googleapis.com" />\n<link\n\trel="x"\n\thref="https://a.b"\n/>'
            '<script\n\tsrc="https://c.d/x.js"\n></script><link href="./own.css"><script src="own.js"></script>'
        )
        self.assertEqual(
            without_external_elements(page).strip(), '<link href="./own.css"><script src="own.js"></script>'
        )


if __name__ == "__main__":
    unittest.main()
