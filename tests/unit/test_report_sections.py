"""Pages of sections: verdicts lead to reports, simulated markets say so, text is escaped, phones scroll."""

from __future__ import annotations

from lim_pipelines.reports.page import Section, Table, sectioned

CHART = {"data": [], "layout": {"xaxis": {}, "yaxis": {}}}


def test_sections_come_in_order_and_names_lead_to_files() -> None:
    table = Table(("year", "net Sharpe"), [("2018", "0.50")], "A note.")
    html = sectioned(
        "A test",
        "of it",
        [
            Section("first", "words", ("plot",), table, verdicts=[("oil", "Not shown.")]),
            Section("second", simulated=True),
        ],
        {"plot": CHART},
        verdicts=[("all", "<nothing>")],
        facts=[("strategies", "1")],
        links={"oil": "oil.html"},
    )
    order = ["<h1>A test", "&lt;nothing&gt;", ">strategies<", "<h2>first", 'href="oil.html"', "words"]
    order += ['data-chart="plot"', "0.50", "A note.", "<h2>second", "SIMULATED DATA"]
    main = html[html.index("<main>") :]
    places = [main.index(part) for part in order]
    assert places == sorted(places)
    assert html.count("SIMULATED DATA") == 1


def test_a_page_without_anything_is_a_page() -> None:
    html = sectioned("A test", "of nothing", [], {}, simulated=True)
    assert "of nothing" in html
    assert "SIMULATED DATA" in html
    assert "Beside this page" not in html
