"""Public bug reports of speech servers and of their libraries, tried on this one."""

from collections.abc import Iterator

from outcome import Missing, Outcome
from reports import realtime, recordings, speech_fields, speech_texts, transcriptions
from reports.report import Finding, Judge, Kit, Report
from servers import Places, ours

KINDS = {
    "Texts that are spoken": speech_texts.REPORTS,
    "Speech: fields, formats, transport": speech_fields.REPORTS,
    "Recordings": recordings.REPORTS,
    "Transcriptions: fields and answers": transcriptions.REPORTS,
    "Realtime": realtime.REPORTS,
}


def run(places: Places, outcome: Outcome) -> None:
    """Try each report, and write the table of all of them to `tried.md` among the files of the tests."""
    work = places.work / "reported"
    work.mkdir(exist_ok=True)
    with ours(places) as server:
        server.wait_for("/health/ready")
        kit = Kit(server.client, work, places.runtime)
        judged: dict[Judge, Finding | Missing] = {}
        for reports in KINDS.values():
            for report in reports:
                if report.judge not in judged:
                    judged[report.judge] = _try(report, kit)
                finding = judged[report.judge]
                name = f"{report.source}: {report.fault}"
                if isinstance(finding, Missing):
                    outcome.lacks(f"{name}: {finding}")
                else:
                    outcome.check(finding.right, f"{name}: {finding.found}")
        outcome.check(server.process.poll() is None, "the service still runs")
    (work / "tried.md").write_text("".join(_page(judged)))
    outcome.note(f"the table is in {work / 'tried.md'}")


def _try(report: Report, kit: Kit) -> Finding | Missing:
    try:
        return report.judge(kit)
    except Missing as missing:
        return missing
    except (ValueError, KeyError, IndexError, AssertionError) as error:
        return Finding(False, f"{type(error).__name__}: {error}")


def _page(judged: dict[Judge, Finding | Missing]) -> Iterator[str]:
    for title, reports in KINDS.items():
        yield f"## {title}\n\n| report | fault there | sent here |\n|---|---|---|\n"
        for report in reports:
            cells = [report.source, report.fault, _mark(judged[report.judge]) + report.sent]
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
        yield "\n"


def _mark(finding: Finding | Missing) -> str:
    """What stands before the input of a case whose answer was not right."""
    if isinstance(finding, Missing):
        return "**not run**: "
    return "" if finding.right else "**wrong**: "
