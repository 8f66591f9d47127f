"""Reads the Prometheus text format into a dict."""

from __future__ import annotations

import re

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_Labels = tuple[tuple[str, str], ...]


class Metrics(dict[tuple[str, _Labels], float]):
    """Samples by (name, sorted labels)."""

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name that have all these labels; 0 if there is none."""
        wanted = set(labels.items())
        return sum(value for (sample, having), value in self.items()
                   if sample == name and wanted <= set(having))

    def labels(self, name: str, label: str) -> dict[str, float]:
        """The sums of the samples of that name by the value of one label."""
        sums: dict[str, float] = {}
        for (sample, having), value in self.items():
            if sample == name and label in dict(having):
                key = dict(having)[label]
                sums[key] = sums.get(key, 0) + value
        return sums

    def flat(self) -> dict[str, float]:
        """Samples by their text, `name` or `name{a="b",c="d"}` with the labels in order."""
        def text(labels: _Labels) -> str:
            inner = ",".join(f'{label}="{value}"' for label, value in labels)
            return f"{{{inner}}}" if labels else ""

        return {name + text(labels): value for (name, labels), value in self.items()}

    def merge(self, other: Metrics) -> None:
        """Adds the samples of another process."""
        for key, value in other.items():
            self[key] = self.get(key, 0) + value


def parse(text: str) -> Metrics:
    """The samples of a /metrics page; ValueError on a line that is none."""
    metrics = Metrics()
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = _SAMPLE.match(line)
        if match is None:
            raise ValueError(f"not a sample: {line}")
        name, labels, value = match.groups()
        metrics[name, tuple(sorted(_LABEL.findall(labels or "")))] = float(value)
    return metrics
