"""The first line of an exception's message: exceptions of libraries may have messages of many lines."""


def first_line(error: object) -> str:
    return str(error).strip().partition("\n")[0]
