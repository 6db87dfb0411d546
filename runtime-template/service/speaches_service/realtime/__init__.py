"""Realtime sessions as clients of OpenAI's interface hold them.

`events.py` reads what a client sends and answers what fails; `sessions.py` makes and changes a session;
`input_audio.py` takes the sound and finds the end of what was said; `routers.py` puts them in upstream's place. The
rest is upstream's.
"""
