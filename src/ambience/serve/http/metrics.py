"""Figures for Prometheus: requests, searches by kind, stages of pictures, queues, lag, jobs, the process.

Each application has a registry of its own, so that several may live in one process. Labels have few values:
templates of routes, kinds, states; never what a client sent.
"""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ambience.answers import Answer
from ambience.datatypes import FeatureState
from ambience.errors import AmbienceError
from ambience.serve.http.scopes import ELSEWHERE
from ambience.serve.http.visit import Visit

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from ambience.library import Library
    from ambience.serve.http.limits import WorkQueue

FRESH_S = 5.0
"""Figures of the library are counted no more often than this: they take queries."""

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The figures of one application.

    Args:
        library: what is served.
        queues: by name, whose places are shown.
    """

    def __init__(self, library: "Library", queues: "dict[str, WorkQueue]") -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

        self._registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self._registry}
        self._requests = Counter(
            "ambience_http_requests", "Requests answered.", ["method", "route", "status"], **own
        )
        self._durations = Histogram(
            "ambience_http_request_duration_seconds",
            "From the first byte of a request to the last of its answer.",
            ["route"],
            buckets=BUCKETS_S,
            **own,
        )
        self._running = Gauge("ambience_http_requests_in_progress", "Requests in work.", **own)
        self._bytes = Counter("ambience_http_bytes", "Bytes of bodies.", ["direction"], **own)
        self._answers = Counter(
            "ambience_kind_answers", "Answers of kinds: ok, failed, late, empty.", ["kind", "state"], **own
        )
        self._searches = Histogram(
            "ambience_kind_search_seconds", "Searches of one kind.", ["kind"], buckets=BUCKETS_S, **own
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_LibraryFigures(library, queues))

    def began(self) -> None:
        """A request came."""
        self._running.inc()

    def ended(self, visit: Visit, method: str, status: int, took_s: float) -> None:
        """A request was answered; status 0 where the client went away before."""
        self._running.dec()
        route = visit.route or ELSEWHERE
        self._requests.labels(method if method in METHODS else "other", route, status).inc()
        self._durations.labels(route).observe(took_s)
        self._bytes.labels("in").inc(visit.body_bytes)
        self._bytes.labels("out").inc(visit.sent_bytes)

    def searched(self, answer: Answer) -> None:
        """Kinds were asked: how each fared and how long it took."""
        for status in answer.kinds:
            self._answers.labels(status.kind, status.state).inc()
            if status.state in ("ok", "late"):
                self._searches.labels(status.kind).observe(status.took_s)

    def page(self) -> tuple[bytes, str]:
        """All figures as of now.

        Returns:
            The text, and its media type.
        """
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _LibraryFigures:
    """Figures that are looked up when they are asked for; see `prometheus_client.registry.Collector`."""

    def __init__(self, library: "Library", queues: "dict[str, WorkQueue]") -> None:
        self._library, self._queues = library, queues
        self._lock = threading.Lock()
        self._counted: list[Metric] = []
        self._counted_at = float("-inf")

    def describe(self) -> Iterable["Metric"]:
        """Nothing: the registry would count everything to learn the names."""
        return ()

    def collect(self) -> Iterator["Metric"]:
        yield from self._places()
        with self._lock:
            if time.monotonic() - self._counted_at >= FRESH_S:
                with contextlib.suppress(AmbienceError):  # a damaged library still tells of its requests
                    self._counted = [*self._pictures(), *self._jobs(), *self._stages()]
                self._counted_at = time.monotonic()
            yield from self._counted

    def _places(self) -> Iterator["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        places = GaugeMetricFamily("ambience_queue_places", "Requests that may be there.", labels=["queue"])
        taken = GaugeMetricFamily("ambience_queue_taken", "Requests that are there.", labels=["queue"])
        for name, queue in self._queues.items():
            places.add_metric([name], queue.places)
            taken.add_metric([name], queue.taken)
        yield places
        yield taken

    def _pictures(self) -> Iterator["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        info = self._library.info()
        yield GaugeMetricFamily("ambience_images", "Images of the library.", value=info.images)
        yield GaugeMetricFamily("ambience_images_missing", "Images whose file is gone.", value=info.missing)
        yield GaugeMetricFamily("ambience_library_bytes", "Bytes on disk.", value=info.disk_bytes)
        features = GaugeMetricFamily(
            "ambience_features", "Images by state of their feature.", labels=["kind", "state"]
        )
        pending = GaugeMetricFamily(
            "ambience_pending_images", "Images that a kind cannot find yet.", labels=["kind"]
        )
        entries = GaugeMetricFamily("ambience_index_entries", "Vectors of an index.", labels=["kind"])
        written = GaugeMetricFamily(
            "ambience_snapshot_timestamp_seconds", "When an index was last written to disk.", labels=["kind"]
        )
        for kind, each in info.kinds.items():
            for state, count in each.states.items():
                features.add_metric([kind, state.value], count)
            pending.add_metric([kind], each.states.get(FeatureState.PENDING, 0))
            entries.add_metric([kind], each.entries)
            moment = _last_snapshot(info.folder / "index" / each.spec.fingerprint)
            if moment is not None:
                written.add_metric([kind], moment)
        yield from (features, pending, entries, written)
        annotated = GaugeMetricFamily(
            "ambience_annotations", "Images by how far an annotator is.", labels=["annotator", "state"]
        )
        for name, found in info.annotators.items():
            for state, count in found.states.items():
                annotated.add_metric([name, state.value], count)
        yield annotated

    def _jobs(self) -> Iterator["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        jobs = GaugeMetricFamily("ambience_jobs", "Background work by state.", labels=["name", "state"])
        counts: dict[tuple[str, str], int] = {}
        for job in self._library.jobs():
            counts[job.name, job.state] = counts.get((job.name, job.state), 0) + 1
        for (name, state), count in sorted(counts.items()):
            jobs.add_metric([name, state], count)
        yield jobs

    def _stages(self) -> Iterator["Metric"]:
        from prometheus_client.core import SummaryMetricFamily

        took = SummaryMetricFamily(
            "ambience_stage_seconds",
            "Time that stages took.",
            labels=["stage", "kind"],
        )
        for (stage, kind), (count, total_s) in sorted(self._library.stages.totals().items()):
            took.add_metric([stage, kind], count, total_s)
        yield took


def _last_snapshot(folder: Path) -> float | None:
    """When the newest snapshot below a folder was written, in seconds since 1970; None: there is none."""
    try:
        return max((each.stat().st_mtime for each in folder.glob("*/manifest.json")), default=None)
    except OSError:  # an older one went meanwhile
        return None
