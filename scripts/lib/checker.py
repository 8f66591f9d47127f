"""Judges a finished run: did the promises P1 to P5 and P7 hold?

    violations = check(evidence)        # an empty list if all held
    for violation in violations: print(violation)

Each promise is a module of lib/promises: it compares the databases with what was published and with what came
back; P5 looks at nothing but what the sellers' consumer wrote down. `check` is pure: rows in, violations out.
"""

from __future__ import annotations

import dataclasses

from .evidence import Evidence
from .promises import effects, ledger, oversell, parking, sequence, whole_carts
from .promises.facts import Facts

PROMISES = {
    "P1": "no oversell",
    "P2": "exactly-once effect",
    "P3": "the ledger is the truth",
    "P4": "whole carts",
    "P5": "in sequence",
    "P7": "nothing disappears",
}
_RULES = {"P1": oversell, "P2": effects, "P3": ledger, "P4": whole_carts, "P5": sequence, "P7": parking}


@dataclasses.dataclass(frozen=True)
class Violation:
    """A promise that was broken: which, how, and where to look."""

    promise: str
    what: str
    where: str

    def __str__(self) -> str:
        return f"{self.promise} {PROMISES[self.promise]}: {self.what} [{self.where}]"


def check(evidence: Evidence) -> list[Violation]:
    """All violations, promise by promise."""
    facts = Facts(evidence)
    return [Violation(promise, what, where) for promise, module in _RULES.items() for rule in module.RULES
            for what, where in rule(facts)]
