"""Search of local features: votes of single points, then proof by geometry, then a look at the pixels.

Called by the gateway and the services. Every hit carries its proof; nothing is answered that chance explains.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ambience.answers import Expansion, Geometry, Hit, Ranking
from ambience.datatypes import Ids, Picture, QueryVariant
from ambience.errors import CorruptFeatureError, FeatureError, ImageError, UnknownImageError
from ambience.extract.base import PointExtractor
from ambience.keypoints import HEAD_BYTES, Keypoints, owners, unpack, unpack_places
from ambience.search.copies import GROWTH, full_rows
from ambience.search.geometry import pairs
from ambience.search.matching import mutual_matches
from ambience.search.original_local import OriginalKnobs, matches_by_image
from ambience.search.originals import Originals
from ambience.search.pixel_check import compare_pixels
from ambience.search.places import agreeing_places
from ambience.search.proof import orientation_of
from ambience.search.vector import SearchableIndex, check_extent, stored_variant
from ambience.search.verdicts import verdict_of
from ambience.search.verification import Candidate, View, both_ways, proven
from ambience.search.votes import Votes, cast_votes, consistency, most_voted
from ambience.settings import setting
from ambience.store.commit import Store
from ambience.store.features import BrokenFeatureError

Proofs = dict[int, Geometry]
"""By feature id; some are hints that are not accepted."""

SURE = 25.0
"""Score above which no second look is taken."""

CLOSE_POINTS, CLOSE_SIDE = 2_000, 1_024
"""Keypoints and longest side of pictures looked at more closely."""

CLOSE_CANDIDATES = 10
"""Most candidates whose files are looked at more closely."""

GUESSES, SMALL_GUESSES = 1, 3
"""Of a query that nothing was accepted for, candidates by votes alone that are looked at more closely. Of 200
photos seen as an inset of 6 %, 9 were lost without: 6 of these had the most votes, the others not one of the
three most. Each guess costs a query that nothing matches 0.15 s."""

SMALL = 160
"""Longest side, in pixels, of queries that may be too small for hints."""

HINT = 2.0
"""Score from which a candidate deserves a closer look. Of 2,100 pictures without any relation, none had 0; of
45 true ones below 25, all but two had 2."""

LEARNED_POINTS, LEARNED_CANDIDATES = 512, 3
"""The same where a network describes points, at a millisecond each: seconds, and not half a minute."""

MOST_HITS = 10_000
"""Hits of a search without a limit of its own."""

LEAST_LOG10 = -300.0
"""Chances below 10 to this are answered as that."""

VERIFIED_AT_FIRST, VERIFIED_AT_ONCE = 32, 256
"""Further images that are verified together: few at first, since most searches find none among them; then as
many as have their keypoints in memory together. Of 601 pictures with 509 pairs of copies, 256 at once found
the same pairs in twice the time."""

SHORTLIST = 5
"""Candidates by votes alone of whose points the places are read, for each that is verified."""


@dataclass(frozen=True, slots=True)
class LocalSearchOptions:
    """Settings of the search for local features."""

    neighbors: int = setting(10, "points", "Nearest points that vote, of each point of a query.", minimum=2)
    candidates: int = setting(30, "images", "Images with most votes whose geometry is verified.", minimum=1)
    accept: float = setting(
        10.0, "", "Score that a hit needs: −log10 of the expected number of chance matches.", minimum=1
    )
    second_tries: bool = setting(
        True,
        "",
        "Look more closely where nothing is sure: more points of the query and of candidates' files.",
    )
    pixel_checks: int = setting(
        20, "images", "Best hits whose files are compared pixel by pixel with the query.", minimum=0
    )


class LocalSearch:
    """The read path of local features; threads may share it.

    Args:
        extractor: of the kind, for second looks.
        index: of descriptors; follows the store.
        store: holds the keypoints.
        on_broken: told of the error when stored features prove broken; answers which they are.
        originals: files of candidates, for second looks.
        options: settings.
    """

    options_class: ClassVar[type[LocalSearchOptions]] = LocalSearchOptions

    def __init__(
        self,
        extractor: PointExtractor,
        index: SearchableIndex,
        store: Store,
        on_broken: Callable[[BrokenFeatureError], Ids],
        originals: Originals,
        options: LocalSearchOptions | None = None,
    ) -> None:
        self.spec = extractor.spec
        self._extractor, self._index, self._store = extractor, index, store
        self._on_broken, self._originals = on_broken, originals
        self._options = options or LocalSearchOptions()

    def by_variants(
        self,
        variants: Sequence[QueryVariant],
        *,
        k: int | None = None,
        radius: float | None = None,
        allowed: Ids | None = None,
        picture: Picture | None = None,
        expansion: Expansion | None = None,
    ) -> Ranking:
        """Images that show a part of what the query shows, proven by geometry; see `KindSearch`.

        Returns:
            Hits, surest first.

        Raises:
            QueryError: both or neither of k and radius are given, or out of range.
        """
        check_extent(k, radius)
        started = time.perf_counter()
        views = self._views(variants)
        wanted = MOST_HITS if k is None else k
        candidates, proofs = self._first_look(views, wanted, allowed)
        if picture is not None and self._options.second_tries and _best(proofs) < SURE:
            guesses = 0 if self._accepted(proofs) else _guesses(picture)
            promising = _promising(candidates, proofs, most=self._close_candidates, guesses=guesses)
            proofs = _better(proofs, self._closer_look(picture, promising))
        ranked = sorted(self._hits(proofs), key=lambda hit: (hit.distance, hit.image_id))
        if radius is not None:
            ranked = [hit for hit in ranked if hit.distance <= radius]
        answered = self._looked_at(ranked[:k], picture)
        return Ranking(self.spec.kind, tuple(answered), self._index.pending, time.perf_counter() - started)

    def by_original_knobs(self, variant: QueryVariant, knobs: OriginalKnobs) -> list[tuple[int, int]]:
        """Images by the number of matching points, as the original system counts them.

        Args:
            variant: of the query; one with no keypoints matches nothing.
            knobs: the original's parameters.

        Returns:
            (image id, matches) pairs, most matches first, ties by image id.

        Raises:
            QueryError: a parameter is out of range.
        """
        return matches_by_image(
            unpack(variant.feature.vector), knobs, self._index, self._keypoints, self._images
        )

    def stored_variant(self, image_id: int) -> QueryVariant:
        """The stored keypoints of an image, as a query.

        Returns:
            An upright variant.

        Raises:
            UnknownImageError: the image has no local features.
        """
        return stored_variant(self._store, self.spec, image_id, self._on_broken)

    def has_hints(self, image_id: int) -> bool:
        """Whether any other image may share something with a stored one, by a first look at stored keypoints.

        For asking of every image of a library: no file is read, and of most that is all there is to know.

        Returns:
            True where `by_variants` with the picture may find something; a hint is no proof.

        Raises:
            UnknownImageError: the image has no local features.
            CorruptFeatureError: the stored ones are broken.
        """
        views = self._views([self.stored_variant(image_id)])
        _, proofs = self._first_look(
            views, wanted=1, allowed=None
        )  # itself; no further copies are looked for
        own = self._store.records.feature_ids(self.spec.fingerprint, [image_id])
        return bool(proofs.keys() - set(own.tolist()))

    def compare(self, picture: Picture, other: Picture) -> Geometry | None:
        """How one picture lies on another, both looked at closely; neither need be of the library.

        Args:
            picture: taken as the query.
            other: taken as the image.

        Returns:
            The proof, pixels compared, with its matches; None where the two share nothing that chance
            does not explain.
        """
        geometry: Geometry | None = None
        for enlarge in (1.0, 2.0):
            image = self._close(other, enlarge)
            views = self._close_views(picture, enlarge)
            candidates = [Candidate(0, number) for number in range(len(views))]
            if image is not None:
                geometry = proven(views, candidates, {0: image}, accept=self._options.accept).get(0)
            if geometry is not None and image is not None:
                view = next(each.keypoints for each in views if each.is_mirrored == geometry.is_mirrored)
                (matches,) = mutual_matches(view.descriptors, [image.descriptors])
                places = agreeing_places(pairs(view, image, matches), geometry, view, image)
                return replace(_checked(geometry, picture, other), matches=places)
        return None

    # --- votes and proofs -----------------------------------------------------------------------------

    def _views(self, variants: Sequence[QueryVariant]) -> list[View]:
        views = [View(unpack(each.feature.vector), each.orientation.mirrored) for each in variants]
        if len(views) == 1 and not self.spec.model:  # a stored query; SIFT mirrors by permutation
            views = list(both_ways(views[0].keypoints))
        return views

    def _first_look(
        self, views: Sequence[View], wanted: int, allowed: Ids | None
    ) -> tuple[list[Candidate], Proofs]:
        """Candidates, most votes first; and proofs, as many as are wanted where there are so many."""
        descriptors = np.concatenate([view.keypoints.descriptors for view in views])
        if not len(descriptors) or not len(self._index):
            return [], {}
        numbers = np.repeat(np.arange(len(views)), [len(view.keypoints) for view in views])
        neighbors = self._index.search(descriptors, self._options.neighbors, allowed=allowed)
        votes = cast_votes(neighbors)
        candidates, images = self._candidates(votes, numbers, views)
        known = self._proven(views, candidates, images)
        tried = {candidate.feature_id for candidate in candidates}
        reach, rows, features = self._options.neighbors, np.arange(len(numbers)), owners(neighbors.ids)
        before = 0
        while before < len(accepted := self._accepted(known)) < wanted:
            before = len(accepted)
            full = full_rows(features, np.array(list(accepted), np.int64))
            if not len(full):
                break
            rows, reach = rows[full], reach * GROWTH
            neighbors = self._index.search(descriptors[rows], reach, allowed=allowed)
            features = owners(neighbors.ids)
            self._verify_further(cast_votes(neighbors), numbers[rows], views, wanted, known, tried)
        return candidates, known

    def _candidates(
        self, votes: Votes, numbers: NDArray[np.int64], views: Sequence[View]
    ) -> tuple[list[Candidate], Mapping[int, Keypoints]]:
        """Images whose votes agree best in scale and angle, and the keypoints of these."""
        features, chosen = most_voted(votes, numbers, SHORTLIST * self._options.candidates)
        is_there = self._images(features) >= 0
        features, chosen = features[is_there], chosen[is_there]
        places = unpack_places(self._store.features.heads(self.spec, features, HEAD_BYTES))
        asked = [view.keypoints for view in views]
        agreeing = consistency(votes, numbers, asked, features, chosen, places)
        order = np.argsort(-agreeing, kind="stable")
        _, first = np.unique(features[order], return_index=True)  # the view of each that agrees better
        ranked = order[np.sort(first)]
        is_head = places.counts[ranked] > 0
        # What has no head is read as well: reading it whole tells what is wrong, and has it mended.
        best = np.concatenate([ranked[is_head][: self._options.candidates], ranked[~is_head]])
        images = self._read(np.sort(features[best]))
        candidates = [Candidate(int(features[place]), int(chosen[place])) for place in best]
        return [each for each in candidates if each.feature_id in images], images

    def _verify_further(
        self,
        votes: Votes,
        numbers: NDArray[np.int64],
        views: Sequence[View],
        wanted: int,
        known: Proofs,
        tried: set[int],
    ) -> None:
        """Verifies untried images, most votes first, until none of many proves to be a further copy."""
        features, chosen = most_voted(votes, numbers, len(votes))
        _, first = np.unique(features, return_index=True)
        more = [
            Candidate(int(features[place]), int(chosen[place]))
            for place in np.sort(first)
            if int(features[place]) not in tried
        ]
        start, stop = 0, VERIFIED_AT_FIRST
        while start < len(more):
            batch = more[start:stop]
            start, stop = stop, stop + VERIFIED_AT_ONCE
            tried.update(candidate.feature_id for candidate in batch)
            images = self._keypoints(np.array([candidate.feature_id for candidate in batch]))
            found = self._accepted(self._proven(views, batch, images))
            known.update(found)
            if not found or len(known) >= wanted:
                break

    def _proven(
        self, views: Sequence[View], candidates: Sequence[Candidate], images: Mapping[int, Keypoints]
    ) -> Proofs:
        return proven(views, candidates, images, accept=min(HINT, self._options.accept))

    def _accepted(self, proofs: Proofs) -> Proofs:
        """Without those that are hints at best."""
        return {each: proof for each, proof in proofs.items() if -proof.log10_chance >= self._options.accept}

    # --- second tries ---------------------------------------------------------------------------------

    def _closer_look(self, picture: Picture, promising: Sequence[Candidate]) -> Proofs:
        """The query and the files of a few candidates, with many more points at a larger size."""
        found: Proofs = {}
        views = self._close_views(picture, 2.0) if promising else ()
        image_ids = self._images(np.array([each.feature_id for each in promising], np.int64))
        for candidate, image_id in zip(promising, image_ids, strict=True):
            file = self._file(int(image_id), CLOSE_SIDE)
            image = None if file is None else self._close(file, 2.0)
            if image is not None:
                both = [replace(candidate, view=number) for number in range(len(views))]
                found.update(self._proven(views, both, {candidate.feature_id: image}))
        return found

    def _close_views(self, picture: Picture, enlarge: float) -> tuple[View, ...]:
        points = self._close_points
        try:
            upright, swapped = self._extractor.both_ways(picture, CLOSE_SIDE, points, enlarge=enlarge)
        except FeatureError:
            return ()
        return View(upright, False), View(swapped, True)

    def _close(self, picture: Picture, enlarge: float) -> Keypoints | None:
        try:
            return self._extractor.keypoints(picture, CLOSE_SIDE, self._close_points, enlarge=enlarge)
        except FeatureError:
            return None

    @property
    def _close_points(self) -> int:
        return LEARNED_POINTS if self.spec.model else CLOSE_POINTS

    @property
    def _close_candidates(self) -> int:
        return LEARNED_CANDIDATES if self.spec.model else CLOSE_CANDIDATES

    # --- pixels ---------------------------------------------------------------------------------------

    def _looked_at(self, hits: Sequence[Hit], picture: Picture | None) -> Iterator[Hit]:
        """Hits with their verdict; the pixels of the first few compared with the query's."""
        for place, hit in enumerate(hits):
            geometry = hit.geometry
            assert geometry is not None
            if picture is not None and place < self._options.pixel_checks:
                file = self._file(hit.image_id, self._extractor.need.longest_side or 0)
                if file is not None:
                    geometry = _checked(geometry, picture, file)
            yield replace(hit, geometry=geometry, verdict=verdict_of(geometry))

    def _file(self, image_id: int, longest_side: int) -> Picture | None:
        """The pixels of an image; None where its file is gone or no usable picture any more."""
        try:
            return self._originals.picture(image_id, longest_side)
        except (ImageError, UnknownImageError):
            return None

    # --- store ----------------------------------------------------------------------------------------

    def _keypoints(self, features: Ids) -> dict[int, Keypoints]:
        """Stored keypoints of features; broken ones, and those whose row is gone, are left out."""
        return self._read(features[self._images(features) >= 0] if len(features) else features)

    def _read(self, wanted: Ids) -> dict[int, Keypoints]:
        """Stored keypoints of features whose row is there; broken ones are left out."""
        while len(wanted):
            try:
                blobs, _ = self._store.features.get(self.spec, wanted)
            except (CorruptFeatureError, UnknownImageError) as exc:
                wanted = wanted[~np.isin(wanted, self._on_broken(exc))]
            else:
                return {int(each): unpack(blob) for each, blob in zip(wanted, blobs, strict=True)}
        return {}

    def _images(self, features: Ids) -> Ids:
        return self._store.records.image_ids(self.spec.fingerprint, features)

    def _hits(self, proofs: Proofs) -> list[Hit]:
        """Accepted proofs of images whose row is there."""
        accepted = self._accepted(proofs)
        image_ids = self._images(np.array(list(accepted), np.int64))
        return [
            _hit(int(image_id), geometry)
            for image_id, geometry in zip(image_ids, accepted.values(), strict=True)
            if image_id >= 0
        ]


def _hit(image_id: int, geometry: Geometry) -> Hit:
    distance = 10.0 ** max(geometry.log10_chance, LEAST_LOG10)
    return Hit(image_id, distance, orientation_of(geometry), 1.0, geometry)


def _promising(
    candidates: Sequence[Candidate], proofs: Proofs, *, most: int, guesses: int
) -> list[Candidate]:
    """Candidates of whose geometry something is known, the surest first; then a few by their votes alone."""
    hinted = [candidate for candidate in candidates if candidate.feature_id in proofs]
    hinted.sort(key=lambda candidate: proofs[candidate.feature_id].log10_chance)
    others = [candidate for candidate in candidates if candidate.feature_id not in proofs]
    return [*hinted, *others[:guesses]][:most]


def _guesses(query: Picture) -> int:
    """How many candidates that nothing but votes speak for are looked at more closely."""
    return SMALL_GUESSES if max(query.width, query.height) <= SMALL else GUESSES


def _best(proofs: Proofs) -> float:
    """The greatest score, 0 of nothing."""
    return max((-geometry.log10_chance for geometry in proofs.values()), default=0.0)


def _better(proofs: Proofs, others: Proofs) -> Proofs:
    """Both together; of a feature in both, the surer proof."""
    joined = dict(proofs)
    for feature_id, geometry in others.items():
        known = joined.get(feature_id)
        if known is None or geometry.log10_chance < known.log10_chance:
            joined[feature_id] = geometry
    return joined


def _checked(geometry: Geometry, query: Picture, image: Picture) -> Geometry:
    check = compare_pixels(query, image, geometry)
    if check is None:
        return geometry
    return replace(geometry, correlation=check.correlation, is_copy=check.is_copy)
