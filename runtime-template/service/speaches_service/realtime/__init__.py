"""Makes upstream's realtime sessions work with clients of OpenAI's API.

`events.py` reads the events of a client and answers errors; `sessions.py` makes and changes a session;
`input_audio.py` receives the sound and finds the end of each turn; `routers.py` installs them in upstream's routers.
All other code is upstream's.
"""
