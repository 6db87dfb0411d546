"""The measuring process, with a session whose behaviour the provider's options select.

`behaviour` names a method of `Session`; `pace` is the duration of a run in seconds, on a clock that only runs advance.
The session speaks a tone for every token. Tests start this instead of `speaches_service_manager.py measure-synthesis`.
"""

import ctypes
import os
import sys
import time
from typing import Any, NamedTuple, NoReturn

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np
from numpy.typing import NDArray

from speaches_service.synthesis_probe import child

SAMPLES_PER_TOKEN = 600
HANG_FILE = "hangs"
"""A hanging process writes its ID into this file beside the sounds."""


class Input(NamedTuple):
    name: str
    type: str


class Session:
    def __init__(self, work: child.ProbeRequest, directory: str) -> None:
        self.behaviour = work.options.get("behaviour", "right")
        self.pace = float(work.options.get("pace", 1))
        self.provider = work.provider
        self.directory = directory
        self.now = 0.0
        self.runs = 0
        if self.behaviour == "refuse to load":
            raise RuntimeError("Unable to get shape for output: /Squeeze_output_0\nand much more")

    def get_inputs(self) -> list[Input]:
        return [Input("tokens", "tensor(int64)"), Input("style", "tensor(float)"), Input("speed", "tensor(float)")]

    def count_nodes(self) -> dict[str, int]:
        return {"CPUExecutionProvider": 7} if self.behaviour == "leave it to others" else {self.provider: 7}

    def run(self, _names: None, inputs: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
        self.now += self.pace
        self.runs += 1
        tokens = inputs["tokens"][0]
        time_in_token = np.arange(SAMPLES_PER_TOKEN) / 24000
        audio = (0.2 * np.sin(2 * np.pi * np.outer(200 + 20 * tokens, time_in_token))).ravel().astype(np.float32)
        misbehave = getattr(self, self.behaviour.replace(" ", "_"))
        return [misbehave(audio)]

    def right(self, audio: NDArray[Any]) -> NDArray[Any]:
        return audio

    leave_it_to_others = right

    def print(self, audio: NDArray[Any]) -> NDArray[Any]:
        os.write(1, b"Context leak detected, msgtracer returned -1\n" * 5000)
        return audio

    def abort(self, _audio: NDArray[Any]) -> NoReturn:
        os.write(2, b"libc++abi: terminating due to uncaught exception\n")
        os.abort()

    def exit(self, _audio: NDArray[Any]) -> NoReturn:
        os._exit(3)

    def report_hang(self) -> None:
        with open(os.path.join(self.directory, HANG_FILE), "w", encoding="ascii") as file:
            file.write(str(os.getpid()))

    def hang(self, audio: NDArray[Any]) -> NDArray[Any]:
        self.report_hang()
        time.sleep(600)
        return audio

    def hang_in_native_code(self, audio: NDArray[Any]) -> NDArray[Any]:
        self.report_hang()
        # A call through PyDLL holds the interpreter's lock, so no other thread of Python runs.
        ctypes.PyDLL(None).sleep(600)
        return audio

    def fail_at_the_third_run(self, audio: NDArray[Any]) -> NDArray[Any]:
        if self.runs == 3:
            raise RuntimeError("Error executing model … error code: -1")
        return audio

    def speak_noise(self, audio: NDArray[Any]) -> NDArray[Any]:
        noise: NDArray[Any] = np.random.default_rng(0).normal(0, 0.2 / 2**0.5, len(audio)).astype(np.float32)
        return noise

    def speak_noise_at_the_end(self, audio: NDArray[Any]) -> NDArray[Any]:
        return self.speak_noise(audio) if self.runs == 6 else audio

    def speak_longer(self, audio: NDArray[Any]) -> NDArray[Any]:
        return np.append(audio, audio[-len(audio) // 18 :])

    def speak_nothing(self, audio: NDArray[Any]) -> NDArray[Any]:
        return audio[:0]

    def speak_no_numbers(self, audio: NDArray[Any]) -> NDArray[Any]:
        audio[len(audio) // 2] = np.nan
        return audio

    def write_broken_files(self, audio: NDArray[Any]) -> NDArray[Any]:
        if self.runs == 6:
            with open(os.path.join(self.directory, child.sound_file("short", 0)), "wb") as file:
                file.write(b"\x93NUMPY")
        return audio


def main() -> NoReturn:
    sessions: list[Session] = []

    def open_session(work: child.ProbeRequest, directory: str) -> Session:
        sessions.append(Session(work, directory))
        return sessions[-1]

    child.main(sys.argv[1], open_session, lambda: sessions[-1].now)


if __name__ == "__main__":
    main()
