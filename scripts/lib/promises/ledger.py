"""P3, the ledger is the truth: each position is the fold of its ledger; versions run 1..n without a gap."""

from __future__ import annotations

from .facts import Facts, Findings, position_name


def _fold(facts: Facts) -> Findings:
    positions = {row[:3]: row for row in facts.evidence.positions}
    for key in positions.keys() | facts.ledger.keys():
        rows = facts.ledger.get(key, [])
        sums = tuple(sum(column) for column in zip(*(row[5:8] for row in rows))) or (0, 0, 0)
        row = positions.get(key)
        if row is None:
            yield "there are ledger rows and no position", position_name(key)
        elif (row.on_hand, row.reserved, row.shortfall) != sums:
            yield (f"the position says on hand {row.on_hand}, reserved {row.reserved}, shortfall "
                   f"{row.shortfall}; "
                   f"its ledger {sums[0]}, {sums[1]}, {sums[2]}", position_name(key))


def _gapless_versions(facts: Facts) -> Findings:
    for row in facts.evidence.positions:
        versions = [entry.version for entry in facts.ledger.get(row[:3], ())]
        if versions != list(range(1, len(versions) + 1)):
            gap = next(expected for expected, version in enumerate([*versions, None], 1)
                       if version != expected)
            yield f"version {gap} is missing or stands twice", position_name(row)
        elif row.version != len(versions):
            yield (f"the position is at version {row.version}, its ledger at {len(versions)}",
                   position_name(row))


RULES = (_fold, _gapless_versions)
