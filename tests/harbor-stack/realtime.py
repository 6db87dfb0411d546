"""Sends a sentence to a realtime session, and prints its transcription: `realtime.py URL MODEL`."""

import base64
import json
import sys
import urllib.request

from websockets.sync.client import connect

SENTENCE = "The quick brown fox jumps over the lazy dog."
HEARD = "conversation.item.input_audio_transcription.completed"
url, model = sys.argv[1:]

request = {
    "model": "speaches-ai/Kokoro-82M-v1.0-ONNX-int8",
    "voice": "af_bella",
    "input": SENTENCE,
    "response_format": "pcm",
}
body = json.dumps(request).encode()
asked = urllib.request.Request(f"{url}/v1/audio/speech", body, {"Content-Type": "application/json"})
with urllib.request.urlopen(asked, timeout=120) as answer:
    sound = answer.read() + bytes(4 * 48_000)  # samples of 16 bits, 24 000 a second; the silence ends the turn
with connect(
    f"{url.replace('http', 'ws', 1)}/v1/realtime?model={model}&intent=transcription", max_size=None
) as session:
    for at in range(0, len(sound), 9600):
        event = {"type": "input_audio_buffer.append", "audio": base64.b64encode(sound[at : at + 9600]).decode()}
        session.send(json.dumps(event))
    while (event := json.loads(session.recv(timeout=120)))["type"] != HEARD:
        pass
print(event["transcript"])
